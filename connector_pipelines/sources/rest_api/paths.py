"""Where something is in a JSON value: names joined by dots.

A language of queries (jmespath, jsonpath-ng) would filter and compute, too, and cost 3 to 5 µs a look; a path costs 0.2. What a
stream needs is to find a list, a key, a token; what passes a filter is better asked of the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["every", "find", "put", "without"]

_MISSING: Any = object()


def find(value: Any, path: str, default: Any = None) -> Any:
    """What is at `path`, or `default`. Where the path has a `*`, the first."""
    if isinstance(value, dict) and path in value:
        return value[path]
    return next(every(value, path), default) if "." in path or path == "*" else default


def every(value: Any, path: str) -> Iterator[Any]:
    """All that is at `path`: more than one only where it has a `*`."""
    return _every(value, _steps(path), 0)


def put(value: Any, path: str, new: Any) -> None:
    """Set what is at `path`. Objects on the way are made; a number names an element of a list that is there.

    Raises:
        ValueError: There is no such place.
    """
    *way, last = path.split(".")
    for step in way:
        value = value.setdefault(step, {}) if isinstance(value, dict) else _element(value, step, path)
    if isinstance(value, dict):
        value[last] = new
    else:
        _element(value, last, path)
        value[int(last)] = new


def without(record: Mapping[str, Any], paths: tuple[str, ...]) -> Mapping[str, Any]:
    """The record without what is at `paths`; itself where nothing is."""
    for path in paths:
        record = _without(record, path)
    return record


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    """Each step with all that is left from there: a name may hold dots itself."""
    parts = path.split(".")
    return tuple((part, ".".join(parts[at:])) for at, part in enumerate(parts))


def _every(value: Any, steps: tuple[tuple[str, str], ...], at: int) -> Iterator[Any]:
    if at == len(steps):
        yield value
        return
    step, rest = steps[at]
    if isinstance(value, dict):
        if rest in value:
            yield value[rest]
        elif step in value:
            yield from _every(value[step], steps, at + 1)
    elif isinstance(value, list):
        if step == "*":
            for element in value:
                yield from _every(element, steps, at + 1)
        elif step.isdecimal() and int(step) < len(value):
            yield from _every(value[int(step)], steps, at + 1)


def _element(value: Any, step: str, path: str) -> Any:
    if not isinstance(value, list) or not step.isdecimal() or int(step) >= len(value):
        raise ValueError(f"there is no place {path!r} in the body of the request")
    return value[int(step)]


def _without(record: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    if path in record:
        return {name: value for name, value in record.items() if name != path}
    step, dot, rest = path.partition(".")
    inner = record.get(step, _MISSING) if dot else _MISSING
    if isinstance(inner, dict):
        return {**record, step: _without(inner, rest)}
    if isinstance(inner, list) and rest.startswith("*."):
        return {**record, step: [_without(one, rest[2:]) if isinstance(one, dict) else one for one in inner]}
    return record
