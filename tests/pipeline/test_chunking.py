"""Whether chunks are small enough, whole, and know where they stand."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.core.types import Place, Section, content_hash
from connector_pipelines.pipeline.chunking import chunk, clean

SENTENCE = "The pump was replaced and the valve was left as it is. "
ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=200)


def rows(first: int, last: int, *, sheet: str = "Parts", text: str = "bolt, M8, 40") -> list[Section]:
    return [Section(text, Place(sheet=sheet, first_row=row, last_row=row)) for row in range(first, last + 1)]


def test_a_small_section_is_one_chunk_with_its_place() -> None:
    (only,) = chunk([Section("Hello", Place(page=3))])
    assert (only.ordinal, only.text, only.hash, only.place, only.vector) == (0, "Hello", content_hash("Hello"), Place(page=3), None)


def test_a_large_section_is_cut_between_words_into_overlapping_chunks_of_one_place() -> None:
    chunks = chunk([Section(SENTENCE * 100, Place(page=7))], max_characters=300, overlap=60)
    assert {c.place for c in chunks} == {Place(page=7)}
    assert max(len(c.text) for c in chunks) <= 300
    assert {word for c in chunks for word in c.text.split()} == set(SENTENCE.split())
    assert all(before.text[-20:] in (SENTENCE * 3) and after.text[:10] in before.text for before, after in pairwise(chunks))


def test_a_word_longer_than_a_chunk_is_cut_and_nothing_of_it_lost() -> None:
    chunks = chunk([Section("x" * 2500)], max_characters=1000, overlap=0)
    assert [len(c.text) for c in chunks] == [1000, 1000, 500]


def test_small_rows_of_a_sheet_share_a_chunk_whose_place_spans_them() -> None:
    chunks = chunk(rows(2, 200), max_characters=400)
    spans = [(c.place.first_row, c.place.last_row) for c in chunks]
    assert spans[0][0] == 2
    assert spans[-1][1] == 200
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(spans) if last is not None)
    assert all(len(c.text.splitlines()) == (c.place.last_row or 0) - (c.place.first_row or 0) + 1 for c in chunks)
    assert all(300 < len(c.text) <= 400 for c in chunks[:-1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Place(page=1), Place(page=2)),
        (Place(slide=1), Place(slide=2)),
        (Place(sheet="a", first_row=1), Place(sheet="b", first_row=1)),
        (Place(heading="Scope"), Place(heading="Costs")),
        (Place(sheet="a"), Place(sheet="a", first_row=1)),
        (Place(), Place(page=1)),
    ],
)
def test_sections_that_stand_elsewhere_never_share_a_chunk(one: Place, other: Place) -> None:
    assert [(c.text, c.place) for c in chunk([Section("a", one), Section("b", other), Section("c", one)])] == [
        ("a", one),
        ("b", other),
        ("c", one),
    ]


def test_small_paragraphs_of_one_page_share_a_chunk() -> None:
    (only,) = chunk([Section("One.", Place(page=1)), Section(" \n ", Place(page=1)), Section("Two.", Place(page=1))])
    assert (only.text, only.place) == ("One.\n\nTwo.", Place(page=1))


def test_a_row_that_names_no_last_row_counts_as_one() -> None:
    (only,) = chunk([Section("a", Place(sheet="s", first_row=4)), Section("b", Place(sheet="s", first_row=5, last_row=6))])
    assert only.place == Place(sheet="s", first_row=4, last_row=6)


@pytest.mark.parametrize("sections", [[], [Section("")], [Section(" \n\t "), Section("\x00\ufeff")]])
def test_nothing_to_say_makes_no_chunks(sections: list[Section]) -> None:
    assert chunk(sections) == ()


def test_an_overlap_as_large_as_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        chunk([Section("text")], max_characters=100, overlap=100)


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("a\x00b\x07c\x7fd\x9fe", "abcde"),
        ("a\ud800b\udcff", "ab"),
        ("a\r\nb\rc\x0cd\x85e", "a\nb\nc\nd\ne"),
        ("a\n\n\n \t\n\nb\n\nc\nd", "a\n\nb\n\nc\nd"),
        ("Gro\u0308\u00dfe", "Größe"),
        ("\ufeff  a\tb  ", "a\tb"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_text_is_cleaned(dirty: str, cleaned: str) -> None:
    assert clean(dirty) == cleaned


@given(ANY_TEXT)
def test_cleaning_twice_is_cleaning_once_and_the_result_can_be_stored(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert "\x00" not in once
    assert once.encode().decode() == once
    assert unicodedata.is_normalized("NFC", once)


@given(
    st.lists(st.tuples(ANY_TEXT, st.sampled_from([None, 1, 2]), st.sampled_from([None, 1, 5])), max_size=12),
    st.integers(min_value=20, max_value=80),
)
def test_any_sections_make_chunks_within_the_size_in_order_without_gaps(parts: list[tuple[str, int | None, int | None]], size: int) -> None:
    sections = [Section(text, Place(page=page, first_row=row)) for text, page, row in parts]
    chunks = chunk(sections, max_characters=size, overlap=10)
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))
    assert all(0 < len(c.text) <= size and c.hash == content_hash(c.text) for c in chunks)
    kept = {letter for s in sections for letter in clean(s.text) if not letter.isspace()}
    assert {letter for c in chunks for letter in c.text if not letter.isspace()} == kept
    assert {c.place.page for c in chunks} == {s.place.page for s in sections if clean(s.text)}
