"""The fake as google-api-python-client sees it, which is not changed in any way."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest, MediaIoBaseDownload

from connector_pipelines.testing.fake_drive import FakeDrive
from tests.testing.fake_drive.official import Checked, official_client
from tests.testing.fake_drive.schemas import methods

ADA = "ada@example.com"
BOB = "bob@example.com"
FILES = {"supportsAllDrives": True, "fields": "*"}
LISTED = {"supportsAllDrives": True, "includeItemsFromAllDrives": True, "fields": "*"}


@pytest.fixture(scope="module")
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as drive:
        for person in (ADA, BOB):
            drive.world.add_user(person)
        yield drive


@pytest.fixture(scope="module")
def key(drive: FakeDrive) -> dict[str, Any]:
    return drive.service_account(delegation=["drive.readonly"])


@pytest.fixture
def checked() -> Iterator[Checked]:
    """Every answer of the session is as the discovery document says."""
    checked = Checked()
    yield checked
    assert checked.faults == []


@pytest.fixture
def client(drive: FakeDrive, key: dict[str, Any], checked: Checked) -> Iterator[Any]:
    drive.clear_journal()
    with official_client(drive.url, key, subject=ADA, checked=checked) as client:
        yield client


def test_a_folder_is_listed_page_by_page(drive: FakeDrive, client: Any) -> None:
    folder = drive.world.create_folder("Many", owner=ADA)
    made = drive.world.fill(folder, 25, size=10)

    found, pages = [], 0
    request = client.files().list(q=f"'{folder}' in parents and trashed=false", pageSize=10, **LISTED)
    while request is not None:
        page = request.execute()
        found += [each["id"] for each in page["files"]]
        request, pages = client.files().list_next(request, page), pages + 1

    assert sorted(found) == sorted(made)
    assert pages == 3
    assert drive.journal.counts()["files.list"] == 3


def test_metadata_names_size_checksums_and_capabilities(drive: FakeDrive, client: Any) -> None:
    made = drive.world.create(owner=ADA, name="a.txt", content=b"hello")

    found = client.files().get(fileId=made, **FILES).execute()

    assert (found["name"], found["size"], found["md5Checksum"]) == ("a.txt", "5", "5d41402abc4b2a76b9719d911017c592")
    assert found["capabilities"]["canDownload"] is True


def test_bytes_come_in_chunks(drive: FakeDrive, client: Any) -> None:
    content = bytes(range(256)) * 1000
    made = drive.world.create(owner=ADA, name="b.bin", content=content, mime_type="application/octet-stream")

    into = io.BytesIO()
    download = MediaIoBaseDownload(into, client.files().get_media(fileId=made, supportsAllDrives=True), chunksize=100_000)
    steps, is_done = 0, False
    while not is_done:
        _, is_done = download.next_chunk()
        steps += 1

    assert into.getvalue() == content
    assert steps == 3
    assert list(drive.journal.downloads().values()) == [1]
    assert drive.journal.bytes_served("files.get media") == len(content)


def test_a_document_is_exported(drive: FakeDrive, client: Any) -> None:
    made = drive.world.create_native("document", "First.\nSecond.", owner=ADA, name="Notes")

    text = client.files().export(fileId=made, mimeType="text/plain").execute()

    assert b"First." in text
    assert drive.journal.exports() == {(made, "text/plain"): 1}


def test_a_large_document_is_exported_as_an_operation(drive: FakeDrive, client: Any) -> None:
    made = drive.world.create_native("document", "Long.", owner=ADA, name="Long", padding=11 * 1024**2)
    with pytest.raises(HttpError, match="exportSizeLimitExceeded"):
        client.files().export(fileId=made, mimeType="text/plain").execute()

    operation = client.files().download(fileId=made, mimeType="text/plain").execute()
    while not operation.get("done"):
        operation = client.operations().get(name=operation["name"]).execute()
    response, content = client._http.request(operation["response"]["downloadUri"])

    assert response.status == 200
    assert len(content) > 11 * 1024**2


def test_changes_are_told_from_a_token_on(drive: FakeDrive, client: Any) -> None:
    token = client.changes().getStartPageToken(supportsAllDrives=True).execute()["startPageToken"]
    made = drive.world.create(owner=ADA, name="c.txt", content=b"c")
    drive.world.delete(made)

    page = client.changes().list(pageToken=token, **LISTED).execute()

    assert [(each["fileId"], each["removed"]) for each in page["changes"]][-1] == (made, True)
    assert client.changes().list(pageToken=page["newStartPageToken"], **LISTED).execute()["changes"] == []


def test_permissions_and_shared_drives_are_listed(drive: FakeDrive, client: Any) -> None:
    made = drive.world.create(owner=ADA, name="d.txt", content=b"d")
    drive.world.share(made, "user", "writer", BOB)
    team = drive.world.add_drive("Team", {ADA: "organizer", BOB: "reader"})

    permissions = client.permissions().list(fileId=made, fields="*").execute()["permissions"]
    members = client.permissions().list(fileId=team, supportsAllDrives=True, fields="*").execute()["permissions"]

    assert {(each["emailAddress"], each["role"]) for each in permissions} == {(ADA, "owner"), (BOB, "writer")}
    assert {each["role"] for each in members} == {"organizer", "reader"}
    assert [each["name"] for each in client.drives().list().execute()["drives"]] == ["Team"]
    assert client.drives().get(driveId=team).execute()["name"] == "Team"


def test_revisions_and_the_account_are_told(drive: FakeDrive, client: Any) -> None:
    made = drive.world.create(owner=ADA, name="e.txt", content=b"one")
    drive.world.update_content(made, b"two")

    revisions = client.revisions().list(fileId=made, fields="*").execute()["revisions"]
    first = client.revisions().get_media(fileId=made, revisionId=revisions[0]["id"]).execute()

    assert (len(revisions), first) == (2, b"one")
    assert client.about().get(fields="*").execute()["user"]["emailAddress"] == ADA


def test_calls_of_a_batch_are_answered_limited_and_counted_each_for_itself(drive: FakeDrive, client: Any) -> None:
    made = drive.world.create(owner=ADA, name="f.txt", content=b"f")
    drive.fault({"type": "throttle", "wait_s": 0, "tells": "seconds"}, call="files.get", skip=1)  # type: ignore[arg-type]
    told: dict[str, Any] = {}
    batch = BatchHttpRequest(lambda name, answer, error: told.update({name: error or answer}), batch_uri=f"{drive.url}/batch/drive/v3")
    for name, file_id in (("well", made), ("limited", made), ("missing", "nothing")):
        batch.add(client.files().get(fileId=file_id, fields="id,name"), request_id=name)

    batch.execute(http=client._http)

    assert told["well"] == {"id": made, "name": "f.txt"}
    assert (told["limited"].status_code, told["missing"].status_code) == (403, 404)
    assert drive.journal.counts() == {"files.get": 3}
    assert [call.in_batch for call in drive.journal.entries()][-4:] == [False, True, True, True]


def test_a_channel_is_opened_and_stopped(drive: FakeDrive, client: Any) -> None:
    token = client.changes().getStartPageToken().execute()["startPageToken"]
    asked = {"id": str(uuid.uuid4()), "type": "web_hook", "address": "https://127.0.0.1:9/hook", "token": "secret"}
    opened = client.changes().watch(pageToken=token, body=asked, **LISTED).execute()

    client.channels().stop(body={"id": opened["id"], "resourceId": opened["resourceId"]}).execute()

    assert (opened["kind"], opened["id"]) == ("api#channel", asked["id"])
    with pytest.raises(HttpError, match="not found for project"):
        client.channels().stop(body={"id": opened["id"], "resourceId": opened["resourceId"]}).execute()


def test_a_refusal_has_the_details_that_the_client_reads(drive: FakeDrive, key: dict[str, Any], client: Any) -> None:
    with pytest.raises(HttpError) as missing:
        client.files().get(fileId="nothing").execute()
    token = drive.access_token(ADA, scopes=["drive.metadata.readonly"])
    client._http.credentials.token = token
    with pytest.raises(HttpError) as scope:
        client.drives().list().execute()

    assert missing.value.error_details[0]["reason"] == "notFound"
    assert scope.value.reason == "Request had insufficient authentication scopes."


def test_the_document_has_the_methods_that_the_sessions_here_call() -> None:
    assert {"drive.files.list", "drive.changes.watch", "drive.channels.stop"} <= {each["id"] for each in methods()}
