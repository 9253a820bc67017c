"""A source is away, or what an endpoint names is not there: its siblings go on, and it is looked at again by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector_pipelines.core.errors import ConfigurationError, TransientError, Unauthenticated
from tests.faults.conftest import House

EVERY_MINUTE = {"type": "interval", "every": "1m"}


def test_a_folder_that_is_not_mounted_stops_its_endpoint_and_no_sibling(house: House) -> None:
    (house.folder / "here").mkdir()
    (house.folder / "here" / "a.txt").write_text("a wall")
    _folders(house)

    with pytest.raises(ConfigurationError, match="No such file or directory"):
        house.sync("gone")
    sibling = house.due(datetime.now(UTC), "local_folder")
    house.sync("here")
    gone, here, now = house.status("gone"), house.status("here"), datetime.now(UTC)

    assert sibling == {"here": "schedule"}
    assert (gone.state, here.state, here.extracted) == ("failing", "active", 1)
    assert gone.last_error is not None
    assert "mount it" in gone.last_error["advice"]
    # Neither at each minute of its schedule, nor never.
    assert house.due(now, "local_folder") == {}
    assert house.due(now + timedelta(minutes=2), "local_folder") == {"gone": "leftovers", "here": "schedule"}


def test_a_folder_that_is_mounted_again_goes_on_as_if_it_had_not_been_away(house: House) -> None:
    for name in ("here", "gone"):
        (house.folder / name).mkdir()
        (house.folder / name / "a.txt").write_text(f"a wall {name}")
    _folders(house)
    house.sync("gone")
    (house.folder / "gone").rename(house.folder / "unmounted")
    with pytest.raises(ConfigurationError):
        house.sync("gone")
    kept = house.status("gone")
    (house.folder / "unmounted").rename(house.folder / "gone")

    house.sync("gone")

    assert (kept.seen, kept.extracted, kept.sinks["one"]["delivered"]) == (1, 1, 1)
    assert (house.status("gone").state, house.put()) == ("active", ["a.txt"])
    assert [line for line in house.gates.done() if line.startswith("delete")] == []


def test_a_source_that_stays_away_is_asked_ever_less_often_and_at_least_every_quarter_of_an_hour(house: House) -> None:
    house.configure({"slug": "docs", "schedule": EVERY_MINUTE})
    house.gates.fail("list")
    pauses, now = [], datetime.now(UTC)

    for _ in range(8):
        with pytest.raises(TransientError), house.services.open("docs", "run") as session:
            _sync_at(session, now)
        at = house.rows("SELECT retry_at FROM endpoints")[0]["retry_at"]
        assert house.due(at - timedelta(seconds=1)) == {}
        pauses.append(round((at - now).total_seconds() / 60))
        now = at

    assert pauses == [1, 1, 2, 4, 8, 15, 15, 15]


def test_settings_that_do_not_open_stop_their_endpoint_only_and_are_tried_again(house: House) -> None:
    good = {"slug": "good", "settings": {"gates": str(house.gates.folder)}}
    house.configure({"slug": "docs", "schedule": EVERY_MINUTE}, good)
    house.rows("""UPDATE endpoints SET settings = '{"nonsense": 1}' WHERE slug = 'docs' RETURNING id""")

    with pytest.raises(ConfigurationError, match="nonsense"):
        house.sync("docs")
    house.sync("good")
    now = datetime.now(UTC)

    assert (house.status("docs").state, house.status("good").state) == ("failing", "active")
    assert house.due(now) == {}
    assert house.due(now + timedelta(minutes=2)) == {"docs": "leftovers"}


def test_a_setting_that_was_corrected_is_tried_at_once(house: House) -> None:
    _folders(house)
    with pytest.raises(ConfigurationError):
        house.sync("gone")
    (house.folder / "found").mkdir()
    house.configure({"slug": "gone", "schedule": EVERY_MINUTE, "settings": {"root": str(house.folder / "found")}}, kind="local_folder")

    assert house.due(datetime.now(UTC), "local_folder") == {"gone": "leftovers"}


def test_a_refused_sign_in_stops_the_whole_connector_until_a_person_acts(house: House) -> None:
    house.configure(
        {"slug": "docs", "schedule": EVERY_MINUTE}, {"slug": "sibling", "schedule": EVERY_MINUTE, "settings": _named(house, "s")}
    )
    house.gates.fail("list", "unauthenticated")

    with pytest.raises(Unauthenticated):
        house.sync("docs")

    assert [house.status(slug).state for slug in ("docs", "sibling")] == ["error", "error"]
    assert house.due(datetime.now(UTC) + timedelta(days=365)) == {}


def _folders(house: House) -> None:
    endpoints = [{"slug": name, "schedule": EVERY_MINUTE, "settings": {"root": str(house.folder / name)}} for name in ("here", "gone")]
    house.configure(*endpoints, kind="local_folder")


def _named(house: House, name: str) -> dict[str, str]:
    return {"gates": str(house.gates.folder), "name": name}


def _sync_at(session: object, now: datetime) -> None:
    from dataclasses import replace

    from connector_pipelines.pipeline import operations
    from connector_pipelines.pipeline.session import Session

    assert isinstance(session, Session)
    operations.sync(replace(session, clock=lambda: now))
