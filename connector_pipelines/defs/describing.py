"""How an asset presents itself: description, owners, tags, kinds, how fresh it should be."""

import re
from datetime import timedelta
from typing import Any

import dagster as dg

from connector_pipelines.core.config import Cron, Interval, Schedule, format_duration
from connector_pipelines.defs.keys import SYNC
from connector_pipelines.defs.known import Known, KnownEndpoint
from connector_pipelines.settings import load_settings

__all__ = ["code_version", "common", "description", "freshness", "technologies"]

_WHAT = {
    "listing": "What is there: every item the source names, sorted into windows by the time it was last modified.",
    "files": "The bytes of every listed item, verified and kept under their content hash.",
    "documents": "The text of every stored file, cut into chunks that know their place.",
    SYNC: "One pass over everything: what changed is noticed and taken through every stage.",
}


def common(endpoint: KnownEndpoint) -> dict[str, Any]:
    """What all assets of the endpoint share, as `dg.AssetSpec` takes it."""
    return {
        "group_name": endpoint.slug,
        "owners": [f"team:{_cleaned(endpoint.tenant)}"],
        "tags": {"connector/kind": endpoint.kind, "connector/endpoint": endpoint.slug, "connector/tenant": _cleaned(endpoint.tenant)},
    }


def description(known: Known, endpoint: KnownEndpoint, stage: str) -> str:
    what = _WHAT.get(stage) or f"What the sink `{stage}` ({known.sinks.get(stage, 'gone')}) holds: exactly the documents of this endpoint."
    return "\n\n".join(
        (
            f"**{_plain(endpoint.name)}** ({endpoint.kind}, connector {_plain(endpoint.connector)}). {what}",
            f"Synced {_in_words(endpoint.schedule)}.",
            f"```\nconnectors sync {endpoint.slug}\nconnectors status {endpoint.slug}\nconnectors failures --endpoint {endpoint.slug}\n```",
        )
    )


def technologies(known: Known, endpoint: KnownEndpoint, stage: str) -> set[str]:
    """At most three, which is what Dagster takes."""
    store = {"listing": "postgres", "files": "s3" if load_settings().s3 else "file", "documents": "postgres", SYNC: "postgres"}.get(stage)
    return {endpoint.kind, store or known.sinks.get(stage, stage)}


def code_version(known: Known, endpoint: KnownEndpoint, stage: str) -> str | None:
    """Of what the stage does with the same input; a new one makes what is there stale in the UI."""
    found = {
        "listing": known.versions.get(f"listing:{endpoint.kind}"),
        "files": "1",
        "documents": known.versions.get("documents"),
        SYNC: None,
    }
    return found[stage] if stage in found else known.versions.get(f"sink:{stage}")


def freshness(schedule: Schedule) -> dg.FreshnessPolicy | None:
    """A few missed syncs warn, more fail; None where only people start them."""
    if isinstance(schedule, Interval):
        # Dagster looks once a minute, and a busy queue delays short intervals: below ten minutes they get twenty.
        warn = max(2 * schedule.every, timedelta(minutes=20))
        return dg.FreshnessPolicy.time_window(fail_window=3 * warn, warn_window=warn)
    if isinstance(schedule, Cron):
        return _by_cron(schedule)
    return None


def _by_cron(schedule: Cron) -> dg.FreshnessPolicy | None:
    from dagster._utils.schedules import get_smallest_cron_interval

    interval = get_smallest_cron_interval(schedule.expression)
    if interval < timedelta(minutes=10):
        return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1), warn_window=timedelta(minutes=20))
    # The sync starts at the time of the schedule and must have ended by the deadline, half the way to the next one.
    slack = min(interval / 2, timedelta(hours=1))
    return dg.FreshnessPolicy.time_window(fail_window=_longest(schedule) + 2 * slack, warn_window=_longest(schedule) + slack)


def _longest(schedule: Cron) -> timedelta:
    """The longest the schedule pauses, as between Friday and Monday, looked at over its next fifty times."""
    from datetime import UTC, datetime
    from itertools import pairwise

    from croniter import croniter

    times = croniter(schedule.expression, datetime(2024, 1, 1, tzinfo=UTC))
    found: list[datetime] = [times.get_next(datetime) for _ in range(50)]
    return max(b - a for a, b in pairwise(found))


def _in_words(schedule: Schedule) -> str:
    if isinstance(schedule, Interval):
        return f"every {format_duration(schedule.every)}"
    if isinstance(schedule, Cron):
        return f"by cron `{schedule.expression}` ({schedule.timezone})"
    return "when somebody asks"


def _cleaned(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")[:63] or "unnamed"


def _plain(text: str) -> str:
    """Text in markdown as it is."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))
