"""What does a web page say to its reader?"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from connector_pipelines.core.errors import ResourceError
from connector_pipelines.core.types import Facts, Finding, InputFile
from connector_pipelines.extractors._bounds import bounded, size_text
from connector_pipelines.extractors._encoding import Encoding, detect_encoding
from connector_pipelines.extractors._html import read_page

__all__ = ["Extractor"]

_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_META_WITHIN = 64 * 1024  # HTML says 1,024 bytes; pages with a long preamble exist


class Extractor:
    """One section for each heading; navigation, scripts and styles are left out."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"text/html": (".html", ".htm"), "application/xhtml+xml": (".xhtml",)}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from bounded(_extract(file), file.max_text_bytes)


def _extract(file: InputFile) -> Iterator[Finding]:
    most = file.max_text_bytes * 4
    if file.path.stat().st_size > most:
        raise ResourceError(f"a page of more than {size_text(most)}", limit=f"text={size_text(file.max_text_bytes)}")
    encoding = _encoding(file.path)
    title, sections = read_page(file.path.read_bytes().decode(encoding.name, "replace").lstrip("\ufeff"))
    warnings = (encoding.warning,) if encoding.warning else ()
    yield Facts(title=title or None, details={"encoding": encoding.name}, warnings=warnings)
    yield from sections


def _encoding(path: Path) -> Encoding:
    found = detect_encoding(path, path.stat().st_size)
    if not found.warning:
        return found
    with path.open("rb") as stream:
        meta = _META.search(stream.read(_META_WITHIN))
    return Encoding(meta[1].decode("ascii")) if meta and _is_usable(meta[1].decode("ascii")) else found


def _is_usable(name: str) -> bool:
    try:
        b"x".decode(name, "replace")  # refuses codecs such as hex, which are none of text
    except (LookupError, ValueError):
        return False
    return not codecs.lookup(name).name.startswith(("utf-16", "utf-32"))  # these could not have spelt the tag
