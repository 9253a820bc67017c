"""A record as the JSON an answer shows."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from connector_pipelines.testing.fake_api.collection import File, Row
from connector_pipelines.testing.fake_api.nested import put_at, steps
from connector_pipelines.testing.fake_api.shapes import StreamShape
from connector_pipelines.testing.fake_api.stamps import write_stamp

__all__ = ["FileLinks", "Renderer"]


class FileLinks:
    """Where attachments are fetched: with our credentials from the API itself, or by a signed address of another host."""

    def __init__(self, own: str, signed: str | None) -> None:
        self._own = own
        self._signed = signed

    def entry(self, file: File) -> dict[str, Any]:
        found = {"id": file.id, "name": file.name, "size": len(file.content), "content_type": file.media_type}
        found["md5"] = hashlib.md5(file.content, usedforsecurity=False).hexdigest()
        found["url"] = f"{self._own}/files/{file.id}"
        if self._signed:
            found["signed_url"] = f"{self._signed}/files/{file.id}?signature={signature_of(file)}"
        return found


class Renderer:
    """Writes the records of one stream; each is written once, until it is edited."""

    def __init__(self, shape: StreamShape, links: FileLinks) -> None:
        self._shape = shape
        self._links = links
        self._key = steps(shape.primary_key)
        self._under = steps(shape.fields_under)

    def json_of(self, row: Row) -> bytes:
        if row.rendered is None:
            row.rendered = json.dumps(self.record(row), ensure_ascii=False, separators=(",", ":")).encode()
        return row.rendered

    def record(self, row: Row) -> dict[str, Any]:
        shape = self._shape
        shown: dict[str, Any] = copy.deepcopy(shape.constants) if shape.constants else {}
        if self._under:
            put_at(shown, self._under, dict(row.fields))
        else:
            shown |= row.fields
        put_at(shown, self._key, self._id(row.id))
        stamps = ((shape.cursor_field, row.stamp), (shape.created_field, row.created))
        for name, stamp in stamps:
            if name:
                put_at(shown, steps(name), write_stamp(stamp, shape.timestamps))
        if shape.parent_field and row.parent is not None:
            put_at(shown, steps(shape.parent_field), self._parent_id(row.parent))
        self._mark_deleted(shown, row)
        if row.files:
            put_at(shown, steps(shape.files_field), [self._links.entry(file) for file in row.files])
        return shown

    def tombstone(self, row: Row) -> dict[str, Any]:
        """An entry of the stream of what was deleted."""
        found: dict[str, Any] = {}
        put_at(found, self._key, self._id(row.id))
        put_at(found, steps(self._shape.tombstone.list_field), write_stamp(row.deleted or row.stamp, self._shape.timestamps))
        return found

    def _mark_deleted(self, shown: dict[str, Any], row: Row) -> None:
        tombstone = self._shape.tombstone
        if tombstone.field:
            when = None if row.deleted is None else write_stamp(row.deleted, self._shape.timestamps)
            put_at(shown, steps(tombstone.field), when if tombstone.value == "timestamp" else row.deleted is not None)

    def _id(self, record_id: str) -> str | int:
        return int(record_id) if self._shape.ids == "integer" else record_id

    def _parent_id(self, parent: str) -> str | int:
        return int(parent) if parent.isdigit() and self._shape.ids == "integer" else parent


def signature_of(file: File) -> str:
    """Stands in for a provider's signature; whoever has it may read the file, so it is a secret."""
    return hashlib.sha256(b"signed" + file.id.encode()).hexdigest()
