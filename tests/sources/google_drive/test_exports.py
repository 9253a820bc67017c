"""Documents of Google's own: what they are exported as, and how the export comes, large or small."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connector_pipelines.core.errors import ConnectorError, Forbidden, Malformed, NotFound, PermanentError, ResourceError, Unavailable
from connector_pipelines.core.types import FileRef
from connector_pipelines.sources.google_drive.exports import Exporter
from connector_pipelines.sources.google_drive.formats import EXPORT_OFF, NO_EXPORT, ExportSettings, Format, format_of
from connector_pipelines.sources.google_drive.locator import Locator
from connector_pipelines.sources.google_drive.reading import Reader
from connector_pipelines.testing.fake_drive import NATIVE, BackendError, Cut, Denied, FakeDrive, HtmlPage, Reset, Status
from tests.sources.google_drive.reached import ADA, BEN, Reach

MEGABYTES = 1024**2
PDF = "application/pdf"


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as made:
        made.world.add_user(ADA)
        made.world.add_user(BEN)
        made.world.quirks(operation_polls=1)
        yield made


def export(
    drive: FakeDrive,
    file_id: str,
    media_type: str = PDF,
    *,
    key: str | None = None,
    user: str | None = None,
    settings: ExportSettings | None = None,
) -> bytes:
    ref = FileRef(
        id=file_id,
        path="Report",
        version="1",
        media_type=media_type,
        locator=Locator(user=user, export=media_type, resource_key=key).written(),
    )
    with Reach(drive).drives() as google, Reader(google, Exporter(settings or ExportSettings())).open(ref) as chunks:
        return b"".join(chunks)


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("document", {}, ".docx"),
        ("document", {"document": "markdown"}, ".md"),
        ("document", {"document": "skip"}, EXPORT_OFF),
        ("spreadsheet", {}, ".xlsx"),
        ("presentation", {}, ".pptx"),
        ("drawing", {}, ".pdf"),
        ("drawing", {"drawing": "svg"}, ".svg"),
        ("script", {}, ".json"),
        ("form", {}, NO_EXPORT),
        ("site", {}, NO_EXPORT),
        ("map", {}, NO_EXPORT),
    ],
)
def test_each_type_is_exported_as_the_settings_say(kind: str, settings: dict[str, str], expected: str) -> None:
    found = format_of(NATIVE[kind], ExportSettings.model_validate(settings))

    assert (found.suffix if isinstance(found, Format) else found) == expected


def test_every_format_that_can_be_chosen_has_a_media_type_and_a_suffix() -> None:
    for name, field in ExportSettings.model_fields.items():
        for choice in getattr(field.annotation, "__args__", ()):
            found = format_of(
                f"application/vnd.google-apps.{'vid' if name == 'video' else name}", ExportSettings.model_validate({name: choice})
            )
            assert found == EXPORT_OFF if choice == "skip" else isinstance(found, Format), (name, choice)


def test_a_document_is_named_as_the_file_it_becomes() -> None:
    docx = format_of(NATIVE["document"], ExportSettings())

    assert isinstance(docx, Format)
    assert [docx.name(title) for title in ("Report", "Report 1.2", "Report.DOCX")] == ["Report.docx", "Report 1.2.docx", "Report.DOCX"]


@pytest.mark.parametrize("kind", ["document", "spreadsheet", "presentation"])
def test_office_exports_are_packages(drive: FakeDrive, kind: str) -> None:
    file = drive.world.create_native(kind, "hello\tworld", owner=ADA, name="Report")
    chosen = format_of(NATIVE[kind], ExportSettings())
    assert isinstance(chosen, Format)

    content = export(drive, file, chosen.media_type)

    assert zipfile.is_zipfile(io.BytesIO(content))
    assert [call.call for call in drive.calls()] == ["files.export"]


def test_an_export_beyond_ten_megabytes_comes_by_an_operation(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.world.quirks(operation_polls=2)

    content = export(drive, file)

    assert content.startswith(b"%PDF")
    assert len(content) > 11 * MEGABYTES
    assert [call.call for call in drive.calls()][:4] == ["files.export", "files.download", "operations.get", "operations.get"]


def test_a_cut_of_a_large_export_goes_on_where_it_was_cut(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.fault(Cut(after_bytes=5 * MEGABYTES), path="*/downloads/*")

    content = export(drive, file)

    assert content.rstrip().endswith(b"%%EOF")
    assert [call.size for call in drive.calls() if "downloads" in call.path] == [5 * MEGABYTES, len(content) - 5 * MEGABYTES]


@pytest.mark.parametrize(
    "fault",
    [Denied(reason="forbidden"), Status(status=302, headers={"Location": "/drive/v3/downloads/elsewhere"})],
    ids=["refused", "redirected"],
)
def test_the_address_of_a_large_export_is_not_shown_where_it_fails(drive: FakeDrive, fault: Denied | Status) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.fault(fault, path="*/downloads/*", times=None)

    with pytest.raises(ConnectorError) as met:
        export(drive, file)

    (at, *_) = [call.path for call in drive.calls() if "downloads" in call.path]
    assert at.rpartition("/")[2] not in str(met.value)
    assert "downloads/***" in str(met.value)


def test_an_operation_that_is_refused_to_its_own_starter_is_looked_at_again(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.world.quirks(operation_polls=1, operation_forbidden=1)

    assert len(export(drive, file)) > 11 * MEGABYTES
    assert [call.status for call in drive.calls() if call.call == "operations.get"] == [403, 200]


def test_an_operation_that_never_gets_ready_is_given_up_for_this_time(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.world.quirks(operation_polls=10_000)

    with pytest.raises(Unavailable, match=r"within 1 s") as met:
        export(drive, file, settings=ExportSettings(time_limit=timedelta(seconds=1)))

    assert "exports.time_limit" in met.value.advice


def test_a_stopped_run_does_not_wait_for_an_operation(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.world.quirks(operation_polls=10_000)
    exporter = Exporter(ExportSettings())

    with Reach(drive).of() as google:
        google.stop.set()
        with pytest.raises(Unavailable, match="stopped"), exporter.open(google, file, PDF, {}):
            pass


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ('{"name": "x", "done": true, "error": {"code": 5, "message": "Gone"}}', NotFound, "Gone"),
        ('{"name": "x", "done": true, "error": {"code": 7, "message": "No"}}', Forbidden, "No"),
        ('{"name": "x", "done": true, "error": {"code": 13, "message": "Oops https://x.example/?token=hush"}}', Unavailable, "Oops"),
        ('{"name": "x", "done": true, "response": {}}', Malformed, "no address"),
        ('{"done": false}', Malformed, "no name"),
    ],
)
def test_an_operation_that_fails_says_why(drive: FakeDrive, body: str, kind: type[ConnectorError], says: str) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    drive.fault(Status(status=200, body=body), call="files.download")

    with pytest.raises(kind, match=says) as met:
        export(drive, file)

    assert "hush" not in str(met.value)


@pytest.mark.parametrize("padding", [2 * MEGABYTES, 11 * MEGABYTES])
def test_an_export_beyond_our_own_limit_names_it(drive: FakeDrive, padding: int) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=padding)

    with pytest.raises(ResourceError, match=rf"{file} has more than {MEGABYTES} bytes") as met:
        export(drive, file, settings=ExportSettings(max_bytes=MEGABYTES))

    assert met.value.limit == f"exports.max_bytes={MEGABYTES}"


def test_a_format_that_is_not_offered_is_told_with_those_that_are(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report")

    for _ in range(2):
        with pytest.raises(PermanentError, match=r"Drive offers .*text/markdown") as met:
            export(drive, file, "application/epub+zip")

    assert "exports.document" in met.value.advice


def test_formats_are_asked_for_once_per_user(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report")
    exporter = Exporter(ExportSettings())

    with Reach(drive).of() as google:
        for _ in range(2):
            with pytest.raises(PermanentError), exporter.open(google, file, "application/epub+zip", {}):
                pass

    assert sum(call.call == "about.get" for call in drive.calls()) == 1


def test_an_export_that_its_owner_forbids_says_so(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report")
    drive.fault(Denied(reason="cannotExportFile"), call="files.export", times=None)

    with pytest.raises(PermanentError, match="cannotExportFile"):
        export(drive, file)


@pytest.mark.parametrize("fault", [Reset(), BackendError()])
def test_an_export_that_breaks_before_its_first_byte_is_asked_for_again(drive: FakeDrive, fault: Reset | BackendError) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report")
    drive.fault(fault, call="files.export")

    assert export(drive, file).startswith(b"%PDF")


@pytest.mark.parametrize("after_bytes", [0, 100_000])
def test_an_export_that_is_cut_is_made_anew_another_time_and_never_a_mixture(drive: FakeDrive, after_bytes: int) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=MEGABYTES)
    drive.fault(Cut(after_bytes=after_bytes), call="files.export", times=None)

    with pytest.raises(Unavailable, match="cut off"):
        export(drive, file)


def test_an_export_that_is_another_at_the_second_try_is_no_fault_of_the_document(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report")
    drive.fault(Cut(after_bytes=0), call="files.export")
    drive.fault(Status(status=200, body="of another length"), call="files.export")

    with pytest.raises(Unavailable, match="cut off"):
        export(drive, file)


def test_a_page_of_somebody_in_between_is_not_taken_for_an_export(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report")
    drive.fault(HtmlPage(), call="files.export")

    with pytest.raises(Unavailable, match="somebody in between"):
        export(drive, file)
    assert export(drive, file, "text/html").startswith(b"<html>")


def test_a_document_with_a_resource_key_is_exported_with_it(drive: FakeDrive) -> None:
    file = drive.world.create_native("document", "hello", owner=ADA, name="Report", padding=11 * MEGABYTES)
    key = drive.world.need_resource_key(file)
    drive.world.share(file, "anyone", "reader")

    assert len(export(drive, file, key=key, user=BEN)) > 11 * MEGABYTES
    with pytest.raises((NotFound, Forbidden)):
        export(drive, file, user=BEN)
