"""Which paginator an operation has, by the names of its parameters and of what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connector_pipelines.sources.rest_api.drafting.block import Block
from connector_pipelines.sources.rest_api.drafting.lists import flat_answer
from connector_pipelines.sources.rest_api.drafting.naming import words
from connector_pipelines.sources.rest_api.drafting.operations import Operation
from connector_pipelines.sources.rest_api.drafting.schemas import Resolver, Shape

__all__ = ["guess_paginator"]

_SIZE: Final = re.compile(
    r"limit|(page_?)?size|per_?page|(max|page)_(results|items|records|count|limit)|count|top|take|rows|results_per_page|records_per_page"
)
_OFFSET: Final = re.compile(r"(page_)?offset|skip|start(_at|_index|_from|_record)?|first_result|from_record|start_row")
_NUMBER: Final = re.compile(r"page(_?(number|no|num|index))?|p|pg|current_page")
_AFTER_ID: Final = re.compile(r"starting_after|since_id|after_id|min_id|last_id|from_id")
_TOKEN_IN: Final = re.compile(
    r"(page_|next_)?(cursor|token)|page_token|next_page(_token)?|after|page_after|continuation(_?token)?|start_cursor|pagination_token|marker|start_key|page_cursor|scroll_id|bookmark"
)
_TOKEN_OUT: Final = re.compile(
    r"(next_?)?(page_?)?(token|cursor|marker|bookmark)|next_(page|key|offset|after)|end_cursor|after|continuation(_?token)?|next|scroll_id"
)
_NEXT_URL: Final = re.compile(r"(odata_)?next_?(link|url|uri|href|page_(url|link)|records_url)")
_NEXT: Final = frozenset({"next", "next_page"})
_MORE: Final = re.compile(r"has_(more|next|next_page|more_items)|more(_available|_records|_items)?|is_truncated|truncated")
_TOTAL: Final = re.compile(
    r"total(_?(count|size|results|items|records|elements|rows|entries))?|(record|result|item)s?_count|full_count|odata_count"
)
_PAGES: Final = re.compile(r"(total_?)?pages|total_page_count|page_count|last_page|num_pages|pages_total")
_ADDRESS_FORMATS: Final = frozenset({"uri", "url", "uri-reference", "iri"})
_MOST: Final = 1000
_USUAL: Final = 100


@dataclass(frozen=True, slots=True)
class _Seen:
    """An operation by the words of its names: parameters, and what its answer says beside the records."""

    params: Mapping[str, Shape]
    said: Mapping[str, Shape]

    def param(self, pattern: re.Pattern[str]) -> str | None:
        return next((name for name in self.params if pattern.fullmatch(words(name))), None)

    def field(self, pattern: re.Pattern[str], types: frozenset[str]) -> str | None:
        return next((path for path, s in self.said.items() if s.type in types and pattern.fullmatch(words(path.rsplit(".", 1)[-1]))), None)


_TEXTS: Final = frozenset({"string", ""})
_COUNTS: Final = frozenset({"integer", "number"})


def guess_paginator(operation: Operation, resolver: Resolver, key: str) -> Block | None:
    """None where nothing says that there are pages."""
    seen = _Seen(operation.query, flat_answer(operation, resolver))
    for way in (_next_url, _link, _token, _after_id, _offset, _number):
        if (found := way(seen, operation, key)) is not None:
            return found
    return None


def _link(seen: _Seen, operation: Operation, key: str) -> Block | None:  # noqa: ARG001 - one shape of guess
    if "link" not in operation.headers:
        return None
    return _with_size(_block("link_header", "its answers have a header `Link`"), seen)


def _next_url(seen: _Seen, operation: Operation, key: str) -> Block | None:  # noqa: ARG001
    for path, shape in seen.said.items():
        if shape.type in _TEXTS and _names_next(path, shape, seen):
            block = _block("next_url", f"the answer has {path!r}")
            block.put("path", path)
            return _with_size(block, seen)
    return None


def _names_next(path: str, shape: Shape, seen: _Seen) -> bool:
    *outer, name = [words(part) for part in path.split(".")]
    if name in {"href", "url", "uri"} and outer:
        return outer[-1] in _NEXT
    if _NEXT_URL.fullmatch(name):
        return True
    # A bare `next` may as well be a token.
    is_address = shape.format in _ADDRESS_FORMATS or "links" in outer or seen.param(_TOKEN_IN) is None
    return name in _NEXT and is_address


def _token(seen: _Seen, operation: Operation, key: str) -> Block | None:  # noqa: ARG001
    param, path = seen.param(_TOKEN_IN), seen.field(_TOKEN_OUT, _TEXTS)
    if param is None or path is None:
        return None
    block = _block("cursor", f"the answer has {path!r}, and a parameter {param!r} takes it")
    block.put("path", path)
    block.put("parameter", param)
    _put_found(block, "more", seen.field(_MORE, frozenset({"boolean"})))
    return _with_size(block, seen)


def _after_id(seen: _Seen, operation: Operation, key: str) -> Block | None:  # noqa: ARG001
    param = seen.param(_AFTER_ID)
    if param is None:
        return None
    block = _block("keyset", f"{param!r} asks for what comes after a record")
    block.put("field", key)
    block.put("parameter", param)
    _put_found(block, "more", seen.field(_MORE, frozenset({"boolean"})))
    return _with_size(block, seen)


def _offset(seen: _Seen, operation: Operation, key: str) -> Block | None:  # noqa: ARG001
    param, size = seen.param(_OFFSET), seen.param(_SIZE)
    if param is None or size is None:
        return None
    block = _block("offset", f"by the parameters {param!r} and {size!r}")
    block.put("parameter", param)
    if seen.params[param].minimum == 1:
        block.put("start", 1)
    _put_found(block, "total", seen.field(_TOTAL, _COUNTS))
    _put_found(block, "more", seen.field(_MORE, frozenset({"boolean"})))
    return _with_size(block, seen)


def _number(seen: _Seen, operation: Operation, key: str) -> Block | None:  # noqa: ARG001
    param = seen.param(_NUMBER)
    if param is None or seen.params[param].type not in {"integer", "number", ""}:
        return None
    block = _block("page_number", f"by the parameter {param!r}")
    block.put("parameter", param)
    shape = seen.params[param]
    said = {n for n in (shape.minimum, shape.default) if isinstance(n, int | float) and not isinstance(n, bool)} & {0, 1}
    block.guess("start", min(map(int, said), default=1), "as the document says" if said else "most begin so; 0 where not")
    _put_found(block, "total", seen.field(_TOTAL, _COUNTS))
    _put_found(block, "total_pages", seen.field(_PAGES, _COUNTS))
    _put_found(block, "more", seen.field(_MORE, frozenset({"boolean"})))
    return _with_size(block, seen)


def _with_size(block: Block, seen: _Seen) -> Block:
    """`maximum` of the parameter for the size, or what it is by default."""
    param = seen.param(_SIZE)
    if param is None:
        return block
    shape = seen.params[param]
    default = shape.default if isinstance(shape.default, int) and not isinstance(shape.default, bool) else None
    if shape.maximum is not None and shape.maximum >= 1:
        block.put("size", int(min(shape.maximum, _MOST)), "the most the document allows" if shape.maximum <= _MOST else "")
    elif default is not None and default >= 1:
        block.guess("size", min(default, _MOST), "the document's default; a larger one makes fewer requests")
    else:
        block.guess("size", _USUAL, "the document does not say how many one page may have")
    block.put("size_parameter", param)
    return block


def _block(kind: str, why: str) -> Block:
    block = Block()
    block.guess("type", kind, why)
    return block


def _put_found(block: Block, key: str, path: str | None) -> None:
    if path is not None:
        block.put(key, path)
