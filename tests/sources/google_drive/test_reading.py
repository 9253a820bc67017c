"""Bytes from a Drive whose connections break, and whose files change while they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.core.errors import (
    ConnectorError,
    Forbidden,
    Mismatch,
    NotFound,
    PermanentError,
    SubjectRefused,
    TransientError,
    Unavailable,
)
from connector_pipelines.core.http import Http, HttpResponse
from connector_pipelines.core.types import Checksum, FileRef
from connector_pipelines.sources.google_drive.client import Drives
from connector_pipelines.sources.google_drive.exports import Exporter
from connector_pipelines.sources.google_drive.faults import Abusive
from connector_pipelines.sources.google_drive.formats import ExportSettings
from connector_pipelines.sources.google_drive.locator import Locator
from connector_pipelines.sources.google_drive.reading import Reader
from connector_pipelines.testing.fake_drive import (
    BackendError,
    Corrupted,
    Cut,
    Denied,
    FakeDrive,
    Garbage,
    Gzip,
    HtmlPage,
    IgnoredRange,
    Reset,
    Stall,
    Throttle,
    Truncated,
)
from tests.sources.google_drive.reached import ADA, BEN, CEM, Reach

LARGE = 3_000_000


class Hooked:
    """An `Http` with something that happens right after each answer that is read whole."""

    def __init__(self, http: Http, then: Callable[[], None]) -> None:
        self._http, self._then = http, then
        self.get, self.download, self.throttled, self.close = http.get, http.download, http.throttled, http.close

    def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        answer = self._http.request(method, url, **more)
        self._then()
        return answer


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as made:
        for person in (ADA, BEN, CEM):
            made.world.add_user(person)
        yield made


def listed(
    drive: FakeDrive, file_id: str, *, user: str | None = None, with_checksum: bool = True, resource_key: str | None = None
) -> FileRef:
    """The file as a listing describes it now."""
    keys = {file_id: resource_key} if resource_key else None
    with Reach(drive).of(user) as google:
        told = google.call(
            "files.get", fileId=file_id, fields="name,size,headRevisionId,sha256Checksum", supportsAllDrives=True, resource_keys=keys
        )
    drive.clear_journal()
    return FileRef(
        id=file_id,
        path=told["name"],
        version=told["headRevisionId"],
        media_type="text/plain",
        size=int(told["size"]),
        checksum=Checksum("sha256", told["sha256Checksum"]) if with_checksum else None,
        locator=Locator(user=user, revision=told["headRevisionId"], resource_key=resource_key).written(),
    )


@contextmanager
def reader(drive: FakeDrive, *, gone: frozenset[str] = frozenset(), **options: Any) -> Iterator[Reader]:
    with Reach(drive, gone=gone).drives() as google:
        yield Reader(google, Exporter(ExportSettings()), **options)


def read(drive: FakeDrive, ref: FileRef, **options: Any) -> bytes:
    with reader(drive, **options) as opens, opens.open(ref) as chunks:
        return b"".join(chunks)


def taken_in(chunks: Iterator[bytes], ref: FileRef) -> bytes:
    """As whoever keeps them does: compared with the listing at their end."""
    content = b"".join(chunks)
    if ref.checksum and hashlib.sha256(content).hexdigest() != ref.checksum.hexdigest:
        raise Mismatch("other bytes came than were listed")
    return content


def spans(drive: FakeDrive) -> list[tuple[int, int, int]]:
    """Status, first byte and number of bytes of what was sent of any file."""
    return [(call.status, call.begins_at, call.size) for call in drive.calls() if call.call == "files.get media"]


def test_a_file_is_read_whole_by_one_request(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)

    assert read(drive, listed(drive, file)) == drive.world.content(file)
    assert spans(drive) == [(200, 0, LARGE)]
    assert [call.call for call in drive.calls()] == ["files.get media"]


def test_an_empty_file_is_read_without_asking_for_a_range(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="empty.txt", content=b"")
    ref = listed(drive, file)
    drive.fault(Reset())

    assert read(drive, ref) == b""
    assert [status for status, _, _ in spans(drive)][-1] == 200


def test_a_cut_download_goes_on_where_it_was_cut_once_it_is_known_to_be_the_same(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    ref = listed(drive, file)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")

    assert read(drive, ref) == drive.world.content(file)
    assert [(status, begins) for status, begins, _ in spans(drive)] == [(200, 0), (206, 1_000_000), (206, 2_000_000)]
    assert [call.call for call in drive.calls()] == [
        "files.get media", "files.get", "files.get media", "files.get", "files.get media",
    ]  # fmt: skip
    assert drive.journal.downloaded_twice() == {}


@pytest.mark.parametrize("fault", [Reset(), BackendError(), Throttle(per="user", wait_s=0), Cut(after_bytes=0)])
def test_what_breaks_before_the_first_byte_is_asked_again(drive: FakeDrive, fault: Any) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"hello")
    ref = listed(drive, file)
    drive.fault(fault, call="files.get media")

    assert read(drive, ref) == b"hello"


def test_a_download_that_falls_silent_goes_on_where_it_did(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    ref = listed(drive, file)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")
    drive.fault(Stall(seconds=3), call="files.get media")

    impatient = Reach(drive, changes={"read_timeout": timedelta(seconds=0.3)})
    with impatient.drives() as google, Reader(google, Exporter(ExportSettings())).open(ref) as chunks:
        assert b"".join(chunks) == drive.world.content(file)

    assert [begins for _, begins, _ in spans(drive)] == [0, 1_000_000, 1_000_000]


@pytest.mark.parametrize("fault", [Gzip(broken=True), HtmlPage(), Garbage()])
def test_what_somebody_in_between_makes_of_a_file_is_never_kept(drive: FakeDrive, fault: Any) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=20_000)
    ref = listed(drive, file)
    drive.fault(fault, call="files.get media")

    def take_in() -> None:
        with reader(drive) as opens, opens.open(ref) as chunks:
            taken_in(chunks, ref)

    with pytest.raises(Unavailable):
        take_in()


def test_a_range_that_is_ignored_gives_the_same_bytes(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    ref = listed(drive, file)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")
    drive.fault(IgnoredRange(), call="files.get media")

    assert read(drive, ref) == drive.world.content(file)
    assert [(status, begins) for status, begins, _ in spans(drive)] == [(200, 0), (200, 0)]


@pytest.mark.parametrize("with_checksum", [True, False])
def test_a_file_that_changes_while_it_is_cut_is_never_a_mixture(drive: FakeDrive, with_checksum: bool) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    ref = listed(drive, file, with_checksum=with_checksum)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")

    with reader(drive) as opens, opens.open(ref) as chunks:
        next(chunks)
        drive.world.update_content(file, size=LARGE)
        with pytest.raises(Unavailable, match="changed since it was listed"):
            list(chunks)

    assert [begins for _, begins, _ in spans(drive)] == [0]


def test_a_file_that_changes_between_the_look_and_the_rest_is_noticed_without_a_checksum(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    ref = listed(drive, file, with_checksum=False)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")
    looks: list[str] = []

    def edit_after_the_first_look() -> None:
        looks.append("look")
        if len(looks) == 1:
            drive.world.update_content(file, size=LARGE)

    tools = Reach(drive).tools
    hooked = replace(tools, http=lambda options: Hooked(tools.http(options), edit_after_the_first_look))
    google = Drives(hooked, api_url=drive.url, allow_private=True)

    with Reader(google, Exporter(ExportSettings())).open(ref) as chunks, pytest.raises(Unavailable, match="changed since it was listed"):
        list(chunks)

    google.close()
    assert [begins for _, begins, _ in spans(drive)] == [0, 1_000_000]


def test_the_same_bytes_uploaded_once_more_are_the_same_file(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", content=bytes(LARGE))
    ref = listed(drive, file)
    drive.world.update_content(file, bytes(LARGE))
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")

    assert read(drive, ref) == bytes(LARGE)


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=1)])
def test_a_file_without_hash_and_revision_is_known_by_its_time_and_size(drive: FakeDrive, later: timedelta) -> None:
    written_at = datetime(2026, 3, 1, tzinfo=UTC)
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE, modified_at=written_at)
    ref = replace(listed(drive, file, with_checksum=False), locator=None, modified_at=written_at + later)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")

    if later:
        with pytest.raises(Unavailable, match="changed since it was listed"):
            read(drive, ref)
    else:
        assert read(drive, ref) == drive.world.content(file)


def test_a_file_that_changed_since_it_was_listed_comes_whole_and_is_to_be_looked_at_again(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"old")
    ref = listed(drive, file)
    drive.world.update_content(file, b"new")

    assert read(drive, ref) == b"new"
    with reader(drive) as opens, pytest.raises(Unavailable, match="changed since it was listed"), opens.open(ref) as chunks:
        taken_in(chunks, ref)


def test_bytes_that_were_spoilt_on_the_way_are_read_again(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"hello")
    ref = listed(drive, file)
    drive.fault(Corrupted(), call="files.get media")

    with reader(drive) as opens:
        with pytest.raises(Unavailable, match="other bytes than Drive describes"), opens.open(ref) as chunks:
            taken_in(chunks, ref)
        with opens.open(ref) as chunks:
            assert taken_in(chunks, ref) == b"hello"


def test_a_file_that_vanished_meanwhile_is_gone_and_not_spoilt(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"hello")
    ref = listed(drive, file)
    drive.fault(Truncated(keep_bytes=2), call="files.get media")

    def take_in() -> None:
        with reader(drive) as opens, opens.open(ref) as chunks:
            drive.world.delete(file)
            taken_in(chunks, ref)

    with pytest.raises(NotFound):
        take_in()


def test_whoever_stops_reading_is_not_asked_why(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    ref = listed(drive, file)

    with reader(drive) as opens, opens.open(ref) as chunks:
        assert next(chunks)

    assert [call.call for call in drive.calls()] == ["files.get media"]


def test_a_file_with_a_resource_key_is_read_with_it(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    key = drive.world.need_resource_key(file)
    drive.world.share(file, "anyone", "reader")
    ref = listed(drive, file, user=BEN, resource_key=key)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")

    assert read(drive, ref) == drive.world.content(file)


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_file_taken_for_malware_is_read_where_that_is_allowed_and_wanted(drive: FakeDrive, acknowledges: bool) -> None:
    file = drive.world.create(owner=ADA, name="a.bin", size=LARGE)
    drive.world.mark(file, abusive=True)
    drive.world.share(file, "user", "writer", BEN)
    ref = listed(drive, file)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media", params={"acknowledgeAbuse": "true"})

    if acknowledges:
        assert read(drive, ref, acknowledge_abuse=True) == drive.world.content(file)
        with pytest.raises(Abusive):
            read(drive, listed(drive, file, user=BEN), acknowledge_abuse=True)
    else:
        with pytest.raises(Abusive, match="cannotDownloadAbusiveFile") as met:
            read(drive, ref)
        assert "acknowledge_abuse" in met.value.advice


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("cannotDownloadFile", Forbidden), ("fileNotDownloadable", PermanentError), ("downloadQuotaExceeded", TransientError)],
)
def test_a_refusal_carries_its_reason(drive: FakeDrive, reason: str, kind: type[ConnectorError]) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"hello")
    ref = listed(drive, file)
    drive.fault(Denied(reason=reason), call="files.get media", times=None)

    with pytest.raises(ConnectorError, match=reason) as met:
        read(drive, ref)

    assert type(met.value) is kind


def test_a_deleted_file_is_not_there(drive: FakeDrive) -> None:
    file = drive.world.create(owner=ADA, name="a.txt", content=b"hello")
    ref = listed(drive, file)
    drive.world.delete(file)

    with pytest.raises(NotFound):
        read(drive, ref)


def test_a_file_that_its_user_lost_is_read_as_another_who_sees_it(drive: FakeDrive) -> None:
    shared = drive.world.add_drive("Quay", {ADA: "organizer", BEN: "reader", CEM: "reader"})
    file = drive.world.create(parent=shared, name="a.bin", size=LARGE)
    ref = listed(drive, file, user=BEN)
    drive.world.remove_member(shared, BEN)
    drive.fault(Cut(after_bytes=1_000_000), call="files.get media")

    assert read(drive, ref, users=(BEN, CEM)) == drive.world.content(file)
    with pytest.raises(NotFound):
        read(drive, ref, users=(BEN,))


def test_a_file_of_a_user_who_left_is_read_as_another_who_sees_it(drive: FakeDrive) -> None:
    file = drive.world.create(owner=BEN, name="a.txt", content=b"hello")
    drive.world.share(file, "user", "reader", CEM)
    ref = listed(drive, file, user=BEN)

    assert read(drive, ref, users=(BEN, CEM), gone=frozenset({BEN})) == b"hello"
    with pytest.raises(SubjectRefused):
        read(drive, ref, users=(BEN, ADA), gone=frozenset({BEN}))
