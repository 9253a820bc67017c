"""Whether rankings fuse into the one they agree on, and snippets show what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.core.types import Hit
from connector_pipelines.pipeline.ranking import fuse, snippet

LONG = "lorem ipsum " * 40 + "the pressure valve leaks at the flange " + "dolor sit " * 40


def hit(name: str, *, generation: int = 1, ordinal: int = 0, score: float = 0.5) -> Hit:
    return Hit(document_id=name, generation=generation, ordinal=ordinal, score=score)


def names(hits: list[Hit]) -> list[str]:
    return [h.document_id for h in hits]


def test_what_both_rank_well_comes_before_what_one_ranks_best() -> None:
    fused = fuse([[hit("a"), hit("both"), hit("c")], [hit("d"), hit("both"), hit("e")]])
    assert names(fused)[0] == "both"


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    fused = fuse([[hit("a", score=9), hit("b", score=8)], [hit("b", score=0.1)]], k=60)
    assert [(h.document_id, h.score) for h in fused] == [("b", 1 / 62 + 1 / 61), ("a", 1 / 61)]


def test_ties_fall_the_same_way_whichever_sink_answers_first() -> None:
    one, other = [hit("b"), hit("a")], [hit("a"), hit("b")]
    assert names(fuse([one, other])) == names(fuse([other, one])) == ["a", "b"]


def test_chunks_of_a_document_are_told_apart() -> None:
    assert [h.ordinal for h in fuse([[hit("a", ordinal=2), hit("a", ordinal=1)], [hit("a", ordinal=1)]])] == [1, 2]


def test_a_repeated_hit_counts_once_and_pushes_nothing_down() -> None:
    assert fuse([[hit("a"), hit("a"), hit("b")]]) == fuse([[hit("a"), hit("b")]])


def test_hits_of_a_generation_that_another_sink_has_replaced_are_left_out() -> None:
    fused = fuse([[hit("a", generation=1, ordinal=7), hit("b")], [hit("a", generation=2, ordinal=0)]])
    assert {(h.document_id, h.generation, h.ordinal) for h in fused} == {("a", 2, 0), ("b", 1, 0)}


@pytest.mark.parametrize("rankings", [[], [[]], [[], []]])
def test_nothing_found_fuses_to_nothing(rankings: list[list[Hit]]) -> None:
    assert fuse(rankings) == []


def test_a_snippet_shows_the_words_asked_for_with_ellipses_where_it_was_cut() -> None:
    shown = snippet(LONG, ["valve", "flange"], width=100)
    assert "pressure valve leaks at the flange" in shown
    assert shown[0] == shown[-1] == "…"
    assert len(shown) <= 100


def test_most_different_words_beat_one_word_many_times() -> None:
    text = "pump " * 60 + "x " * 200 + "pump and valve " + "y " * 200
    assert "pump and valve" in snippet(text, ["pump", "valve"], width=80)


@pytest.mark.parametrize("term", ["VALVE", "valv", "Valve"])
def test_words_match_by_their_beginning_whatever_their_case(term: str) -> None:
    assert "valve" in snippet(LONG, [term], width=80)


def test_a_term_inside_a_word_does_not_count() -> None:
    assert snippet("category " * 60 + "cat " + "dog " * 60, ["cat", "gory"], width=60).startswith("category")
    assert "flange" not in snippet(LONG, ["lange"], width=80)


def test_without_a_match_the_beginning_is_shown() -> None:
    assert snippet(LONG, ["zebra", "", " "], width=50) == "lorem ipsum lorem ipsum lorem ipsum lorem ipsum…"


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert snippet(" one\n two\t<b>three</b> ", ["two"]) == "one two <b>three</b>"


def test_terms_are_words_and_not_patterns() -> None:
    assert "a+b(c" in snippet("x " * 300 + "a+b(c " + "y " * 300, ["a+b(c", "[", "\\"], width=60)


@given(st.text(max_size=600), st.lists(st.text(max_size=8), max_size=6), st.integers(min_value=20, max_value=300))
def test_a_snippet_is_never_wider_than_asked_and_made_of_the_text(text: str, terms: list[str], width: int) -> None:
    shown = snippet(text, terms, width)
    assert len(shown) <= width
    assert shown.strip("…").strip() in " ".join(text.split())
