"""What `connectors.yaml` may say, and how its mistakes are told."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from connector_pipelines.core import config
from connector_pipelines.core.config import (
    ConnectorConfig,
    ConnectorsFile,
    Cron,
    EndpointConfig,
    ExtractionLimits,
    Interval,
    Manual,
    PartitionsConfig,
    Schedule,
    TenantConfig,
    format_duration,
    parse_duration,
)


def models():
    return [m for m in vars(config).values() if isinstance(m, type) and issubclass(m, BaseModel) and m.__module__ == config.__name__]


# durations


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h 30m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        (" 1d 2h 3m 4s ", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("90m", timedelta(minutes=90)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", " ", "5", "5 minutes", "m", "5m 1h", "-5m", "1.5h", "5M", "1h,30m", "5m5m"])
def test_what_is_no_duration_is_told_with_examples(text):
    with pytest.raises(ValueError, match="is not a duration; write it like 30s, 5m, 1h 30m or 2d"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_written_is_the_duration_read(seconds):
    duration = timedelta(seconds=seconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (60, "1m"), (3600, "1h"), (5400, "1h 30m"), (86400, "1d"), (90061, "1d 1h 1m 1s")]
)
def test_a_duration_is_written_in_its_shortest_form(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text


# schedules


@pytest.mark.parametrize("schedule", [Interval(every="5m"), Cron(expression="0 6 * * 1-5", timezone="Europe/Berlin"), Manual()])
def test_a_schedule_is_read_back_from_what_is_kept_of_it(schedule):
    adapter = TypeAdapter(Schedule)

    assert adapter.validate_python(adapter.dump_python(schedule, mode="json")) == schedule


@pytest.mark.parametrize("every", ["9s", "0s"])
def test_an_interval_is_ten_seconds_at_least(every):
    with pytest.raises(ValidationError, match="an interval is 10s at least"):
        Interval(every=every)


@pytest.mark.parametrize("expression", ["", "* * * *", "* * * * * *", "60 * * * *", "nonsense", "@daily", "a b c d e"])
def test_a_cron_expression_has_five_fields_that_mean_something(expression):
    with pytest.raises(ValidationError, match="is not a cron expression of five fields"):
        Cron(expression=expression)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime"])
def test_a_time_zone_exists(name):
    with pytest.raises(ValidationError, match="is not an IANA time zone"):
        Cron(expression="0 6 * * *", timezone=name)
    with pytest.raises(ValidationError, match="is not an IANA time zone"):
        PartitionsConfig(timezone=name)


def test_a_schedule_says_which_kind_it_is():
    with pytest.raises(ValidationError, match="'interval', 'cron', 'manual'"):
        EndpointConfig(slug="a", schedule={"type": "sometimes"})


# endpoints and the file


@pytest.mark.parametrize("slug", ["a", "a1_b", "a" * 60])
def test_a_slug_is_a_short_plain_name(slug):
    assert EndpointConfig(slug=slug).title == slug


@pytest.mark.parametrize("slug", ["", "A", "1a", "_a", "a-b", "a b", "ä", "a\n", "a" * 61])
def test_anything_else_is_no_slug(slug):
    with pytest.raises(ValidationError, match="slug"):
        EndpointConfig(slug=slug)


@pytest.mark.parametrize("facts", [{"max_delete_share": 1.1}, {"max_delete_share": -0.1}, {"max_failed_share": 2}])
def test_a_share_lies_between_none_and_all(facts):
    with pytest.raises(ValidationError):
        EndpointConfig(slug="a", **facts)


@pytest.mark.parametrize(
    "facts",
    [{"max_file_bytes": 0}, {"max_text_bytes": -1}, {"max_unpacked_bytes": 0}, {"max_memory_bytes": 1024}, {"time_limit": "soon"}],
)
def test_limits_leave_room_to_work(facts):
    with pytest.raises(ValidationError):
        ExtractionLimits(**facts)


def test_limits_are_read_back_from_what_is_kept_of_them():
    limits = ExtractionLimits(max_file_bytes=1, time_limit="90s", passwords=("env:A",))

    assert ExtractionLimits.model_validate(limits.model_dump(mode="json")) == limits


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_names_of_tenants_and_connectors_are_neither_empty_nor_endless(name):
    with pytest.raises(ValidationError):
        TenantConfig(name=name)
    with pytest.raises(ValidationError):
        ConnectorConfig(name=name, kind="k", endpoints=(EndpointConfig(slug="a"),))


def test_a_connector_has_something_to_sync():
    with pytest.raises(ValidationError, match="endpoints"):
        ConnectorConfig(name="c", kind="k", endpoints=())


def test_an_empty_file_is_a_whole_installation():
    found = ConnectorsFile()

    assert [t.name for t in found.tenants] == ["default"]
    assert {name: sink.kind for name, sink in found.sinks.items()} == {"vectors": "pgvector", "search": "postgres_text"}
    assert PartitionsConfig() == PartitionsConfig(start=date(2020, 1, 1), every="day", timezone="UTC")


def test_a_file_is_read_back_from_what_is_kept_of_it():
    wanted = ConnectorsFile(
        connectors=(ConnectorConfig(name="c", kind="k", endpoints=(EndpointConfig(slug="a", schedule=Interval(every="1h")),)),),
        partitions={"k": PartitionsConfig(every="month")},
    )

    assert ConnectorsFile.model_validate_json(wanted.model_dump_json()) == wanted


def test_a_later_format_is_not_guessed_at():
    with pytest.raises(ValidationError, match="version"):
        ConnectorsFile(version=2)


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_a_word_nobody_knows_is_a_mistake_and_nothing_changes_once_read(model):
    assert (model.model_config["extra"], model.model_config["frozen"]) == ("forbid", True)


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_each_field_is_described(model):
    undescribed = [name for name, field in model.model_fields.items() if not field.description]

    assert set(undescribed) <= {"type"}
