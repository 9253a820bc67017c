"""A notification that names records: only those are read, and what the payload says of them is not believed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector_pipelines.core.protocols import FollowsNotifications
from connector_pipelines.core.types import Below, Deleted, Notification, Upserted
from connector_pipelines.testing.fake_api import CursorToken, StreamShape, Tombstone
from tests.sources.rest_api_world import BY_TOKEN, CONTACTS, Reader, contacts, read

STREAM = {**CONTACTS, "paginator": BY_TOKEN, "detail": "contacts/{id}"}
HOOK: dict[str, Any] = {"stream": "contacts", "key": ["object.id"], "field": "type", "equals": ["contact.changed", "contact.gone"]}


def notified(*payloads: Any) -> list[Notification]:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return [Notification(delivery_id=str(n), payload=payload, received_at=at) for n, payload in enumerate(payloads)]


def event(record_id: Any, kind: str = "contact.changed") -> dict[str, Any]:
    return {"type": kind, "object": {"id": record_id, "name": "a lie"}}


def followed(source: FollowsNotifications, *payloads: Any) -> list[Any]:
    pages = source.follow(notified(*payloads))
    assert pages is not None
    return [change for page in pages for change in page.changes]


def test_only_the_record_that_is_named_is_read(reader: Reader) -> None:
    ids = contacts(reader.api, 5, paginator=CursorToken())
    source = reader.source(STREAM, webhooks=[HOOK])

    (change,) = followed(source, event(int(ids[2])), event(ids[2]))

    assert isinstance(change, Upserted)
    assert (change.ref.id, b"a lie" in (change.content or b"")) == (f"contacts/{ids[2]}", False)
    assert [entry.path for entry in reader.api.journal.entries()] == [f"/contacts/{ids[2]}"]


def test_it_is_the_item_that_a_listing_would_have_given(reader: Reader) -> None:
    contacts(reader.api, 3, paginator=CursorToken())
    source = reader.source({**STREAM, "label": "name"}, webhooks=[HOOK])
    listed = {change.ref.id: change for change in read(source).changes}
    (change,) = followed(source, event("2"))
    assert (change.ref, change.content) == (listed["contacts/2"].ref, listed["contacts/2"].content)


def test_a_record_that_is_not_found_is_gone(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken())
    assert followed(reader.source(STREAM, webhooks=[HOOK]), event("99", "contact.gone")) == [Deleted("contacts/99")]


def test_a_record_that_was_merged_into_another_is_gone_and_the_other_is_told(reader: Reader) -> None:
    server = reader.scripted()
    server.says("/contacts/2", {"id": 3, "name": "the one that is left"})
    gone, other = followed(reader.source(STREAM, webhooks=[HOOK], base_url=server.url), event(2))
    assert (gone, other.ref.id) == (Deleted("contacts/2"), "contacts/3")


def test_a_record_with_the_mark_of_what_is_gone_is_gone(reader: Reader) -> None:
    ids = contacts(reader.api, 2, paginator=CursorToken(), tombstone=Tombstone(shown="shown", field="gone"))
    reader.api.company.delete("contacts", ids[0])
    source = reader.source({**STREAM, "deletions": {"type": "tombstone", "field": "gone"}}, webhooks=[HOOK])
    assert followed(source, event(ids[0])) == [Deleted(f"contacts/{ids[0]}")]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        [],
        "text",
        {"type": "deal.changed", "object": {"id": 1}},
        {"type": "contact.changed"},
        event(None),
        event({"a": 1}),
        event(""),
    ],
)
def test_a_payload_that_names_no_record_of_ours_asks_for_an_ordinary_sync(reader: Reader, payload: Any) -> None:
    contacts(reader.api, 2, paginator=CursorToken())
    assert reader.source(STREAM, webhooks=[HOOK]).follow(notified(event("1"), payload)) is None


def test_without_a_description_of_payloads_a_webhook_asks_for_an_ordinary_sync(reader: Reader) -> None:
    contacts(reader.api, 2, paginator=CursorToken())
    assert reader.source(STREAM).follow(notified(event("1"))) is None


def test_one_call_may_bring_many_events(reader: Reader) -> None:
    ids = contacts(reader.api, 4, paginator=CursorToken())
    hook = {"stream": "contacts", "key": ["objectId"], "events": "events"}
    found = followed(reader.source(STREAM, webhooks=[hook]), {"events": [{"objectId": ids[0]}, {"objectId": ids[3]}]})
    assert [change.ref.id for change in found] == [f"contacts/{ids[0]}", f"contacts/{ids[3]}"]


def test_a_child_is_read_with_the_fields_of_its_parent(reader: Reader) -> None:
    reader.api.add(StreamShape(name="invoices", paginator=CursorToken()))
    reader.api.add(StreamShape(name="lines", path="/invoices/{parent}/lines", parent="invoices", paginator=CursorToken()))
    invoice = reader.api.company.put("invoices", {"number": "R-1"})
    line = reader.api.company.put("lines", {"text": "screws"}, parent=invoice)
    source = reader.source(
        {"name": "invoices", "path": "invoices", "record_selector": "data", "detail": "invoices/{id}", "label": "number"},
        {
            "name": "lines", "path": "invoices/{invoice}/lines", "record_selector": "data", "detail": "invoices/{invoice}/lines/{id}",
            "parent": {"stream": "invoices", "params": {"invoice": "id"}, "copy_fields": {"number": "number"}},
        },
        webhooks=[{"stream": "lines", "key": ["line"], "parent_key": ["invoice"]}],
    )  # fmt: skip
    listed = {change.ref.id: change for change in read(source).changes}
    (change,) = followed(source, {"line": line, "invoice": invoice})
    assert change == listed[f"invoices/{invoice}/lines/{line}"]


def test_what_hangs_on_a_record_is_read_and_goes_with_it(reader: Reader) -> None:
    ids = contacts(reader.api, 2, paginator=CursorToken())
    file_id = reader.api.company.attach("contacts", ids[0], "a.txt", b"bytes")
    stream = {**STREAM, "attachments": [{"list": "files", "url": "url"}]}
    source = reader.source(stream, webhooks=[HOOK])
    found = followed(source, event(ids[0]), event("99"))
    file = f"contacts/{ids[0]}/~attachments/{file_id}"
    assert [change.ref.id for change in found if isinstance(change, Upserted)] == [f"contacts/{ids[0]}", file]
    assert [change for change in found if not isinstance(change, Upserted)] == [
        Below(f"contacts/{ids[0]}/~attachments", frozenset({file})),
        Deleted("contacts/99"),
        Below("contacts/99"),
    ]
