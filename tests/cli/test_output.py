"""How values look."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from connector_pipelines.cli.output import ago, count, counts, highlighted, one_line, size
from connector_pipelines.cli.progress import Lines, line
from connector_pipelines.cli.synced import EndpointResult, exit_code, print_results
from connector_pipelines.pipeline.session import Progress

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("n", "told"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (12_300_000, "12 MB"), (5_000_000_000_000_000, "5000 TB")]
)
def test_sizes_keep_two_digits(n: int, told: str) -> None:
    assert size(n) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s ago"), (90, "90 s ago"), (120, "2 min ago"), (-300, "in 5 min"), (7200, "2 h ago"), (200_000, "2 d ago")]
)
def test_instants_are_told_from_now(seconds: int, told: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == told


def test_no_instant_is_never() -> None:
    assert ago(None) == "never"


def test_counts_name_the_largest_part_first() -> None:
    assert counts({"encrypted": 1, "malformed": 2}) == "3 (malformed 2, encrypted 1)"
    assert counts({}) == "0"


def test_one_is_singular() -> None:
    assert (count(1, "file"), count(2, "file"), count(2, "entry", "entries")) == ("1 file", "2 files", "2 entries")


def test_a_files_name_writes_no_line_of_its_own_and_paints_nothing() -> None:
    assert one_line("a\nb\x1b[31m") == "a b\\x1b[31m"


def test_matches_are_highlighted_where_a_word_begins() -> None:
    shown = highlighted("The wall, the drywall and walls.", ["wall"])

    assert [shown.plain[s.start : s.end] for s in shown.spans] == ["wall", "walls"]


def test_a_stage_is_told_at_most_every_three_seconds() -> None:
    clock, stream = iter((0.0, 1.0, 3.5)), io.StringIO()
    tell = Lines(stream, lambda: next(clock))

    for done in (1, 2, 3):
        tell(Progress(endpoint="a", stage="files", done=done, total=9))

    assert stream.getvalue() == "a files: 1 of 9\na files: 3 of 9\n"


def test_a_stage_that_did_nothing_is_not_told() -> None:
    stream = io.StringIO()

    Lines(stream)(Progress(endpoint="a", stage="files", done=0))

    assert stream.getvalue() == ""


def test_failures_stand_in_the_line() -> None:
    assert line(Progress(endpoint="a", stage="files", done=2, failed=1)) == "a files: 2, 1 failed"


def test_what_holds_a_stage_up_is_told_at_once_and_each_time() -> None:
    stream = io.StringIO()
    tell = Lines(stream, lambda: 0.0)
    for wait_s in (5, 20):
        tell(Progress(endpoint="a", stage="sync", done=0, note=f"the store is away; trying again in {wait_s} s"))

    assert stream.getvalue() == "a sync: the store is away; trying again in 5 s\na sync: the store is away; trying again in 20 s\n"


def _result(*, failed: int = 0, held: int = 0, known: int = 0, error: dict[str, str] | None = None) -> EndpointResult:
    return EndpointResult(
        endpoint="a",
        listed={},
        stored=0,
        extracted=0,
        skipped=0,
        failed=0,
        open_failures=failed,
        known=known,
        retried_later=0,
        delivered={},
        removed={},
        held=held,
        error=error,
    )


@pytest.mark.parametrize(
    ("results", "strict", "code"),
    [
        ([_result()], True, 0),
        ([_result(failed=1)], False, 0),
        ([_result(failed=1)], True, 3),
        ([_result(failed=1), _result(held=20)], True, 4),
        ([_result(held=20), _result(error={"code": "unavailable"})], True, 1),
    ],
)
def test_the_exit_code_is_the_worst(results: list[EndpointResult], strict: bool, code: int) -> None:
    assert exit_code(results, strict=strict) == code


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (_result(), "nothing there"),
        (_result(known=3), "nothing changed"),
        (_result(error={"code": "x", "message": "y"}), "nothing was listed"),
    ],
)
def test_a_sync_that_listed_nothing_says_why(result: EndpointResult, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_results([result])

    assert capsys.readouterr().out.startswith(f"a: {said}\n")
