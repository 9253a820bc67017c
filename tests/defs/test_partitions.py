"""Days, windows and partition keys map to each other without gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from connector_pipelines.core.config import PartitionsConfig
from connector_pipelines.core.types import DayRange
from connector_pipelines.defs.partitions import days_of, key_of, today, windows

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
TODAY = NOW.date()


@pytest.mark.parametrize("every", ["day", "week", "month"])
def test_every_day_falls_into_a_window_dagster_knows(every: str) -> None:
    config = PartitionsConfig(start=date(2026, 9, 16), every=every)
    keys = windows(config).get_partition_keys(current_time=NOW)
    days = [date(1999, 1, 1), date(2026, 9, 15), date(2026, 9, 16), date(2026, 10, 31), TODAY, date(2031, 5, 5)]
    found = [key_of(config, day, TODAY) for day in days]
    assert set(found) <= set(keys)
    assert (found[0], found[-1]) == (keys[0], keys[-1])
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("every", "first", "last", "days"),
    [
        ("day", "2026-10-02", "2026-10-03", DayRange(date(2026, 10, 2), date(2026, 10, 3))),
        ("week", "2026-10-05", "2026-10-05", DayRange(date(2026, 10, 5), date(2026, 10, 11))),
        ("month", "2026-10-01", "2026-10-01", DayRange(date(2026, 10, 1), date(2026, 10, 31))),
        ("month", "2026-09-01", "2026-11-01", DayRange(None, None)),
        ("day", "2026-09-16", "2026-09-16", DayRange(None, date(2026, 9, 16))),
        ("day", "2026-11-21", "2026-11-21", DayRange(date(2026, 11, 21), None)),
    ],
)
def test_the_first_window_is_open_to_the_past_and_the_current_one_to_the_future(every: str, first: str, last: str, days: DayRange) -> None:
    config = PartitionsConfig(start=date(2026, 9, 16), every=every)
    assert days_of(config, first, last, TODAY) == days


def test_the_current_window_is_the_one_of_the_kinds_own_time_zone() -> None:
    config = PartitionsConfig(timezone="Europe/Berlin")
    assert today(config, NOW) == date(2026, 11, 22)
    assert windows(config).get_partition_keys(current_time=NOW)[-1] == "2026-11-22"
