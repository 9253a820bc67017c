"""Which windows of source time a kind has, and how days and partition keys map to each other.

The first window takes everything older, the last (current) one everything newer: each file belongs to one.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from connector_pipelines.core.config import PartitionsConfig
from connector_pipelines.core.types import DayRange

__all__ = ["days_of", "key_of", "today", "windows"]


def windows(config: PartitionsConfig) -> dg.TimeWindowPartitionsDefinition:
    """The partitions all endpoints of a kind share. The current, unfinished window is one of them."""
    start = datetime.combine(_floor(config, config.start), datetime.min.time())  # noqa: DTZ001, RUF100 - read in `timezone`
    if config.every == "week":
        # Days of cron: 1 is Monday.
        return dg.WeeklyPartitionsDefinition(start, day_offset=1, timezone=config.timezone, end_offset=1)
    if config.every == "month":
        return dg.MonthlyPartitionsDefinition(start, timezone=config.timezone, end_offset=1)
    return dg.DailyPartitionsDefinition(start, timezone=config.timezone, end_offset=1)


def today(config: PartitionsConfig, now: datetime) -> date:
    """The day it is where the kind's days begin."""
    return now.astimezone(ZoneInfo(config.timezone)).date()


def key_of(config: PartitionsConfig, day: date, today: date) -> str:
    """The key of the window `day` belongs to."""
    first, last = _floor(config, config.start), _floor(config, today)
    return max(first, min(_floor(config, day), last)).isoformat()


def days_of(config: PartitionsConfig, first_key: str, last_key: str, today: date) -> DayRange:
    """The days of the windows from one key to another, both inclusive."""
    first, last = date.fromisoformat(first_key), date.fromisoformat(last_key)
    return DayRange(
        None if first <= _floor(config, config.start) else first, None if last >= _floor(config, today) else _last_day(config, last)
    )


def _floor(config: PartitionsConfig, day: date) -> date:
    if config.every == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if config.every == "month" else day


def _last_day(config: PartitionsConfig, first: date) -> date:
    if config.every == "week":
        return first + timedelta(days=6)
    if config.every == "month":
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first
