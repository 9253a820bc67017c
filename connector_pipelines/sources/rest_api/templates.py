"""Addresses and parameters with placeholders: `{name}` and nothing else, so that no text of a record is ever a program or a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

__all__ = ["fill", "fill_path", "placeholders"]

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}", re.IGNORECASE)


def placeholders(template: Any) -> set[str]:
    """Names in a text, or in all texts of a JSON value."""
    if isinstance(template, str):
        return set(_PLACEHOLDER.findall(template))
    if isinstance(template, Mapping):
        template = list(template.values())
    return set().union(*map(placeholders, template)) if isinstance(template, (list, tuple)) else set()


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders replaced, those that `values` has. A text that is nothing but one keeps the value's type."""
    if isinstance(template, str):
        whole = _PLACEHOLDER.fullmatch(template)
        if whole and whole[1] in values:
            return values[whole[1]]
        return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), template)
    if isinstance(template, Mapping):
        return {name: fill(value, values) for name, value in template.items()}
    return [fill(value, values) for value in template] if isinstance(template, (list, tuple)) else template


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """An address with its placeholders replaced. A value is one segment, whatever it holds: `a/../b` names no other address.

    Raises:
        KeyError: `values` lacks one.
    """
    return _PLACEHOLDER.sub(lambda found: _segment(values[found[1]]), template)


def _segment(value: Any) -> str:
    # A segment of dots would be taken away before it is sent (RFC 3986, 5.2.4), escaped or not.
    return quote(str(value), safe="").replace(".", "%2E") if str(value) in {".", ".."} else quote(str(value), safe="")
