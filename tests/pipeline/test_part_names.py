"""What a part is called: a name of its own in its file, whatever it was called."""

from __future__ import annotations

import pytest

from connector_pipelines.pipeline.parts import part_names


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (["a.txt", "b.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "a.txt", "a.txt"], ["a.txt", "a (2).txt", "a (3).txt"]),
        (["a.txt", "a.txt", "a (2).txt"], ["a.txt", "a (3).txt", "a (2).txt"]),
        (["a (2).txt", "a.txt", "a.txt"], ["a (2).txt", "a.txt", "a (3).txt"]),
        (["d/a.tar.gz", "d/a.tar.gz", "plain", "plain"], ["d/a.tar.gz", "d/a.tar (2).gz", "plain", "plain (2)"]),
        ([".env", ".env"], [".env", ".env (2)"]),
        (["", ""], ["unnamed", "unnamed (2)"]),
        (["a\x00b", "ab"], ["ab", "ab (2)"]),
    ],
)
def test_every_part_has_a_name_of_its_own(told: list[str], names: list[str]) -> None:
    assert part_names(told) == names


def test_a_name_too_long_for_an_index_keeps_its_suffix_and_is_told_apart() -> None:
    one, other = part_names(["x" * 60_000 + "1.pdf", "ü" * 60_000 + "2.pdf"])

    assert one.endswith("1.pdf")
    assert other.endswith("ü2.pdf")
    assert max(len(n.encode()) for n in (one, other)) < 1000


def test_many_parts_of_one_name_are_named_in_no_time() -> None:
    assert part_names(["a.txt"] * 10_000)[-1] == "a (10000).txt"
