"""Which operations answer a list of records, and where in the answer it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from connector_pipelines.sources.rest_api.drafting.naming import singular, words
from connector_pipelines.sources.rest_api.drafting.operations import Operation
from connector_pipelines.sources.rest_api.drafting.schemas import Resolver, Shape

__all__ = ["Listed", "find_list", "flat_answer"]

_USUAL: Final = (
    "data",
    "items",
    "results",
    "value",
    "records",
    "values",
    "entries",
    "objects",
    "list",
    "rows",
    "content",
    "elements",
    "resources",
)
_WRAPPINGS: Final = ("data", "result", "response", "_embedded", "d", "payload", "body")
_PAGED: Final = ("next", "paging", "pagination", "page", "total", "count", "has_more", "cursor", "links", "meta", "offset", "limit")
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """Where the records lie (empty: the answer is the list), what one is, and whether that was said plainly."""

    selector: str
    record: Shape
    why: str


def find_list(operation: Operation, resolver: Resolver) -> Listed | None:
    """The list that the operation answers, or None where it answers one thing."""
    if operation.answer is None or operation.path.endswith("}"):
        return None
    answer = resolver.shape(operation.answer)
    if answer.type == "array":
        record = resolver.shape(answer.items)
        return Listed("", record, "") if _is_record(record) else None
    lists = _lists_in(answer, "", resolver)
    for name in _WRAPPINGS:
        if name in answer.properties:
            lists += _lists_in(resolver.shape(answer.properties[name]), f"{name}.", resolver)
    return _chosen(operation, answer, lists)


def flat_answer(operation: Operation, resolver: Resolver) -> dict[str, Shape]:
    """Fields of the answer's envelope by dotted path, three levels deep; lists are not looked into."""
    found: dict[str, Shape] = {}
    waiting: list[tuple[str, Any, int]] = [("", operation.answer, 0)]
    while waiting and len(found) < 500:
        before, node, depth = waiting.pop(0)
        for name, raw in resolver.shape(node).properties.items():
            shape = found[before + name] = resolver.shape(raw)
            if shape.type == "object" and depth < 2:
                waiting.append((f"{before}{name}.", raw, depth + 1))
    return found


def _lists_in(shape: Shape, before: str, resolver: Resolver) -> list[tuple[str, str, Shape]]:
    found = []
    for name, raw in shape.properties.items():
        inner = resolver.shape(raw)
        if inner.type == "array" and _is_record(record := resolver.shape(inner.items)):
            found.append((before + name, words(name), record))
    return found


def _chosen(operation: Operation, answer: Shape, lists: list[tuple[str, str, Shape]]) -> Listed | None:
    last = words(operation.path.rsplit("/", 1)[-1])
    for path, name, record in lists:
        if name in {last, singular(last), last + "s"}:
            return Listed(path, record, "called as the address is")
    for usual in _USUAL:
        for path, name, record in lists:
            if name == usual:
                return Listed(path, record, "called as lists usually are")
    paged = any(words(name).startswith(_PAGED) for name in answer.properties)
    if len(lists) == 1 and (paged or len(answer.properties) <= _FEW):
        return Listed(lists[0][0], lists[0][2], "the only list in the answer")
    return None


def _is_record(shape: Shape) -> bool:
    return shape.type == "object" or bool(shape.properties)
