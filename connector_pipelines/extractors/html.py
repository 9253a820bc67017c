"""What does a web page say to its reader?"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from connector_pipelines.core.errors import ResourceError
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._bounds import bounded, size_text
from connector_pipelines.extractors._encoding import Encoding, detect_encoding
from connector_pipelines.extractors._headings import Headings

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["Extractor"]

_META = re.compile(rb"<meta[^>]{0,500}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_META_WITHIN = 64 * 1024  # HTML says 1,024 bytes; pages with a long preamble exist
_NOISE = {"script", "style", "template", "noscript", "nav", "svg", "head", "iframe", "object", "select", "-comment"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details", "div", "dl", "dt", "figcaption", "figure",
    "footer", "form", "header", "hr", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SPACE = re.compile(r"[ \t\r\n\f]+")
_SECTION_CHARS = 256 * 1024


class Extractor:
    """One section for each heading; navigation, scripts and styles are left out."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"text/html": (".html", ".htm"), "application/xhtml+xml": (".xhtml",)}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from bounded(_extract(file), file.max_text_bytes)


def _extract(file: InputFile) -> Iterator[Finding]:
    from selectolax.lexbor import LexborHTMLParser

    most = file.max_text_bytes * 4
    if file.path.stat().st_size > most:
        raise ResourceError(f"a page of more than {size_text(most)}", limit=f"text={size_text(file.max_text_bytes)}")
    encoding = _encoding(file.path)
    tree = LexborHTMLParser(file.path.read_bytes().decode(encoding.name, "replace").lstrip("\ufeff"))
    title = tree.css_first("title")
    warnings = (encoding.warning,) if encoding.warning else ()
    yield Facts(title=title.text() if title else None, details={"encoding": encoding.name}, warnings=warnings)
    if tree.body:
        yield from _sections(tree.body)


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


def _sections(body: LexborNode) -> Iterator[Section]:
    headings, words, size = Headings(), list[str](), 0
    for node, opens in _walk(body):
        level = _HEADINGS.get(node.tag or "")
        if (level and opens) or size > _SECTION_CHARS:
            yield Section(_joined(words), Place(heading=headings.path))
            words, size = [], 0
        word = _word(node, opens=opens)
        words.append(word)
        size += len(word)
        if level and not opens:
            headings.enter(level, "".join(words))
    yield Section(_joined(words), Place(heading=headings.path))


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node at its start (True) and at its end (False), without recursion: pages nest thousands deep."""
    todo: list[tuple[LexborNode, bool]] = [(root, True)]
    while todo:
        node, opens = todo.pop()
        yield node, opens
        if not opens:
            continue
        todo.append((node, False))
        children = []
        child = node.child
        while child is not None:
            if child.tag not in _NOISE:
                children.append(child)
            child = child.next
        todo.extend((child, True) for child in reversed(children))


def _word(node: LexborNode, *, opens: bool) -> str:
    tag = node.tag or ""
    if tag == "-text":
        return _SPACE.sub(" ", node.text(deep=False)) if opens else ""
    if tag in {"td", "th"}:
        return "" if opens else " | "
    if tag == "img" and opens:
        return node.attributes.get("alt") or ""
    return "\n" if tag in _BLOCKS or tag in _HEADINGS else ""


def _joined(words: list[str]) -> str:
    lines = (_SPACE.sub(" ", line).strip(" |") for line in "".join(words).split("\n"))
    return "\n".join(line for line in lines if line)
