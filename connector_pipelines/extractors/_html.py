"""What does the tree of a web page say, heading by heading?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector_pipelines.core.types import Place, Section
from connector_pipelines.extractors._headings import Headings

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["read_page"]

_NOISE = {"script", "style", "template", "noscript", "nav", "svg", "head", "iframe", "object", "select", "-comment"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details", "div", "dl", "dt", "figcaption", "figure",
    "footer", "form", "header", "hr", "li", "main", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SPACE = re.compile(r"[ \t\r\n\f]+")
_SECTION_CHARS = 256 * 1024


def read_page(text: str) -> tuple[str, Iterator[Section]]:
    """The title, or empty, and a section for each heading."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    return title.text() if title else "", _sections(tree.body) if tree.body else iter(())


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
