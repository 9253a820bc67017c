"""What is shown beside an asset says what it should, whatever the files are called."""

from datetime import UTC, datetime

from connector_pipelines.defs.metadata import newest_table, windows_chart
from connector_pipelines.store.catalog.reports import NewestDocument


def _rows(**counts: int) -> dict[str, dict[str, int]]:
    return {key.replace("_", "-").removeprefix("d"): {"dagster/partition_row_count": n} for key, n in counts.items()}


def test_the_chart_has_a_bar_for_each_window_that_has_anything() -> None:
    shown = windows_chart(_rows(d2024_01_02=20, d2024_01_01=1, d2024_01_03=0)).value

    assert shown == f"```\n2024-01-01 {'█' * 2} 1\n2024-01-02 {'█' * 40} 20\n```"


def test_empty_windows_are_told_to_be_empty() -> None:
    assert windows_chart(_rows(d2024_01_01=0)).value == "```\nnothing in these windows\n```"


def test_the_newest_documents_link_to_their_source_whatever_their_names() -> None:
    document = NewestDocument(
        path="a|b [draft] (1).txt",
        url="file:///a%20(1).txt",
        modified_at=datetime(2024, 1, 2, tzinfo=UTC),
        chunks=3,
        content_type="text/plain",
    )

    shown = newest_table([document]).value

    assert shown.splitlines()[-1] == r"| [a\|b \[draft\] (1).txt](<file:///a%20(1).txt>) | 2024-01-02 | 3 | text/plain |"
