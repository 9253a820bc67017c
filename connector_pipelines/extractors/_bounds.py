"""How is the text of an extractor kept clean and within its limit?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from connector_pipelines.core.errors import ResourceError
from connector_pipelines.core.types import Facts, Finding, Part, Place, Section

__all__ = ["bounded", "clean", "size_text"]

# Postgres refuses U+0000 in text, and a lone surrogate (pdfium and pypdf make them) has no UTF-8 form.
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def bounded(items: Iterable[Finding], max_text_bytes: int) -> Iterator[Finding]:
    """Pass `items` on with clean text, without blank sections.

    Raises:
        ResourceError: The sections so far exceed `max_text_bytes` of UTF-8.
    """
    total = 0
    for item in items:
        if isinstance(item, Facts):
            yield _clean_facts(item)
            continue
        if not isinstance(item, Section):
            yield replace(item, name=clean(item.name)) if isinstance(item, Part) else item
            continue
        text = clean(item.text).strip("\n")
        if not text or text.isspace():
            continue
        total += len(text) if text.isascii() else len(text.encode())
        if total > max_text_bytes:
            limit = f"text={size_text(max_text_bytes)}"
            raise ResourceError(f"more text than {size_text(max_text_bytes)}", limit=limit, advice="raise max_text_bytes of the endpoint")
        yield Section(text, _clean_place(item.place))


def clean(text: str) -> str:
    """`text` with line ends as ``\\n`` and without characters that stores refuse."""
    if text.replace("\n", " ").isprintable():
        return text  # a fifth of the price of looking for each kind, and nearly always so; what is unwanted is never printable
    return _SURROGATE.sub("\ufffd", _UNWANTED.sub("", _LINE_END.sub("\n", text)))


def size_text(size: float) -> str:
    """`size` bytes for people, as in ``2 GiB``."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.4g} {_UNITS[unit]}"


def _clean_place(place: Place) -> Place:
    heading, sheet = place.heading, place.sheet
    if not heading and not sheet:
        return place
    return replace(place, heading=clean(heading) if heading else None, sheet=clean(sheet) if sheet else None)


def _clean_facts(facts: Facts) -> Facts:
    details = {key: clean(value) if isinstance(value, str) else value for key, value in facts.details.items()}
    title = " ".join(clean(facts.title).split()) if facts.title else ""
    return Facts(title=title or None, details=details, warnings=tuple(clean(w) for w in facts.warnings))
