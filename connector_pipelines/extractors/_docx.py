"""What does a Word document say, in the order of its body?

python-docx opens the package; the text is gathered from the XML here, because its own reading leaves out what stands in
content controls, text boxes and insertions, and takes quadratic time over large tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._headings import Headings
from connector_pipelines.extractors._xml import Element, attribute, children, local_name, parse

if TYPE_CHECKING:
    from docx.opc.package import OpcPackage
    from docx.opc.part import Part

__all__ = ["read_document"]

_SECTION_CHARS = 256 * 1024
_ASIDE = {"header": "Header", "footer": "Footer", "footnotes": "Footnotes", "endnotes": "Endnotes", "comments": "Comments"}
# Fallback repeats what its Choice says, for programs of before 2010; deleted text is no longer there.
_LEFT_OUT = {"Fallback", "del", "moveFrom", "rPr", "pPr", "instrText", "sectPr", "tblPr", "tcPr", "trPr"}
_SPACES = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)


def read_document(file: InputFile) -> Iterator[Finding]:
    """The body under its headings, then headers, footers, notes and comments."""
    package = _open(file)
    main = _main_part(package)
    body = next(children(parse(main.blob), "body"), None)
    if body is None:
        raise Malformed("the document has no body")
    yield from _sections(body, _heading_levels(main))
    for relation in main.rels.values():
        title = _ASIDE.get(relation.reltype.rsplit("/", 1)[-1])
        if title and not relation.is_external:
            yield Section("\n".join(_blocks_text(parse(relation.target_part.blob))), Place(heading=title))
    yield _facts(package)


def _open(file: InputFile) -> OpcPackage:
    import zipfile

    from docx.opc.exceptions import OpcError
    from docx.opc.package import OpcPackage
    from lxml.etree import LxmlError

    try:
        return OpcPackage.open(str(file.path))
    except (OpcError, LxmlError, zipfile.BadZipFile, LookupError, ValueError, AttributeError, OSError) as error:
        raise Malformed(f"not a readable Word document: {error}") from error


def _main_part(package: OpcPackage) -> Part:
    for relation in package.rels.values():
        if relation.reltype.endswith("/officeDocument") and not relation.is_external:
            main: Part = relation.target_part
            return main
    raise Malformed("not a Word document: its package names no main part")


def _heading_levels(main: Part) -> dict[str, int]:
    """Style id → level. Word writes the name of a heading style in English whatever its language."""
    levels: dict[str, int] = {}
    for relation in main.rels.values():
        if not relation.reltype.endswith("/styles") or relation.is_external:
            continue
        for style in children(parse(relation.target_part.blob), "style"):
            name = next((attribute(n, "val") for n in children(style, "name")), "")
            if found := _HEADING.fullmatch(name):
                levels[attribute(style, "styleId")] = int(found[1])
    return levels


def _sections(body: Element, levels: dict[str, int]) -> Iterator[Section]:
    headings, texts, size = Headings(), list[str](), 0
    for block in _blocks(body):
        text = _text(block)
        level = _level(block, levels) if text.strip() else 0
        if level or size > _SECTION_CHARS:
            yield Section("\n".join(texts), Place(heading=headings.path))
            texts, size = [], 0
        if level:
            headings.enter(level, text)
        texts.append(text)
        size += len(text)
    yield Section("\n".join(texts), Place(heading=headings.path))


def _blocks(parent: Element) -> Iterator[Element]:
    """Paragraphs and table rows below `parent`, through whatever wraps them."""
    for child in parent:
        name = local_name(child)
        if name in {"p", "tr"}:
            yield child
        elif name not in _LEFT_OUT:
            yield from _blocks(child)


def _blocks_text(root: Element) -> Iterator[str]:
    return (text for block in _blocks(root) if (text := _text(block)).strip())


def _text(block: Element) -> str:
    if local_name(block) == "tr":
        cells = (" ".join(" ".join(_blocks_text(cell)).split()) for cell in _cells(block))
        return " | ".join(cell for cell in cells if cell)
    return "".join(_runs(block))


def _cells(row: Element) -> Iterator[Element]:
    for child in row:
        name = local_name(child)
        if name == "tc":
            yield child
        elif name not in _LEFT_OUT:
            yield from _cells(child)


def _runs(element: Element) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name in _SPACES:
            yield _SPACES[name]
        elif name == "txbxContent":
            yield "\n" + "\n".join(_blocks_text(child)) + "\n"
        elif name not in _LEFT_OUT:
            yield from _runs(child)


def _level(block: Element, levels: dict[str, int]) -> int:
    """The level of a heading, or 0. Read from the style, or the paragraph's own outline level, which counts from 0."""
    for properties in children(block, "pPr"):
        for child in properties:
            if local_name(child) == "pStyle" and attribute(child, "val") in levels:
                return levels[attribute(child, "val")]
            if local_name(child) == "outlineLvl" and attribute(child, "val") in "012345678":
                return int(attribute(child, "val") or -1) + 1
    return 0


def _facts(package: OpcPackage) -> Facts:
    properties = package.core_properties
    details = {"author": properties.author, "created": properties.created.date().isoformat() if properties.created else ""}
    return Facts(title=properties.title or None, details={key: value for key, value in details.items() if value})
