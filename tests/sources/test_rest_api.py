"""Records of an API as a source, through the suite: what is put into a record is what is read from it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from connector_pipelines.core.protocols import ConfirmsAbsence, DeclaresStreams, FollowsNotifications, ListsWindows
from connector_pipelines.core.types import RECORD_TYPE, FileRef
from connector_pipelines.registry import source_type
from connector_pipelines.sources.rest_api import Source
from connector_pipelines.testing.fake_api import CursorToken, FakeApi, Status, StreamShape, Tombstone
from connector_pipelines.testing.source_suite import SourceContract
from tests.sources.rest_api_world import CONTACTS, SINCE, Reader, read

SHAPE = StreamShape(name="contacts", paginator=CursorToken(size=2), tombstone=Tombstone(shown="shown", field="gone"))


class Service:
    """A `World`: a file is a record, its bytes are a field."""

    def __init__(self, api: FakeApi) -> None:
        self.api, self.company = api, api.company
        self.ids: dict[str, str] = {}
        api.add(SHAPE)

    def put(self, name: str, body: bytes) -> str:
        fields = {"name": name, "body": base64.b64encode(body).decode()}
        self.ids[name] = self.company.put("contacts", fields, id=self.ids.get(name))
        return f"contacts/{self.ids[name]}"

    def remove(self, file_id: str) -> None:
        record_id = file_id.removeprefix("contacts/")
        self.company.delete("contacts", record_id)
        self.ids = {name: known for name, known in self.ids.items() if known != record_id}

    def rename(self, file_id: str, name: str) -> str:
        record_id = file_id.removeprefix("contacts/")
        (row,) = [row for row in self.company.streams["contacts"].collection.rows() if row.id == record_id]
        self.company.put("contacts", {**row.fields, "name": name}, id=record_id)
        self.ids = {**{known: one for known, one in self.ids.items() if one != record_id}, name: record_id}
        return file_id

    def forget_cursors(self) -> None:
        self.api.fault(Status(status=410), path="/contacts", times=1)

    def vanish(self) -> None:
        self.api.add(SHAPE.model_copy(update={"path": "/elsewhere"}))


class Bodies(Source):
    """Gives of a record the bytes that the suite put into it, and nothing else of it."""

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        with super().open(ref) as chunks:
            body = base64.b64decode(json.loads(b"".join(chunks))["body"])
        yield (body[at : at + 65536] for at in range(0, len(body), 65536))


class TestRestApi(SourceContract):
    @pytest.fixture
    def world(self, reader: Reader) -> Service:
        return Service(reader.api)

    @pytest.fixture
    def source(self, reader: Reader, world: Service) -> Any:
        return reader.source(
            {
                **CONTACTS, "cursor": SINCE, "paginator": {"type": "cursor", "path": "paging.next.after", "parameter": "after"}, "label": "name",
                "deletions": {"type": "tombstone", "field": "gone"}, "detail": "contacts/{id}", "confirm_deletions": True,
            },
            kind=Bodies,
        )  # fmt: skip

    def test_what_is_said_of_a_file_is_true(self, source: Source, world: Service) -> None:
        """Of a record it is said of its JSON."""
        world.put("a.txt", b"12345")
        (change,) = read(source).changes
        ref = change.ref
        assert (ref.name, ref.path, ref.size, ref.media_type) == ("a.txt", "contacts/a.txt", len(change.content), RECORD_TYPE)
        assert (ref.stream, ref.modified_at.utcoffset()) == ("contacts", timedelta(0))


def test_it_has_every_optional_ability() -> None:
    abilities = (ConfirmsAbsence, DeclaresStreams, FollowsNotifications, ListsWindows)
    assert [ability.__name__ for ability in abilities if not issubclass(source_type("rest_api"), ability)] == []
