"""Schemas of an OpenAPI document with their references followed, one level at a time, so that a circle is no matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

__all__ = ["Resolver", "Shape"]

_MOST_HOPS: Final = 50
_MOST_PARTS: Final = 200
_MOST_PROPERTIES: Final = 2000


@dataclass(slots=True)
class Shape:
    """One level of a schema: what it is, and the schemas of what is in it, unread.

    Attributes:
        type: As JSON Schema has it; empty where it is not said.
        size: What stands as `maximum`, or None.
    """

    type: str = ""
    format: str = ""
    description: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    items: Any = None
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    example: Any = None


class Resolver:
    """Follows references within one document.

    Attributes:
        elsewhere: References that lead out of it, and so nowhere.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.elsewhere: set[str] = set()

    def at(self, node: Any) -> dict[str, Any]:
        """The object itself, or that which its ``$ref`` leads to; empty where there is none."""
        for _ in range(_MOST_HOPS):
            if not isinstance(node, dict):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self._target(reference)
        return {}

    def shape(self, node: Any) -> Shape:
        """One level of the schema; the parts of `allOf` are put together, of alternatives the first that is not null is taken."""
        shape = Shape()
        for part in self._parts(node):
            self._take(shape, part)
        if not shape.type:
            shape.type = "object" if shape.properties else "array" if shape.items is not None else ""
        return shape

    def _parts(self, node: Any) -> Iterator[dict[str, Any]]:
        waiting, seen = [node], set[int]()
        while waiting and len(seen) < _MOST_PARTS:
            part = self.at(waiting.pop())
            if not part or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            waiting += [inner for inner in part.get("allOf") or () if isinstance(part.get("allOf"), list)]
            for name in ("oneOf", "anyOf"):
                several = part.get(name)
                waiting += self._first_of(several) if isinstance(several, list) else []

    def _first_of(self, several: list[Any]) -> list[Any]:
        return [one for one in several[:_MOST_PARTS] if self.at(one).get("type") != "null"][:1]

    def _take(self, shape: Shape, part: Mapping[str, Any]) -> None:
        kinds = part.get("type")
        kind = next((k for k in kinds if k != "null"), "") if isinstance(kinds, list) else kinds
        shape.type = shape.type or (kind if isinstance(kind, str) else "")
        shape.format = shape.format or _text(part.get("format"))
        shape.description = shape.description or _text(part.get("description"))
        shape.items = part.get("items") if shape.items is None else shape.items
        shape.default = part.get("default") if shape.default is None else shape.default
        shape.example = part.get("example") if shape.example is None else shape.example
        shape.minimum = _number(part.get("minimum")) if shape.minimum is None else shape.minimum
        shape.maximum = _number(part.get("maximum")) if shape.maximum is None else shape.maximum
        properties = part.get("properties")
        if isinstance(properties, dict):
            for name, value in list(properties.items())[:_MOST_PROPERTIES]:
                shape.properties.setdefault(str(name), value)

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            self.elsewhere.add(reference)
            return {}
        node: Any = self._document
        for step in reference[2:].split("/"):
            # RFC 6901, 4, inside a fragment.
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
        return node


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else None
