"""What lies below records: streams that are read for each record of another, and the files that hang on records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError, Malformed, NotFound
from connector_pipelines.core.types import Below, Deleted, FileRef, Skipped, Unlistable, Upserted
from connector_pipelines.testing.fake_api import CursorToken, PageNumber, Status, StreamShape, Tombstone
from tests.sources.rest_api_world import BY_TOKEN, SINCE, Reader, read

INVOICES: dict[str, Any] = {
    "name": "invoices", "path": "invoices", "record_selector": "data", "paginator": BY_TOKEN, "cursor": SINCE, "detail": "invoices/{id}",
}  # fmt: skip
LINES: dict[str, Any] = {
    "name": "lines",
    "path": "invoices/{invoice_id}/lines",
    "record_selector": "data",
    "paginator": BY_TOKEN,
    "parent": {"stream": "invoices", "params": {"invoice_id": "id"}, "copy_fields": {"invoice_number": "number"}},
}
PARTS: dict[str, Any] = {
    "name": "parts",
    "path": "invoices/{invoice_id}/lines/{line_id}/parts",
    "record_selector": "data",
    "parent": {"stream": "lines", "params": {"line_id": "id"}},
}


class Books:
    """Invoices with lines."""

    def __init__(self, reader: Reader, **shape: Any) -> None:
        self.api, self.company = reader.api, reader.api.company
        self.api.add(StreamShape(name="invoices", paginator=CursorToken(), **shape))
        self.api.add(
            StreamShape(name="lines", path="/invoices/{parent}/lines", parent="invoices", paginator=CursorToken(), touches_parent=True)
        )
        self.invoices = self.company.put_many("invoices", [{"number": f"R-{n}"} for n in range(4)])
        self.lines = {one: self.company.put_many("lines", [{"text": f"{one}.{n}"} for n in range(3)], parent=one) for one in self.invoices}

    def ids(self) -> set[str]:
        lines = {f"invoices/{invoice}/lines/{line}" for invoice, lines in self.lines.items() for line in lines}
        return {*(f"invoices/{one}" for one in self.invoices), *lines}


@pytest.fixture
def books(reader: Reader) -> Books:
    return Books(reader)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_children_are_read_below_each_parent_with_fields_of_it(reader: Reader, books: Books, concurrency: int) -> None:
    found = read(reader.source(INVOICES, {**LINES, "concurrency": concurrency}))
    assert (sorted(found.ids), found.others) == (sorted(books.ids()), [])
    assert {fields["invoice_number"] for fields in found.fields if "text" in fields} == {f"R-{n}" for n in range(4)}


def test_children_of_children_are_read(reader: Reader, books: Books) -> None:
    path = "/invoices/{invoice}/lines/{parent}/parts"
    books.api.add(StreamShape(name="parts", path=path, parent="lines"))
    invoice, line = books.invoices[1], books.lines[books.invoices[1]][0]
    part = books.company.put("parts", {"name": "screw"}, parent=line)
    assert f"invoices/{invoice}/lines/{line}/parts/{part}" in read(reader.source(INVOICES, LINES, PARTS)).ids


def test_a_child_that_changes_in_the_second_in_which_its_parent_was_read_is_found(reader: Reader, books: Books) -> None:
    source, invoice = reader.source(INVOICES, LINES), books.invoices[2]
    second = datetime.now(UTC).replace(microsecond=0)
    books.company.clock.set(second)
    books.company.clock.step(timedelta(0))
    books.company.put("lines", {"text": "early"}, id=books.lines[invoice][0])
    first = read(source)
    books.company.put("lines", {"text": "late"}, id=books.lines[invoice][0])

    again = read(source, first.cursor)
    books.api.skew(timedelta(minutes=1))
    later = read(source, again.cursor)
    at_last = read(source, later.cursor)

    assert "late" in {fields.get("text") for fields in again.fields}
    assert f"invoices/{invoice}" in later.ids
    assert at_last.changes == []


def test_only_below_changed_parents_is_read_again_and_what_is_gone_there_is_told(reader: Reader, books: Books) -> None:
    source = reader.source(INVOICES, LINES)
    first = read(source)
    invoice = books.invoices[2]
    books.company.delete("lines", books.lines[invoice].pop())
    books.api.journal.clear()

    second = read(source, first.cursor)

    kept = frozenset(f"invoices/{invoice}/lines/{line}" for line in books.lines[invoice])
    assert (set(second.ids), second.others) == ({f"invoices/{invoice}", *kept}, [Below(f"invoices/{invoice}/lines", kept)])
    assert {entry.path for entry in books.api.journal.entries("*/lines")} == {f"/invoices/{invoice}/lines"}


def test_a_parent_that_is_gone_takes_its_children_along(reader: Reader) -> None:
    books = Books(reader, tombstone=Tombstone(shown="shown", field="gone"))
    source = reader.source({**INVOICES, "deletions": {"type": "tombstone", "field": "gone"}}, LINES)
    first = read(source)
    books.company.delete("invoices", books.invoices[0])
    gone = f"invoices/{books.invoices[0]}"
    assert read(source, first.cursor).changes == [Deleted(gone), Below(gone)]


def test_below_all_parents_is_read_where_parents_do_not_change_with_their_children(reader: Reader, books: Books) -> None:
    lines = {**LINES, "cursor": SINCE, "parent": {**LINES["parent"], "only_changed": False}}
    books.api.add(StreamShape(name="lines", path="/invoices/{parent}/lines", parent="invoices", paginator=CursorToken()))
    source = reader.source(INVOICES, lines)
    first = read(source)
    new = books.company.put("lines", {"text": "new"}, parent=books.invoices[3])
    assert read(source, first.cursor).ids == [f"invoices/{books.invoices[3]}/lines/{new}"]


def test_one_parent_whose_children_are_refused_stops_no_other(reader: Reader, books: Books) -> None:
    refused = books.invoices[1]
    books.api.fault(Status(status=403), path=f"/invoices/{refused}/lines")
    found = read(reader.source(INVOICES, LINES))
    assert set(found.ids) == books.ids() - {f"invoices/{refused}/lines/{line}" for line in books.lines[refused]}
    assert [(one.path, one.code) for one in found.others if isinstance(one, Unlistable)] == [(f"invoices/{refused}/lines", "forbidden")]


def test_a_parent_that_goes_while_it_is_read_has_no_children(reader: Reader, books: Books) -> None:
    gone = books.invoices[0]
    pending = iter([gone])

    def delete() -> None:
        if (one := next(pending, None)) is not None:
            books.company.hard_delete("invoices", one)

    found = read(reader.source(INVOICES, LINES, after_each=delete))

    assert not [one for one in found.ids if one.startswith(f"invoices/{gone}/")]
    assert found.others == []


def test_children_on_numbered_pages_are_proven_below_each_parent(reader: Reader, books: Books) -> None:
    books.api.add(StreamShape(name="lines", path="/invoices/{parent}/lines", parent="invoices", paginator=PageNumber()))
    paged = {**LINES, "paginator": {"type": "page_number", "size": 2, "size_parameter": "limit"}}
    found = read(reader.source(INVOICES, paged))
    assert (sorted(found.ids), found.others) == (sorted(books.ids()), [])


# files


def files_of(**settings: Any) -> dict[str, Any]:
    described = {"list": "files", "file_name": "name", "size": "size", "media_type": "content_type", "url": "url", **settings}
    return {**INVOICES, "attachments": [described]}


def test_files_of_a_record_are_items_that_can_be_read(reader: Reader, books: Books) -> None:
    invoice = books.invoices[0]
    file_id = books.company.attach("invoices", invoice, "scan 1.pdf", b"%PDF bytes", "application/pdf")
    source = reader.source(files_of())

    refs = {change.ref.id: change for change in read(source).changes if isinstance(change, Upserted)}
    file = refs[f"invoices/{invoice}/~attachments/{file_id}"]

    assert file.content is None
    assert (file.ref.name, file.ref.size, file.ref.media_type, file.ref.stream) == ("scan 1.pdf", 10, "application/pdf", None)
    assert _bytes_of(source, file.ref) == b"%PDF bytes"


@pytest.mark.parametrize("url", ["url", "signed_url"])
def test_the_address_of_a_file_is_asked_for_anew(reader: Reader, books: Books, url: str) -> None:
    invoice = books.invoices[0]
    books.company.attach("invoices", invoice, "a.txt", b"old")
    source = reader.source(files_of(url=url))
    ref = next(c.ref for c in read(source).changes if isinstance(c, Upserted) and c.ref.stream is None)
    books.company.attach("invoices", invoice, "a.txt", b"new")
    assert _bytes_of(source, ref) == b"new"


def test_other_bytes_are_another_version_and_a_file_taken_off_is_gone(reader: Reader, books: Books) -> None:
    invoice = books.invoices[0]
    kept, _ = (books.company.attach("invoices", invoice, name, name.encode()) for name in ("a.txt", "b.txt"))
    source = reader.source(files_of())
    first = read(source)
    books.company.attach("invoices", invoice, "a.txt", b"other")
    books.company.detach("invoices", invoice, "b.txt")

    second = read(source, first.cursor)

    versions = [{c.ref.id: c.ref.version for c in told.changes if isinstance(c, Upserted)} for told in (first, second)]
    kept_id = f"invoices/{invoice}/~attachments/{kept}"
    assert versions[0][kept_id] != versions[1][kept_id]
    assert second.others == [Below(f"invoices/{invoice}/~attachments", frozenset({kept_id}))]


def test_files_are_filtered_by_name_and_size(reader: Reader, books: Books) -> None:
    for name, size in (("a.pdf", 3), ("big.pdf", 30), ("b.exe", 3)):
        books.company.attach("invoices", books.invoices[0], name, b"x" * size)
    found = read(reader.source(files_of(include=["*.pdf"], max_file_bytes=10)))
    files = [change for change in found.changes if isinstance(change, Skipped) or change.ref.stream is None]
    assert [(type(one).__name__, (one.path if isinstance(one, Skipped) else one.ref.path).rsplit("/", 1)[-1]) for one in files] == [
        ("Upserted", "a.pdf"),
        ("Skipped", "big.pdf"),
    ]


def test_files_listed_by_an_address_of_their_own(reader: Reader) -> None:
    server = reader.scripted()
    server.says("/tickets", [{"id": "T 1"}, {"id": "T/2"}])
    server.says("/tickets/T%201/files", {"files": [{"id": 9, "name": "log.txt", "href": "/raw/9"}]})
    server.says("/raw/9", b"bytes", Content_Type="text/plain")
    attachments = {"path": "tickets/{id}/files", "record_selector": "files", "file_name": "name", "url": "href"}
    source = reader.source({"name": "tickets", "path": "tickets", "attachments": [attachments]}, base_url=server.url)

    found = read(source)

    assert (set(found.ids), found.others) == ({"tickets/T 1", "tickets/T%2F2", "tickets/T 1/~attachments/9"}, [])
    (ref,) = [c.ref for c in found.changes if isinstance(c, Upserted) and c.ref.stream is None]
    assert _bytes_of(source, ref) == b"bytes"


def test_a_template_says_where_the_bytes_are(reader: Reader, books: Books) -> None:
    invoice = books.invoices[0]
    books.company.attach("invoices", invoice, "a.txt", b"bytes")
    source = reader.source({**files_of(url=None, url_template="files/{attachment_id}"), "detail": None})
    ref = next(c.ref for c in read(source).changes if isinstance(c, Upserted) and c.ref.stream is None)
    assert _bytes_of(source, ref) == b"bytes"


def test_a_file_that_is_gone_is_not_found(reader: Reader, books: Books) -> None:
    books.company.attach("invoices", books.invoices[0], "a.txt", b"bytes")
    source = reader.source(files_of())
    ref = next(c.ref for c in read(source).changes if isinstance(c, Upserted) and c.ref.stream is None)
    books.company.detach("invoices", books.invoices[0], "a.txt")
    with pytest.raises(NotFound):
        _bytes_of(source, ref)


def test_a_file_without_an_address_is_malformed(reader: Reader, books: Books) -> None:
    books.company.attach("invoices", books.invoices[0], "a.txt", b"bytes")
    source = reader.source(files_of(url="no_such_field"))
    ref = next(c.ref for c in read(source).changes if isinstance(c, Upserted) and c.ref.stream is None)
    with pytest.raises(Malformed, match="no_such_field"):
        _bytes_of(source, ref)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "/",
        "invoices",
        "invoices/",
        "invoices//",
        "nope/1",
        "lines/1",
        "invoices/1/lines",
        "invoices/1/~nope/2",
        "invoices/1/~attachments/",
        "invoices/1,2",
    ],
)
def test_an_id_nobody_gave_out_is_not_found(reader: Reader, books: Books, forged: str) -> None:
    source = reader.source(files_of(), LINES)
    with pytest.raises(NotFound):
        _bytes_of(source, FileRef(id=forged, path="x", version="1", media_type="text/plain"))


def test_the_probe_opens_a_file_and_looks_below_a_parent(reader: Reader, books: Books) -> None:
    books.company.attach("invoices", books.invoices[1], "a.txt", b"bytes")
    source = reader.source(files_of(), LINES)
    works = {ability.name: ability.detail for ability in source.test().abilities if ability.works}
    assert works["open attachments of invoices"] == "a.txt can be read."
    assert works["list lines"] == "2 records on the first page."
    assert [json.loads(json.dumps(record.fields, default=str))["invoice_number"] for record in source.sample("lines", 2)] == ["R-0", "R-0"]


def test_folders_are_streams(reader: Reader, books: Books) -> None:
    source = reader.source(INVOICES, LINES)
    assert {ref.id for ref in source.list("invoices")} == {f"invoices/{one}" for one in books.invoices}
    with pytest.raises(ConfigurationError, match="there are invoices"):
        list(source.list("nope"))


def _bytes_of(source: Any, ref: FileRef) -> bytes:
    with source.open(ref) as chunks:
        return b"".join(chunks)
