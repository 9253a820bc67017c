"""What of a record is searched: its title, its text in chunks and its address, as its stream says or as is usual."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any

import msgspec

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import Section, Stream, content_hash
from connector_pipelines.pipeline import chunking
from connector_pipelines.pipeline.templating import Template

__all__ = ["RenderedText", "Renderer", "fields_of", "made_by"]

VERSION = "1"
"""Rises whenever the same template and record may make another text."""

MAX_TITLE = 500
_ONE_CHUNK = 1000
# IEEE 754 double: any decimal of 15 digits survives the way there and back.
_EXACT_DIGITS = 15


@dataclass(frozen=True, slots=True)
class RenderedText:
    """`chunks` are texts with their hashes, in order; none where there is nothing to search for."""

    title: str
    url: str | None
    chunks: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """Makes the text of the records of one stream."""

    stream: Stream
    max_bytes: int
    _templates: dict[str, Template] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("title", "body", "link"):
            if (source := getattr(self.stream, name)) is not None:
                self._templates[name] = Template(f"`{name}` of the stream {self.stream.name!r}", source)

    def render(self, content: bytes) -> RenderedText:
        """The text of one record.

        Raises:
            Malformed: It is no JSON object, or a template cannot be filled in with it.
            ResourceError: Its text is larger than may be.
            ConfigurationError: A template cannot be read.
        """
        fields = fields_of(content)
        title = self._filled("title", fields)
        body = self._filled("body", fields)
        return RenderedText(
            title=_line(_usual_title(self.stream, fields) if title is None else title),
            url=_address(self._filled("link", fields)),
            chunks=_chunks(self._usual_body(fields) if body is None else body),
        )

    def _filled(self, name: str, fields: Mapping[str, Any]) -> str | None:
        template = self._templates.get(name)
        return None if template is None else template.fill(fields, self.max_bytes)

    def _usual_body(self, fields: Mapping[str, Any]) -> str:
        body = "\n".join(f"{name}: {text}" for name, text in _texts("", fields))
        if len(body) > self.max_bytes:
            raise ResourceError(f"a record has more than {self.max_bytes} bytes of text", limit=f"max_text_bytes={self.max_bytes}")
        return body


def made_by(stream: Stream) -> str:
    """Names what makes the documents of the stream: another template is another name."""
    templates = json.dumps([stream.title, stream.body, stream.link, stream.primary_key])
    digest = hashlib.sha256(templates.encode(errors="replace")).hexdigest()[:12]
    return f"record {VERSION}, template {digest}, chunks {chunking.VERSION}"


def fields_of(content: bytes) -> dict[str, Any]:
    """The fields of a record. A number is a float only where that is exact, else a Decimal.

    Raises:
        Malformed: It is no JSON object.
    """
    try:
        fields = _decoder().decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = _read_leniently(content)
    if not isinstance(fields, dict):
        raise Malformed("the record is no JSON object")
    return fields


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(float_hook=_number)


def _number(text: str) -> float | Decimal:
    number = float(text)
    return number if len(text) <= _EXACT_DIGITS and isfinite(number) else Decimal(text)


def _read_leniently(content: bytes) -> Any:
    """What msgspec refuses and others send: half a surrogate pair, a number that is none."""
    try:
        return json.loads(content, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise Malformed("the record is no JSON object") from error


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each text inside, and the dotted name of the field it is in."""
    if isinstance(value, str):
        if value.strip():
            yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(name, inner)


def _usual_title(stream: Stream, fields: Mapping[str, Any]) -> str:
    key = (_at(fields, name) for name in stream.primary_key)
    return " ".join((stream.name, *(str(part) for part in key if part is not None)))


def _at(fields: Mapping[str, Any], dotted: str) -> Any:
    if dotted in fields:
        return fields[dotted]
    value: Any = fields
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _line(text: str) -> str:
    return " ".join(chunking.clean(text).split())[:MAX_TITLE]


def _address(text: str | None) -> str | None:
    """What a person can be sent to; anything else is no address, since it may come from whoever wrote the record."""
    found = (text or "").strip()
    return found if found.startswith(("https://", "http://")) and found.isprintable() else None


def _chunks(body: str) -> Sequence[tuple[str, bytes]]:
    text = chunking.clean(body)
    if len(text) <= _ONE_CHUNK:
        return [(text, content_hash(text))] if text else ()
    return [(chunk.text, chunk.hash) for chunk in chunking.chunk([Section(text)])]
