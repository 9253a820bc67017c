"""A Drive synced through every stage: what the catalog and the sinks hold afterwards, and what was asked of Drive for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.report import SyncReport
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.testing.fake_drive import Denied, FakeDrive
from tests.sources.google_drive.reached import ADA, BEN, CEM

SINKS = {"search": "postgres_text", "vectors": "pgvector"}
ROBOT = "robot@fake-project.iam.gserviceaccount.com"


class House:
    """An installation with an endpoint `drive`, which reads as a service account."""

    def __init__(self, services: Services, fake: FakeDrive, database_url: str, key: Path) -> None:
        self._services, self._fake, self._url, self._key = services, fake, database_url, key

    def reads(self, **settings: Any) -> None:
        auth = GoogleServiceAccountAuth(key=f"file:{self._key}")
        full = {**settings, "api_url": self._fake.url, "allow_private": True}
        endpoint = EndpointConfig(slug="drive", settings=full, max_delete_share=1.0)
        connector = ConnectorConfig(name="drive", kind="google_drive", auth=auth, endpoints=(endpoint,))
        sinks = {name: SinkSettings(kind=kind) for name, kind in SINKS.items()}
        with self._services.database.operator() as tx:
            configuration.apply(tx, ConnectorsFile(sinks=sinks, connectors=(connector,)), actor="test")

    def sync(self, *, sweep: bool = False, later: timedelta = timedelta()) -> SyncReport:
        """One run, with its clock so far ahead; the journal begins with it."""
        self._fake.clear_journal()
        with self._services.open("drive", "run") as session:
            return operations.sync(replace(session, clock=lambda: datetime.now(UTC) + later), sweep=sweep)

    def texts(self, sink: str = "search") -> dict[str, str]:
        """What a sink holds, by path."""
        chunks = f"sink_{sink}.chunks"
        found = self.asked(
            f"SELECT d.path, string_agg(c.text, ' ' ORDER BY c.ordinal) FROM sink_{sink}.documents d LEFT JOIN {chunks} c USING (document_id)"
            " WHERE NOT d.deleted GROUP BY d.path"
        )
        return {path: (text or "").strip() for path, text in found}

    def readers(self, path: str) -> set[str]:
        ((acl,),) = self.asked("SELECT acl FROM sink_search.documents WHERE NOT deleted AND path = %s", path)
        return set(acl["readers"])

    def embedded(self) -> int:
        (row,) = self.catalog("SELECT count(*) AS count FROM embeddings")
        return int(row["count"])

    def catalog(self, query: str) -> list[dict[str, Any]]:
        with self._services.database.operator() as tx:
            return tx.execute(query.encode()).fetchall()

    def asked(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(query.encode(), values).fetchall()


@pytest.fixture
def house(fake: FakeDrive, tmp_path: Path, database_url: str) -> Iterator[House]:
    key = tmp_path / "key.json"
    key.touch(0o600)
    key.write_text(json.dumps(fake.service_account(delegation=["drive.readonly"])))
    schema.ensure(SecretStr(database_url), may_upgrade=True)
    home = {"CONNECTORS_HOME": str(tmp_path / "home"), "CONNECTORS_EXTRACT_WORKERS": "1"}
    services = open_services(load_settings(home), SecretStr(database_url))
    yield House(services, fake, database_url, key)
    services.close()


@pytest.fixture
def team(fake: FakeDrive, house: House) -> str:
    """A shared drive that is read: `Plans/Deep/a.txt` and `top.txt`."""
    drive = fake.world.add_drive("Team", {ADA: "organizer", ROBOT: "writer"})
    house.reads(shared_drive=drive)
    return drive


@pytest.fixture
def plans(fake: FakeDrive, team: str) -> str:
    folder = fake.world.create_folder("Plans", parent=team)
    fake.world.create(parent=fake.world.create_folder("Deep", parent=folder), name="a.txt", content=b"The quay is long.")
    fake.world.create(parent=team, name="top.txt", content=b"The pier is short.")
    return folder


def test_a_folder_that_is_renamed_moves_what_the_sinks_hold_and_nothing_is_fetched(fake: FakeDrive, house: House, plans: str) -> None:
    house.sync()
    embedded = house.embedded()
    fake.world.rename(plans, "Drawings")

    report = house.sync()

    for sink in SINKS:
        assert house.texts(sink) == {"Drawings/Deep/a.txt": "The quay is long.", "top.txt": "The pier is short."}
    assert (house.embedded(), fake.journal.downloads()) == (embedded, Counter())
    assert report.stages["files"].counts["stored"] == 0


def test_a_file_whose_downloads_of_today_are_spent_holds_up_no_other_and_comes_an_hour_later(
    fake: FakeDrive, house: House, team: str, plans: str
) -> None:
    spent = fake.world.create(parent=team, name="popular.txt", content=b"The mole is old.")
    fake.fault(Denied(reason="downloadQuotaExceeded"), call="files.get media", path=f"*/{spent}", times=1)

    house.sync()
    fake.world.create(parent=team, name="late.txt", content=b"The lock is new.")
    house.sync()

    there = {"Plans/Deep/a.txt": "The quay is long.", "top.txt": "The pier is short.", "late.txt": "The lock is new."}
    assert house.texts() == there
    (waiting,) = house.catalog("SELECT path, extract(epoch FROM retry_at - now()) AS wait_s FROM files WHERE status = 'listed'")
    assert waiting["path"] == "popular.txt"
    assert 3400 < waiting["wait_s"] <= 3600 * 1.5
    house.sync(later=timedelta(hours=2))
    assert house.texts() == {**there, "popular.txt": "The mole is old."}


def test_what_moves_out_leaves_the_sinks_with_all_below_it(fake: FakeDrive, house: House, plans: str) -> None:
    house.sync()
    fake.world.move(plans, fake.world.add_user(ADA))
    house.sync()

    for sink in SINKS:
        assert house.texts(sink) == {"top.txt": "The pier is short."}


def test_what_goes_to_the_trash_leaves_the_sinks_and_comes_back(fake: FakeDrive, house: House, plans: str) -> None:
    house.sync()
    embedded = house.embedded()
    fake.world.trash(plans)
    house.sync()
    trashed = {sink: house.texts(sink) for sink in SINKS}
    fake.world.untrash(plans)
    house.sync()

    for sink in SINKS:
        assert trashed[sink] == {"top.txt": "The pier is short."}
        assert house.texts(sink) == {"Plans/Deep/a.txt": "The quay is long.", "top.txt": "The pier is short."}
    assert house.embedded() == embedded


def test_what_is_shared_anew_reaches_the_sinks_without_a_download_or_an_embedding(fake: FakeDrive, house: House, plans: str) -> None:
    house.sync()
    before, embedded = house.readers("Plans/Deep/a.txt"), house.embedded()
    fake.world.share(plans, who=CEM)

    house.sync()

    assert before == {f"user:{ADA}", f"user:{ROBOT}"}
    assert house.readers("Plans/Deep/a.txt") == before | {f"user:{CEM}"}
    assert house.readers("top.txt") == before
    assert (house.embedded(), fake.journal.downloads()) == (embedded, Counter())


def test_a_document_that_reads_the_same_when_it_is_exported_again_is_not_delivered(fake: FakeDrive, house: House, team: str) -> None:
    document = fake.world.create_native("document", "Minutes of Tuesday", parent=team, name="Minutes")
    house.sync()
    embedded = house.embedded()
    fake.world.update_content(document, b"Minutes of Tuesday")

    report = house.sync()

    assert fake.journal.counts()["files.export"] == 1
    assert [report.stages[sink].counts["delivered"] for sink in SINKS] == [0, 0]
    assert house.embedded() == embedded
    assert list(house.texts()) == ["Minutes.docx"]


def test_a_shortcut_leads_out_of_what_is_synced_until_its_target_goes(fake: FakeDrive, house: House, team: str) -> None:
    above = fake.world.create_folder("Lent", owner=BEN)
    fake.world.share(above, who=ROBOT, role="writer")
    file = fake.world.create(parent=above, name="b.txt", content=b"A lent thing.")
    fake.world.make_shortcut(file, parent=team, name="to b")
    house.sync()
    led_to = {sink: house.texts(sink) for sink in SINKS}
    fake.world.trash(above)

    house.sync()

    for sink in SINKS:
        assert led_to[sink] == {"to b/b.txt": "A lent thing."}
        assert house.texts(sink) == {}


def test_a_user_who_is_suspended_keeps_what_was_read_and_the_others_go_on(fake: FakeDrive, house: House) -> None:
    people = [ADA, BEN, CEM]
    files = {who: fake.world.create(owner=who, name="a.txt", content=f"Of {who}.".encode()) for who in people}
    house.reads(my_drive=True, users=people)
    house.sync()
    fake.world.suspend(BEN)
    fake.expire_tokens()
    for who in people:
        fake.world.update_content(files[who], f"New of {who}.".encode())
    # A sign-in that was kept from before is good for an hour.
    house.reads(my_drive=True, users=people)
    house.sync(sweep=True)

    assert house.texts() == {f"{ADA}/a.txt": f"New of {ADA}.", f"{BEN}/a.txt": f"Of {BEN}.", f"{CEM}/a.txt": f"New of {CEM}."}
    assert [row["code"] for row in house.catalog("SELECT code FROM failures WHERE resolved_at IS NULL")] == ["subject_refused"]


def test_a_place_in_the_feed_that_is_refused_lists_everything_and_fetches_nothing_twice(fake: FakeDrive, house: House, plans: str) -> None:
    house.sync()
    gone = fake.world.create(parent=plans, name="gone.txt", content=b"x")
    house.sync()
    fake.world.delete(gone)
    fake.world.reject_tokens()

    house.sync()

    assert house.texts() == {"Plans/Deep/a.txt": "The quay is long.", "top.txt": "The pier is short."}
    assert fake.journal.counts()["files.list"] >= 2
    assert fake.journal.downloads() == Counter()


def test_fifteen_changes_are_fifteen_downloads_and_no_version_is_fetched_twice(fake: FakeDrive, house: House, team: str) -> None:
    files = [fake.world.create(parent=team, name=f"{number}.txt", content=f"Thing {number}.".encode()) for number in range(40)]
    house.sync()
    first = fake.journal.downloads()
    fake.world.quirks(repeat_every=2, empty_page_every=2, short_pages=0.5)
    for number, file in enumerate(files[:15]):
        fake.world.update_content(file, f"Another {number}.".encode())

    house.sync()

    assert Counter(file for file, _ in fake.journal.downloads().elements()) == Counter(files[:15])
    assert set((first + fake.journal.downloads()).values()) == {1}
    assert sorted(text for text in house.texts().values() if text.startswith("Another")) == sorted(f"Another {n}." for n in range(15))
    house.sync(sweep=True)
    assert fake.journal.downloads() == Counter()
