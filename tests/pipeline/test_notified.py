"""A sync that notifications led to: only what they name is looked at, where that is all there is to do; none is answered for in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig
from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import START, ChangePage, Cursor, DayRange, Deleted, FileRef, Notification, Upserted
from connector_pipelines.pipeline import notified
from connector_pipelines.pipeline.operations import run_stage, sync
from connector_pipelines.pipeline.session import Session, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration, inbox, schema
from connector_pipelines.store.catalog.inbox import Arrived

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@dataclass(slots=True)
class Told:
    """A source with versions by id. `asked` says what it was asked, in order."""

    versions: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 1})
    asked: list[str] = field(default_factory=list)
    fault: Callable[[], None] = lambda: None

    def changes(self, cursor: Cursor) -> Iterator[ChangePage]:
        self.asked.append("changes" if cursor != START else "everything")
        self.fault()
        yield ChangePage(changes=tuple(map(self._now, self.versions)), cursor=Cursor("end"), snapshot=cursor == START)

    def follow(self, notifications: Sequence[Notification]) -> Iterator[ChangePage] | None:
        ids = [one.payload.get("id") for one in notifications]
        self.asked.append(f"follow {len(ids)}")
        return None if None in ids else self._followed(ids)

    def _followed(self, ids: Sequence[str]) -> Iterator[ChangePage]:
        for name in ids:
            self.fault()
            # A cursor here would be of no feed; it is not to be kept.
            yield ChangePage(changes=(self._now(name),), cursor=Cursor("of a notification"))

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        yield iter([f"{ref.id} {self.versions[ref.id]}".encode()])

    def close(self) -> None: ...

    def _now(self, name: str) -> Upserted | Deleted:
        if name not in self.versions:
            return Deleted(name)
        return Upserted(FileRef(id=name, path=f"{name}.txt", version=str(self.versions[name]), media_type="text/plain"))


@dataclass(slots=True)
class World:
    session: Session
    source: Told

    def tell(self, *ids: str, **payload: Any) -> None:
        endpoint = self.session.endpoint
        arrived = [
            Arrived(
                tenant_id=endpoint.tenant_id, connector_id=endpoint.connector_id, delivery_id=f"{one} {len(self.source.asked)}",
                payload=payload or {"id": one}, received_at=NOW, named=True,
            )
            for one in ids
        ]  # fmt: skip
        with self.session.database.tenant(endpoint.tenant_id) as tx:
            inbox.keep(tx, arrived)

    def sync(self, *, notified: bool = True, **given: Any) -> list[str]:
        """What the source was asked."""
        before = len(self.source.asked)
        sync(self.session, notified=notified, **given)
        return self.source.asked[before:]

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.session.database.operator() as tx:
            return tx.execute(query).fetchall()

    def versions(self) -> dict[str, str]:
        return {row["external_id"]: row["version"] for row in self.rows("SELECT external_id, version FROM files WHERE status <> 'deleted'")}

    def waiting(self) -> int:
        return self.rows("SELECT count(*) AS n FROM notifications_owed")[0]["n"]


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    schema.upgrade(SecretStr(database_url))
    services = open_services(load_settings({"CONNECTORS_HOME": str(tmp_path / "home")}), SecretStr(database_url))
    endpoint = EndpointConfig(slug="docs", settings={"root": str(tmp_path)}, sinks=())
    wanted = ConnectorsFile(connectors=(ConnectorConfig(name="files", kind="local_folder", endpoints=(endpoint,)),))
    with services.database.operator() as tx:
        configuration.apply(tx, wanted, actor="tester")
    with services.open("docs", "run") as session:
        source = Told()
        made = World(replace(session, source=source), source)
        assert made.sync() == ["everything"]
        yield made
    services.close()


def test_only_what_they_name_is_looked_at_and_taken_through_every_stage(world: World) -> None:
    world.source.versions |= {"a": 2, "b": 2, "new": 1}
    world.tell("a", "new")

    asked = world.sync()

    assert asked == ["follow 2"]
    assert world.versions() == {"a": "2", "b": "1", "new": "1"}
    assert world.rows("SELECT DISTINCT status FROM files") == [{"status": "extracted"}]
    assert world.rows("SELECT cursor FROM endpoints") == [{"cursor": "end"}]
    assert world.waiting() == 0


def test_what_is_gone_when_it_is_looked_at_is_deleted(world: World) -> None:
    del world.source.versions["a"]
    world.tell("a")
    world.sync()

    assert world.versions() == {"b": "1"}


def test_notifications_that_do_not_name_it_all_lead_to_the_feed_which_answers_for_them(world: World) -> None:
    world.source.versions |= {"a": 2, "b": 2}
    world.tell("a", "b", something="changed")

    assert world.sync() == ["follow 2", "changes"]
    assert (world.versions(), world.waiting()) == ({"a": "2", "b": "2"}, 0)


def test_a_sync_for_another_reason_reads_the_feed_too_which_may_leave_out_what_they_are_about(world: World) -> None:
    world.tell("a")

    assert world.sync(notified=False) == ["follow 1", "changes"]
    assert world.waiting() == 0


def test_a_look_at_everything_answers_for_them_without_following(world: World) -> None:
    world.tell("a")

    assert world.sync(sweep=True) == ["everything"]
    assert world.waiting() == 0


def test_a_sync_asked_for_by_notifications_reads_the_feed_where_something_else_is_due_by_now(world: World) -> None:
    world.tell("a")
    with world.session.database.operator() as tx:
        tx.execute("UPDATE endpoints SET requested_at = now()")

    assert world.sync() == ["follow 1", "changes"]


def test_many_are_followed_in_pieces_each_of_which_is_answered_for_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notified, "FOLLOWED_AT_ONCE", 2)
    world.tell("a", "b", "c", "d", "e")
    calls = []

    def cut_at_the_fifth() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise Unavailable("cut")

    world.source.fault = cut_at_the_fifth
    with pytest.raises(Unavailable):
        world.sync()

    assert world.waiting() == 1


def test_what_comes_while_the_source_is_looked_at_is_not_answered_for(world: World) -> None:
    for given in ({"notified": True}, {"sweep": True}):
        world.tell("a")

        def tell_once_more() -> None:
            world.source.fault = lambda: None
            world.tell("b")

        world.source.fault = tell_once_more
        world.sync(**given)
        assert world.waiting() == 1
        world.sync()
        assert world.waiting() == 0


def test_a_look_that_fails_answers_for_nothing(world: World) -> None:
    world.tell("a")

    def away() -> None:
        raise Unavailable("away")

    world.source.fault = away
    for given in ({"notified": True}, {"notified": False}, {"sweep": True}):
        with pytest.raises(Unavailable):
            world.sync(**given)
        assert world.waiting() == 1


def test_a_stage_that_lists_everything_by_hand_answers_for_them(world: World) -> None:
    world.tell("a")
    run_stage(world.session, "listing", DayRange())

    assert world.waiting() == 0


def test_held_deletions_do_not_make_notifications_come_up_again_and_again(world: World) -> None:
    world.source.versions = {f"f{n}": 1 for n in range(40)}
    world.sync(sweep=True, notified=False)
    world.source.versions = {"a": 1}
    world.tell("a")
    with pytest.raises(Exception, match="are gone at the source"):
        world.sync(sweep=True)

    assert world.waiting() == 0
