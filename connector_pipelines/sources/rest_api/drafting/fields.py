"""What the fields of a record are for, by their names and types: key, times, marks of deletion, text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from connector_pipelines.core.types import ColumnType
from connector_pipelines.sources.rest_api.drafting.naming import singular, words
from connector_pipelines.sources.rest_api.drafting.schemas import Resolver, Shape

__all__ = [
    "Field",
    "columns",
    "fields_of",
    "guess_changed",
    "guess_created",
    "guess_key",
    "guess_link",
    "guess_text",
    "guess_title",
    "guess_tombstone",
]

_CHANGED: Final = re.compile(
    r"(last_?)?(updat|modif|chang|edit)(ed?|ied|ication)?(_?(at|on|date|time|timestamp|datetime|utc))*|date_(updated|modified)"
    r"|system_modstamp|(last_?)(modified|updated|changed)(_\w+)?(date|time|at|on)|mtime|updated_ts"
)
_CREATED: Final = re.compile(
    r"(date_)?(creat|add|open|insert|submitt?)(ed|ion)?(_?(at|on|date|time|timestamp|datetime|utc))*|ctime|created_ts"
)
_GONE_FLAG: Final = re.compile(r"(is_|was_)?(deleted|removed|archived|trashed|in_trash|hidden_by_deletion)")
_GONE_AT: Final = re.compile(r"(deleted|removed|archived|trashed)(_?(at|on|date|time))+|date_(deleted|archived)")
_KEYS: Final = ("id", "uuid", "guid", "gid", "_id", "sys_id", "object_id", "key", "kid", "urn", "number", "code", "identifier")
_TITLES: Final = (
    "name",
    "title",
    "display_name",
    "full_name",
    "subject",
    "label",
    "summary",
    "number",
    "reference",
    "code",
    "key",
    "email",
)
_TEXTS: Final = (
    "description",
    "body",
    "content",
    "text",
    "notes",
    "note",
    "comment",
    "comments",
    "message",
    "summary",
    "details",
    "remarks",
)
_LINKS: Final = ("html_url", "web_url", "web_view_link", "permalink", "public_url", "web_link", "view_url", "ui_url", "page_url")
_INSIDE: Final = ("attributes", "properties", "fields", "data", "metadata", "meta", "system", "audit")
_COLUMNS: Final[dict[str, ColumnType]] = {"integer": "integer", "number": "number", "boolean": "boolean", "object": "json", "array": "json"}
_TEXT_FORMATS: Final[dict[str, ColumnType]] = {"date-time": "timestamp", "date": "date"}
_MOST_COLUMNS: Final = 300
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record: its dotted path, the words of its last name, its schema."""

    path: str
    words: str
    shape: Shape


def fields_of(record: Shape, resolver: Resolver) -> list[Field]:
    """Fields at the top, and those inside objects that are no more than a wrapping."""
    return list(_fields(record, resolver))


def guess_key(fields: list[Field], stream: str, detail_placeholder: str | None) -> tuple[str, str]:
    """Path of the field that names a record, and why; an empty path where it cannot be told."""
    top = [field for field in fields if "." not in field.path and field.shape.type not in {"object", "array", "boolean"}]
    by_words = {field.words: field.path for field in reversed(top)} | {field.path: field.path for field in top if field.path == "_id"}
    if detail_placeholder and (path := by_words.get(words(detail_placeholder))):
        return path, "one record is read by it"
    one = singular(words(stream))
    for name in (*_KEYS[:6], f"{one}_id", f"{one}_uuid", f"{one}_key", f"{one}_number", *_KEYS[6:]):
        if path := by_words.get(name):
            return path, "by its name"
    first = one.split("_")[0]
    for field in top:
        if field.words.endswith("_id") and field.words.startswith(first):
            return field.path, "by its name"
    return "", ""


def guess_changed(fields: list[Field]) -> Field | None:
    return _first(fields, lambda field: _is_time(field) and bool(_CHANGED.fullmatch(field.words)))


def guess_created(fields: list[Field]) -> Field | None:
    return _first(fields, lambda field: _is_time(field) and bool(_CREATED.fullmatch(field.words)))


def guess_tombstone(fields: list[Field]) -> Field | None:
    flag = _first(fields, lambda field: field.shape.type == "boolean" and bool(_GONE_FLAG.fullmatch(field.words)))
    return flag or _first(fields, lambda field: _is_time(field) and bool(_GONE_AT.fullmatch(field.words)))


def guess_title(fields: list[Field]) -> Field | None:
    return _named(fields, _TITLES)


def guess_text(fields: list[Field]) -> list[Field]:
    """Fields that people write at length in."""
    return [field for field in fields if field.words in _TEXTS and field.shape.type in {"string", ""} and _NAME.fullmatch(field.path)]


def guess_link(fields: list[Field]) -> Field | None:
    return _named(fields, _LINKS)


def columns(record: Shape, resolver: Resolver) -> dict[str, ColumnType]:
    """Types of the fields at the top whose type is said."""
    found: dict[str, ColumnType] = {}
    for name, raw in list(record.properties.items())[:_MOST_COLUMNS]:
        shape = resolver.shape(raw)
        if shape.type == "string":
            found[name] = _TEXT_FORMATS.get(shape.format, "text")
        elif shape.type in _COLUMNS:
            found[name] = _COLUMNS[shape.type]
    return found


def _fields(record: Shape, resolver: Resolver) -> Iterator[Field]:
    inner = []
    for name, raw in record.properties.items():
        shape = resolver.shape(raw)
        yield Field(name, words(name) or name, shape)
        if shape.type == "object" and name.lower() in _INSIDE:
            inner.append((name, shape))
    for outer, wrapped in inner:
        for name, raw in wrapped.properties.items():
            yield Field(f"{outer}.{name}", words(name) or name, resolver.shape(raw))


def _named(fields: list[Field], names: tuple[str, ...]) -> Field | None:
    usable = [f for f in fields if f.shape.type in {"string", "integer", "number", ""} and _NAME.fullmatch(f.path)]
    return next((field for name in names for field in usable if field.words == name), None)


def _first(fields: list[Field], fits: Callable[[Field], bool]) -> Field | None:
    return next((field for field in fields if fits(field)), None)


def _is_time(field: Field) -> bool:
    kind: Any = field.shape.type
    return kind in {"string", "integer", "number", ""} and field.shape.format in {
        "",
        "date-time",
        "date",
        "int64",
        "int32",
        "timestamp",
        "unix-time",
    }
