"""What pydantic found wrong, in the words of somebody who edits `connectors.yaml`: where, what, and the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connector_pipelines.pipeline._marked_yaml import Where
from connector_pipelines.telemetry import masked

__all__ = ["dotted", "explain", "suggestion"]

_SLUG_PATTERN = r"^[a-z][a-z0-9_]{0,59}$"
_LONGEST_VALUE = 60


def explain(error: ValidationError, model: type[BaseModel], data: object) -> Iterator[tuple[Where, str]]:
    """Yield where in `data` each fault lies, and a sentence about it."""
    for fault in error.errors(include_url=False):
        spot = _Spot(data, {model})
        for step in fault["loc"]:
            spot.descend(step, known_absent=fault["type"] == "missing" and step == fault["loc"][-1])
        # Items that are wrong themselves are not counted, so a full list is called too short as well.
        if fault["type"] != "too_short" or not spot.value:
            yield spot.where, _sentence(fault, spot)


def dotted(where: Where) -> str:
    """`connectors[0].endpoints[1].slug`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).removeprefix(".")


def suggestion(name: object, known: Iterable[str]) -> str:
    """`did you mean 'x'? known: x, y`, the first half only where one is close."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names) or 'none'}"


@dataclass(slots=True)
class _Spot:
    """A place in the data, and the models that may stand there (several where it is a union)."""

    value: object
    models: set[type[BaseModel]]
    where: Where = ()
    parents: set[type[BaseModel]] = field(default_factory=set)
    description: str = ""
    tagged: bool = False

    def descend(self, step: str | int, *, known_absent: bool) -> None:
        if self._is_tag(step):
            self.models = {model for model in self.models if step in _tags([model])}
            self.tagged = True
        elif known_absent or self._holds(step):
            self._enter(step)
        # Anything else is one of pydantic's own words for what it tried, such as "[key]".

    def _is_tag(self, step: str | int) -> bool:
        return isinstance(self.value, Mapping) and self.value.get("type") == step and not self.tagged and step in _tags(self.models)

    def _holds(self, step: str | int) -> bool:
        if isinstance(self.value, Mapping):
            return step in self.value
        return isinstance(self.value, list) and isinstance(step, int) and step < len(self.value)

    def _enter(self, step: str | int) -> None:
        fields = [model.model_fields[step] for model in self.models if isinstance(step, str) and step in model.model_fields]
        if isinstance(self.value, Mapping):
            self.value, self.parents = self.value.get(step), self.models
        elif isinstance(self.value, list) and isinstance(step, int):
            self.value = self.value[step]
        if fields:
            self.models = {model for each in fields for model in _models(each.annotation)}
            self.description = next((each.description for each in fields if each.description), "")
        self.where, self.tagged = (*self.where, step), False


def _sentence(fault: ErrorDetails, spot: _Spot) -> str:
    if spot.value is None and fault["type"] not in {"missing", "extra_forbidden"}:
        return "nothing stands after it; write a value, or remove the line for the default"
    kind = "union_tag" if fault["type"].startswith("union_tag") else fault["type"]
    return _SENTENCES.get(kind, _in_general)(fault, spot)


def _missing(_fault: ErrorDetails, spot: _Spot) -> str:
    first = re.split(r"(?<=[.;])\s", spot.description, maxsplit=1)[0].rstrip(".;")
    return f"is missing; add it ({first})" if first else "is missing; add it"


def _unknown(_fault: ErrorDetails, spot: _Spot) -> str:
    return f"unknown field; {suggestion(spot.where[-1], {name for model in spot.parents for name in model.model_fields})}"


def _tag(_fault: ErrorDetails, spot: _Spot) -> str:
    tag = spot.value.get("type") if isinstance(spot.value, Mapping) else None
    says = f"type {tag!r} is unknown" if tag is not None else "says no type, add `type:`"
    return f"{says}; {suggestion(tag or '', _tags(spot.models))}"


def _pattern(fault: ErrorDetails, spot: _Spot) -> str:
    shown = repr(spot.where[-1]) if fault["loc"][-1] == "[key]" else _shown(spot)
    if fault["ctx"]["pattern"] == _SLUG_PATTERN:
        return f"{shown} is not a short name: lower-case letters, digits and underscores, beginning with a letter, 60 at most"
    return f"{shown} does not match {fault['ctx']['pattern']}"


def _in_general(fault: ErrorDetails, spot: _Spot) -> str:
    return f"{re.sub(r'^(Input|String|Value) ', '', fault['msg'])}, not {_shown(spot)}"


def _shape(expected: str) -> Callable[[ErrorDetails, _Spot], str]:
    return lambda _fault, spot: f"{expected}, not {_shown(spot)}"


_LIST = "should be a list, each item on a line that begins with '- '"
_BLOCK = "should be a block of `name: value` lines"
_SENTENCES: dict[str, Callable[[ErrorDetails, _Spot], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "union_tag": _tag,
    "value_error": lambda fault, _spot: fault["msg"].removeprefix("Value error, "),
    "literal_error": lambda fault, spot: f"{_shown(spot)} is not one of {fault['ctx']['expected']}",
    "string_pattern_mismatch": _pattern,
    "too_short": lambda _fault, _spot: "should have one item at least",
    "tuple_type": _shape(_LIST),
    "list_type": _shape(_LIST),
    "model_type": _shape(_BLOCK),
    "model_attributes_type": _shape(_BLOCK),
    "dict_type": _shape(_BLOCK),
    "string_type": _shape("should be text, put quotes around it"),
}


def _shown(spot: _Spot) -> str:
    name = next((step for step in reversed(spot.where) if isinstance(step, str)), "")
    if isinstance(spot.value, Mapping):
        return "a block of `name: value` lines"
    if isinstance(spot.value, list):
        return "a list"
    text = repr(masked(name, spot.value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _models(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    if get_origin(annotation) is Literal:
        return set()
    return {model for part in get_args(annotation) for model in _models(part)}


def _tags(models: Iterable[type[BaseModel]]) -> set[str]:
    fields = (model.model_fields.get("type") for model in models)
    return {tag for each in fields if each and get_origin(each.annotation) is Literal for tag in get_args(each.annotation)}
