"""`connectors.yaml` into rows: what is new, what changed, what was put aside, and nothing else."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from connector_pipelines.core.config import (
    ConnectorConfig,
    ConnectorsFile,
    Cron,
    ExtractionLimits,
    Interval,
    Manual,
    PartitionsConfig,
    SinkSettings,
    TenantConfig,
)
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.catalog import configuration
from tests.catalog_world import NOW, config, endpoint_config, ref

EVERY_MINUTE = Interval(every="1m")


def installation(world):
    with world.database.operator() as tx:
        return configuration.installation(tx)


def endpoint_row(world, slug="docs"):
    return world.rows("SELECT * FROM endpoints WHERE slug = %s", slug)[0]


def connector_row(world):
    return world.rows("SELECT * FROM connectors")[0]


def everything(world):
    tables = ("tenants", "connectors", "endpoints", "sinks", "partitions", "audit_log")
    return {t: world.rows(f"SELECT * FROM {t} ORDER BY 1") for t in tables}


def test_what_is_new_is_added(world):
    applied = world.apply(config(endpoint_config("docs"), endpoint_config("mail"), endpoint_config("wiki")))

    assert (applied.added, applied.changed, applied.removed, applied.other) == (("mail", "wiki"), (), (), ())
    assert [e.slug for e in installation(world).endpoints] == ["docs", "mail", "wiki"]


def test_a_file_that_says_the_same_changes_nothing(world):
    before = everything(world)
    world.now += timedelta(hours=1)

    applied = world.apply(config())

    assert not applied.anything
    assert everything(world) == before


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "Papers"},
        {"settings": {"root": "/elsewhere"}},
        {"schedule": EVERY_MINUTE},
        {"sinks": ("search",)},
        {"extraction": ExtractionLimits(max_text_bytes=1)},
        {"max_delete_share": 0.5},
        {"max_failed_share": 0.1},
        {"paused": True},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_each_thing_said_about_an_endpoint_is_seen_to_change_and_read_back(world, facts):
    applied = world.apply(config(endpoint_config(**facts)))

    assert (applied.added, applied.changed, applied.removed) == ((), ("docs",), ())
    (name, value), found = next(iter(facts.items())), world.find("docs")
    assert getattr(found, name) == value


def test_the_installation_reads_back_what_was_applied(world):
    limits = ExtractionLimits(max_file_bytes=5, time_limit="90s", passwords=("env:PDF",))
    wanted = config(
        endpoint_config(
            "docs", name="Papers", settings={"root": "/a", "include": ["*.pdf"]}, schedule=Cron(expression="0 6 * * *"), extraction=limits
        ),
        endpoint_config("mail", schedule=EVERY_MINUTE, sinks=("search",), paused=True),
    )
    world.apply(wanted.model_copy(update={"partitions": {"local_folder": PartitionsConfig(every="week", timezone="Europe/Berlin")}}))

    found = installation(world)

    docs, mail = found.endpoints
    assert (docs.name, docs.kind, docs.tenant, docs.connector) == ("Papers", "local_folder", "default", "files")
    assert (docs.settings, docs.extraction, docs.sinks) == ({"root": "/a", "include": ["*.pdf"]}, limits, ("vectors", "search"))
    assert (docs.schedule, mail.schedule) == (Cron(expression="0 6 * * *"), EVERY_MINUTE)
    assert (mail.sinks, mail.paused, mail.timezone, docs.cursor) == (("search",), True, "Europe/Berlin", "")
    assert found.sinks == {"vectors": SinkSettings(kind="memory"), "search": SinkSettings(kind="memory")}
    assert found.partitions == {"local_folder": PartitionsConfig(every="week", timezone="Europe/Berlin")}


def test_what_the_file_no_longer_has_is_put_aside_with_all_it_brought(world):
    world.snapshot(ref("a"))

    applied = world.apply(config(endpoint_config("mail")))

    assert (applied.added, applied.removed) == (("mail",), ("docs",))
    assert [e.slug for e in installation(world).endpoints] == ["mail"]
    assert endpoint_row(world)["removed_at"] == NOW
    assert world.statuses() == {"a": "listed"}


def test_what_comes_back_goes_on_where_it_was(world):
    world.snapshot(ref("a"), cursor="c7")
    world.apply(config(endpoint_config("mail")))

    applied = world.apply(config())

    assert (applied.added, applied.removed) == (("docs",), ("mail",))
    assert world.find("docs").cursor == "c7"
    assert world.find("docs").id == world.endpoint.id


def test_a_file_without_connectors_and_sinks_puts_everything_aside(world):
    applied = world.apply(ConnectorsFile(sinks={}))

    assert applied.removed == ("docs",)
    assert (installation(world).endpoints, installation(world).sinks) == ((), {})


def test_a_slug_of_another_connector_is_refused_and_nothing_happens(world):
    before = everything(world)
    wanted = ConnectorsFile(
        connectors=(
            ConnectorConfig(name="files", kind="local_folder", endpoints=(endpoint_config("added"),)),
            ConnectorConfig(name="other", kind="local_folder", endpoints=(endpoint_config("docs"),)),
        )
    )

    with pytest.raises(ConfigurationError, match="slug 'docs' belongs to another connector") as caught:
        world.apply(wanted)

    assert "connectors purge" in caught.value.advice
    assert everything(world) == before


def test_a_tenant_nobody_named_is_refused(world):
    wanted = config().model_copy(update={"tenants": (TenantConfig(name="somebody"),)})

    with pytest.raises(ConfigurationError, match="there is no tenant 'default'"):
        world.apply(wanted)


def test_an_endpoint_nobody_named_is_refused_with_the_known_ones(world):
    with pytest.raises(ConfigurationError, match="there is no endpoint 'dosc'") as caught:
        world.find("dosc")

    assert "known: docs" in caught.value.advice


def test_a_tenant_is_found_by_its_name(world):
    with world.database.operator() as tx:
        assert configuration.tenant_named(tx, "default") == world.endpoint.tenant_id
        with pytest.raises(ConfigurationError, match="there is no tenant 'nobody'"):
            configuration.tenant_named(tx, "nobody")


def test_connectors_of_two_tenants_may_share_a_name(world):
    wanted = ConnectorsFile(
        tenants=(TenantConfig(name="default"), TenantConfig(name="second")),
        connectors=tuple(
            ConnectorConfig(name="files", kind="local_folder", tenant=tenant, endpoints=(endpoint_config(slug),))
            for tenant, slug in (("default", "docs"), ("second", "theirs"))
        ),
    )

    world.apply(wanted)

    assert world.find("docs").connector_id != world.find("theirs").connector_id
    assert world.find("docs").tenant_id != world.find("theirs").tenant_id


@pytest.mark.parametrize(
    ("schedule", "due_at"),
    [
        (EVERY_MINUTE, NOW),
        (Cron(expression="0 18 * * *"), NOW.replace(hour=18)),
        (Cron(expression="0 18 * * *", timezone="Europe/Berlin"), NOW.replace(hour=17)),
        (Manual(), None),
    ],
)
def test_another_schedule_sets_when_the_next_sync_is_due(world, schedule, due_at):
    world.execute("UPDATE endpoints SET next_due_at = '2030-01-01Z'")

    world.apply(config(endpoint_config(schedule=Cron(expression="1 1 1 1 *"))))
    world.apply(config(endpoint_config(schedule=schedule)))

    assert endpoint_row(world)["next_due_at"] == due_at


def test_the_same_schedule_leaves_when_the_next_sync_is_due(world):
    world.apply(config(endpoint_config(schedule=EVERY_MINUTE)))
    later = NOW + timedelta(seconds=42)
    world.execute("UPDATE endpoints SET next_due_at = %s", later)

    world.apply(config(endpoint_config(schedule=EVERY_MINUTE, name="Papers")))

    assert endpoint_row(world)["next_due_at"] == later


def test_other_settings_start_the_feed_over_and_clear_an_error(world):
    world.snapshot(ref("a"), cursor="c7")
    world.execute("UPDATE connectors SET status = 'error'")
    world.execute("UPDATE endpoints SET held_deletions = '{}', deletions_approved = true")

    world.apply(config(endpoint_config(settings={"root": "/elsewhere"})))

    row = endpoint_row(world)
    assert (row["cursor"], row["held_deletions"], row["deletions_approved"]) == ("", None, False)
    assert connector_row(world)["status"] == "idle"


def test_another_name_leaves_the_feed_and_an_error_where_they_are(world):
    world.snapshot(ref("a"), cursor="c7")
    world.execute("UPDATE connectors SET status = 'error'")

    world.apply(config(endpoint_config(name="Papers")))

    assert endpoint_row(world)["cursor"] == "c7"
    assert connector_row(world)["status"] == "error"


def test_another_kind_starts_the_feed_over_for_nobody_else_reads_its_cursor(world):
    world.snapshot(ref("a"), cursor="c7")

    applied = world.apply(config(kind="s3"))

    assert applied.changed == ("docs",)
    assert endpoint_row(world)["cursor"] == ""


def test_a_connector_that_is_disabled_stays_so_whatever_the_file_says(world):
    world.execute("UPDATE connectors SET status = 'disabled'")

    world.apply(config(endpoint_config(settings={"root": "/elsewhere"}), kind="s3"))

    assert connector_row(world)["status"] == "disabled"


def test_another_time_zone_moves_files_to_the_day_they_have_there(world):
    at = datetime.fromisoformat("2026-02-01T23:30:00Z")
    world.snapshot(ref("a", modified_at=at), ref("b", modified_at=None, created_at=at), ref("c", modified_at=None))
    before = {i: world.file(i)["window_day"] for i in "abc"}

    world.apply(config().model_copy(update={"partitions": {"local_folder": PartitionsConfig(timezone="Asia/Tokyo")}}))

    assert before == {"a": date(2026, 2, 1), "b": date(2026, 2, 1), "c": NOW.date()}
    assert {i: world.file(i)["window_day"] for i in "abc"} == {"a": date(2026, 2, 2), "b": date(2026, 2, 2), "c": NOW.date()}
    assert world.find("docs").timezone == "Asia/Tokyo"


def test_sinks_come_change_and_go(world):
    applied = world.apply(config().model_copy(update={"sinks": {"search": SinkSettings(kind="memory", settings={"a": 1})}}))

    assert applied.other in {("sinks",), ("partitions",), ("sinks", "partitions")}
    assert installation(world).sinks == {"search": SinkSettings(kind="memory", settings={"a": 1})}


@pytest.mark.parametrize("other", [SinkSettings(kind="other"), SinkSettings(kind="memory", settings={"model": "another"})])
def test_a_sink_that_is_another_now_is_owed_everything_again(world, other):
    world.snapshot(ref("a"), ref("b"))
    world.process()
    world.deliver("vectors")
    world.deliver("search")
    world.snapshot(ref("a"))
    world.deliver("vectors")

    world.apply(config().model_copy(update={"sinks": {"search": SinkSettings(kind="memory"), "vectors": other}}))

    assert [o.path for o in world.owed("vectors")] == ["a"]
    assert [o.path for o in world.owed("search")] == ["b"]  # its removal


def test_what_changed_is_in_the_audit_log_with_who_did_it(world):
    world.apply(config(endpoint_config("mail")), actor="ana")

    newest = world.rows("SELECT actor, action, subject, details FROM audit_log ORDER BY id DESC LIMIT 1")[0]
    assert newest == {
        "actor": "ana",
        "action": "apply",
        "subject": "connectors.yaml",
        "details": {"added": ["mail"], "changed": [], "removed": ["docs"]},
    }
