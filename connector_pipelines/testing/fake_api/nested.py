"""Dotted paths into JSON objects."""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["put_at", "steps"]

_DOT: Final = re.compile(r"(?<!\\)\.")


def steps(path: str) -> tuple[str, ...]:
    """``a.b`` is two steps, ``a\\.b`` is one."""
    return tuple(part.replace("\\.", ".") for part in _DOT.split(path)) if path else ()


def put_at(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set the value, making what lies on the way."""
    *way, last = path
    for step in way:
        target = target.setdefault(step, {})
    target[last] = value
