"""Names: words of what others call things, slugs of ours."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["env_name", "placeholder", "singular", "slug", "words"]

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")


def words(name: str) -> str:
    """``lastModifiedTime``, ``last-modified-time`` and ``filter[lastModifiedTime]`` in snake case."""
    return _NOT_A_WORD.sub("_", _HUMP.sub("_", name).lower()).strip("_")


def slug(name: str, default: str) -> str:
    """At most 50 characters, so that something can be put after it."""
    found = words(name).lstrip("0123456789_")[:50].rstrip("_")
    return found or default


def placeholder(name: str) -> str:
    return slug(name, "id")


def singular(name: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if name.endswith(ending) and len(name) > len(ending) and not name.endswith("ss"):
            return name[: -len(ending)] + instead
    return name


def env_name(*parts: str) -> str:
    return "_".join(slug(part, "api") for part in parts).upper()
