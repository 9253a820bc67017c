"""The scripted company: its streams, and every edit a person could make there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector_pipelines.testing.fake_api.clock import Clock, micros
from connector_pipelines.testing.fake_api.collection import Collection, File, Row
from connector_pipelines.testing.fake_api.plausible import plausible
from connector_pipelines.testing.fake_api.rendering import FileLinks, Renderer
from connector_pipelines.testing.fake_api.shapes import StreamShape

__all__ = ["Company", "StreamState"]


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream: how it looks, what is in it, and what writes it."""

    shape: StreamShape
    collection: Collection
    renderer: Renderer


class Company:
    """Streams of records. Ids are text here, whatever the API makes of them; an unknown stream or id is a KeyError.

    Used by several threads at once.
    """

    def __init__(self, links: FileLinks) -> None:
        self.clock = Clock()
        self.streams: dict[str, StreamState] = {}
        self.files: dict[str, File] = {}
        self._links = links

    def add(self, shape: StreamShape) -> None:
        """Begin a stream, or show one that exists in another way."""
        known = self.streams.get(shape.name)
        collection = Collection() if known is None else known.collection
        for row in collection.rows():
            row.rendered = None
        self.streams[shape.name] = StreamState(shape, collection, Renderer(shape, self._links))

    def put(
        self,
        stream: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - what it is everywhere else
        parent: str | None = None,
        updated_at: datetime | None = None,
    ) -> str:
        """Make a record, or give it these fields; its id. `updated_at` lies about when: it may go back."""
        stamp = self.clock.tick() if updated_at is None else micros(updated_at)
        row = self.streams[stream].collection.put(id, fields, parent=parent, stamp=stamp)
        self._touch_parent(stream, row)
        return row.id

    def put_many(self, stream: str, records: Iterable[Mapping[str, Any]], *, parent: str | None = None) -> list[str]:
        return [self.put(stream, fields, parent=parent) for fields in records]

    def fill(self, stream: str, count: int, *, parent: str | None = None) -> None:
        """Make so many plausible records, the same every time, written out beforehand."""
        state = self.streams[stream]
        for n in range(count):
            row = state.collection.put(None, plausible(n), parent=parent, stamp=self.clock.tick())
            state.renderer.json_of(row)

    def delete(self, stream: str, id: str) -> None:  # noqa: A002
        """Into the bin: what the API then shows is its shape's `tombstone`."""
        now = self.clock.tick()
        self._touch_parent(stream, self.streams[stream].collection.edit(id, lambda row: row.edited(deleted=now, stamp=now)))

    def restore(self, stream: str, id: str) -> None:  # noqa: A002
        now = self.clock.tick()
        self._touch_parent(stream, self.streams[stream].collection.edit(id, lambda row: row.edited(deleted=None, stamp=now)))

    def hard_delete(self, stream: str, id: str) -> None:  # noqa: A002
        """Without a trace; nothing says that it was."""
        self.streams[stream].collection.remove(id)

    def touch(self, stream: str, id: str) -> None:  # noqa: A002
        """Stamp it, and change nothing."""
        now = self.clock.tick()
        self.streams[stream].collection.edit(id, lambda row: row.edited(stamp=now))

    def move(self, stream: str, id: str, parent: str) -> None:  # noqa: A002
        """Give it another parent."""
        now = self.clock.tick()
        self._touch_parent(stream, self.streams[stream].collection.edit(id, lambda row: row.edited(parent=parent, stamp=now)))

    def attach(
        self,
        stream: str,
        id: str,  # noqa: A002
        name: str,
        content: bytes,
        media_type: str = "application/octet-stream",
    ) -> str:
        """Attach a file, or replace the one of that name; its id."""
        now = self.clock.tick()
        file_id = hashlib.sha256(json.dumps([stream, id, name]).encode()).hexdigest()[:16]
        self.files[file_id] = file = File(name, content, media_type, file_id)

        def with_file(row: Row) -> Row:
            return row.edited(files=(*(f for f in row.files if f.name != name), file), stamp=now)

        self.streams[stream].collection.edit(id, with_file)
        return file_id

    def detach(self, stream: str, id: str, name: str) -> None:  # noqa: A002
        now = self.clock.tick()
        for file in self.streams[stream].collection.row(id).files:
            if file.name == name:
                self.files.pop(file.id, None)
        self.streams[stream].collection.edit(id, lambda row: row.edited(files=tuple(f for f in row.files if f.name != name), stamp=now))

    def truth(self, stream: str) -> dict[str, dict[str, Any]]:
        """What a complete reading has in the end, by id: each record as the API shows it, without those that are deleted or below one that is."""
        state = self.streams[stream]
        return {row.id: json.loads(state.renderer.json_of(row)) for row in state.collection.rows() if self.is_there(stream, row)}

    def is_there(self, stream: str, row: Row) -> bool:
        """Whether the record and all it lies below are not deleted."""
        above = self.streams[stream].shape.parent
        if row.deleted is not None or above is None:
            return row.deleted is None
        parent = self.streams[above].collection.get(row.parent or "")
        return parent is not None and self.is_there(above, parent)

    def _touch_parent(self, stream: str, row: Row) -> None:
        shape = self.streams[stream].shape
        if shape.touches_parent and shape.parent and row.parent and self.streams[shape.parent].collection.get(row.parent):
            self.touch(shape.parent, row.parent)
