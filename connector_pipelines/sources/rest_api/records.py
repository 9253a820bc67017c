"""From an object of an answer to an item: its id, version, path and times, and whether it is one that is gone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from connector_pipelines.core.types import RECORD_TYPE, FileRef, Skipped, Stream, Upserted
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.decoding import encode, fingerprint, short_hash
from connector_pipelines.sources.rest_api.streams import StreamSettings, Tombstone
from connector_pipelines.sources.rest_api.values import instant

__all__ = ["ROOT", "Above", "Shape", "in_path", "key_of", "parts_of", "segment"]

_UNSAFE = re.compile(r"[%/~,\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_PATHS = re.compile(r"[/\x00\ud800-\udfff]")
_MOST_LABEL = 250


@dataclass(frozen=True, slots=True)
class Above:
    """What a stream is read below: a record of its parent, or nothing.

    Attributes:
        id, path: Of that record, with a slash at the end; empty at the top.
        copied: Fields of it that its children get.
        values: Values of the placeholders.
    """

    id: str
    path: str
    copied: Mapping[str, Any]
    values: Mapping[str, Any]


ROOT = Above("", "", {}, {})


class Shape:
    """How the records of one stream become items."""

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self._modified = settings.modified or (settings.cursor.field if settings.cursor and _is_time(settings) else None)
        # Read once for both: a time costs half a microsecond.
        self.cursor_is_modified = (
            settings.cursor is not None and self._modified == settings.cursor.field and settings.cursor.format == "iso"
        )
        # Whoever has the address of a file may read it, and it is another each time.
        addresses = [
            f"{files.list}{dots}{files.url}" for files in settings.attachments if files.list and files.url for dots in (".*.", ".")
        ]
        self._left_out = (*settings.ignore_fields, *addresses)
        self._tombstone = settings.deletions if isinstance(settings.deletions, Tombstone) else None
        self._gone = re.compile(self._tombstone.matches) if self._tombstone and self._tombstone.matches else None

    def declared(self) -> Stream:
        settings = self.settings
        return Stream(
            name=settings.name,
            primary_key=settings.primary_key,
            cursor_field=settings.cursor.field if settings.cursor else None,
            columns=settings.columns,
            title=settings.title,
            body=settings.body,
            link=settings.link,
        )

    def item(self, record: Mapping[str, Any], above: Above = ROOT) -> Upserted | Skipped:
        """The record with its content, or why it cannot be taken."""
        if above.copied:
            record = {**record, **above.copied}
        settings = self.settings
        key = key_of(record, settings.primary_key)
        if key is None:
            name = f"{above.id}{settings.name}/~{short_hash(encode(record).decode())}"
            return Skipped(name, f"{above.path}{settings.name}", "no_key")
        content = encode(paths.without(record, self._left_out) if self._left_out else record)
        ref = FileRef(
            id=f"{above.id}{settings.name}/{key}",
            path=f"{above.path}{settings.name}/{self._label(record, key)}",
            version=fingerprint(content),
            media_type=RECORD_TYPE,
            size=len(content),
            modified_at=self._time(record, self._modified),
            created_at=self._time(record, settings.created),
            stream=settings.name,
        )
        return Upserted(ref, content)

    def has_key(self, record: Mapping[str, Any], values: Sequence[str]) -> bool:
        """Whether it is the record of that key: where two were merged, an API answers with the other one."""
        key = key_of(record, self.settings.primary_key)
        return key is None or parts_of(key) == tuple(values)

    def is_gone(self, record: Mapping[str, Any]) -> bool:
        """Whether it carries the mark of a record that is gone."""
        mark = self._tombstone
        if mark is None:
            return False
        value = paths.find(record, mark.field)
        if self._gone is not None:
            return value is not None and self._gone.fullmatch(_text(value)) is not None
        if mark.equals is not None:
            return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in mark.equals)
        return bool(value)

    def _label(self, record: Mapping[str, Any], key: str) -> str:
        label = paths.find(record, self.settings.label) if self.settings.label else None
        if not isinstance(label, (str, int)) or label == "":
            return key
        return in_path(str(label)) or key

    @staticmethod
    def _time(record: Mapping[str, Any], path: str | None) -> datetime | None:
        return instant(paths.find(record, path)) if path else None


def in_path(text: str) -> str:
    """A name as one segment of a path for people; empty where nothing is left of it."""
    return _NOT_IN_PATHS.sub("_", text)[:_MOST_LABEL]


def key_of(record: Mapping[str, Any], fields: Sequence[str]) -> str | None:
    """The values of the key as one segment of an id; None where one of them is missing. Different keys give different segments."""
    if len(fields) == 1:
        value = record.get(fields[0])
        if type(value) is int:
            return str(value)
        return _part(record, fields[0])
    parts = [_part(record, field) for field in fields]
    return None if None in parts else ",".join(part for part in parts if part is not None)


def segment(value: Any) -> str:
    """A value of a key as it stands in an id: without what ids are put together by."""
    text = value if isinstance(value, str) else _text(value)
    return _UNSAFE.sub(_escaped, text) if _UNSAFE.search(text) else text


def parts_of(key: str) -> tuple[str, ...]:
    """The values behind one segment of an id, as text."""
    return tuple(unquote(part, errors="surrogatepass") for part in key.split(","))


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _part(record: Mapping[str, Any], field: str) -> str | None:
    value = record.get(field)
    if value is None:
        value = paths.find(record, field)
    return None if value is None or value == "" else segment(value)


def _text(value: Any) -> str:
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        return str(value)
    return encode(value).decode()


def _is_time(settings: StreamSettings) -> bool:
    return settings.cursor is not None and settings.cursor.format in {"iso", "epoch_s", "epoch_ms", "date"}
