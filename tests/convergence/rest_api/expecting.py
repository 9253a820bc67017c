"""What should be held: of each record its fields, its title, its text and its address; of each file its text. Told from the company's own books."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.convergence.rest_api.streams import Told
from tests.convergence.texts import chunks_of

__all__ = ["Expected", "Text", "expected", "flat"]

_DEPTH = 3

Truth = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Records by stream and id, as their API shows them."""


@dataclass(frozen=True, slots=True)
class Text:
    """Of a document. `chunks` are empty where there is nothing to search for."""

    title: str
    url: str | None
    chunks: tuple[str, ...]


@dataclass(slots=True)
class Expected:
    """By id of the item; `rows` by stream first, each with its fields by their place (an RFC 6901 pointer)."""

    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)


def expected(streams: Sequence[Told], truth: Truth, files: Mapping[str, bytes], *, note_first: bool) -> Expected:
    """What is to be held once everything was read.

    Args:
        files: Contents of attached files by id.
        note_first: Whether the text of contacts begins with the note, as it does from some time on.
    """
    found = Expected()
    for stream in streams:
        rows = found.rows[stream.name] = {}
        for record in truth[stream.name].values():
            whole = _clean({**record, **_copied(stream, record, truth), **_lasting_files(record)})
            item = _item(stream, record)
            rows[item] = dict(flat(whole, whole_at=_whole(stream)))
            found.texts[item] = _text(stream, whole, note_first=note_first)
            for file in record.get("files", ()):
                text = files[file["id"]].decode()
                found.texts[f"{item}/~attachments/{file['id']}"] = Text(file["name"], None, chunks_of(text))
    return found


def flat(
    fields: Mapping[str, Any], *, whole_at: frozenset[str] = frozenset(), depth: int = _DEPTH, at: str = ""
) -> Iterator[tuple[str, Any]]:
    """Place and value of each field that holds something, objects opened as far as a table opens them."""
    for name, value in fields.items():
        here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if depth and isinstance(value, Mapping) and value and here not in whole_at:
            yield from flat(value, whole_at=whole_at, depth=depth - 1, at=here)
        elif value is not None:
            yield here, value


def _copied(stream: Told, record: Mapping[str, Any], truth: Truth) -> dict[str, Any]:
    """Fields that a record of that stream has from what it lies below."""
    if stream.parent is None:
        return {}
    above = truth[stream.parent][_above(stream, record)]
    return {name: above.get(path) for name, path in stream.settings["parent"].get("copy_fields", {}).items()}


def _lasting_files(record: Mapping[str, Any]) -> dict[str, Any]:
    """The list of its files, without the addresses that expire."""
    files = record.get("files")
    return {"files": [{name: value for name, value in file.items() if name != "signed_url"} for file in files]} if files else {}


def _item(stream: Told, record: Mapping[str, Any]) -> str:
    own = f"{stream.name}/{','.join(str(record[name]) for name in stream.key)}"
    return own if stream.parent is None else f"{stream.parent}/{_above(stream, record)}/{own}"


def _above(stream: Told, record: Mapping[str, Any]) -> str:
    value: Any = record
    for name in str(stream.shape.parent_field).split("."):
        value = value[name]
    return str(value)


def _whole(stream: Told) -> frozenset[str]:
    return frozenset(f"/{name}" for name, kind in stream.settings.get("columns", {}).items() if kind == "json")


def _text(stream: Told, record: Mapping[str, Any], *, note_first: bool) -> Text:
    if stream.name != "contacts":
        title = " ".join((stream.name, *(str(record[name]) for name in stream.key)))
        return Text(title, None, chunks_of("\n".join(f"{name}: {text}" for name, text in _texts("", record))))
    own = record["properties"]
    name, note = own["name"], own.get("note") or ""
    body = f"{note} ({name})" if note_first else f"{name}\n{note}"
    return Text(" ".join(unicodedata.normalize("NFC", name).split()), f"https://crm.example.com/{record['id']}", chunks_of(body))


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value.strip():
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in sorted(value.items()):
            yield from _texts(f"{name}.{key}" if name else key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(name, inner)


def _clean(value: Any) -> Any:
    """Without the one character that Postgres refuses."""
    made: dict[type, Callable[[Any], Any]] = {
        str: lambda text: text.replace("\x00", ""),
        dict: lambda fields: {name: _clean(inner) for name, inner in fields.items()},
        list: lambda values: [_clean(inner) for inner in values],
    }
    return made.get(type(value), lambda same: same)(value)
