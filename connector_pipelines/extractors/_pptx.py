"""What do the slides of a presentation say?

python-pptx opens the package and knows the order of the slides; the text is gathered from the XML here, so that groups,
tables and shapes it does not model are all read alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._xml import Element, attribute, local_name

__all__ = ["read_slides"]

_LEFT_OUT = {"Fallback", "rPr", "pPr", "endParaRPr"}
_TITLES = {"title", "ctrTitle"}
_OWN_PLACEHOLDERS = {"sldNum", "dt", "ftr", "hdr"}


def read_slides(file: InputFile) -> Iterator[Finding]:
    """Each slide, hidden ones too, with its notes."""
    presentation = _open(file)
    count = 0
    for count, slide in enumerate(presentation.slides, 1):
        shapes = list(_shapes(slide.element))
        title = next((_shape_text(shape) for shape in shapes if _placeholder(shape) in _TITLES), "")
        notes = [f"Notes: {text}" for text in _notes(slide)]
        texts = [text for shape in shapes if (text := _shape_text(shape))]
        yield Section("\n".join([*texts, *notes]), Place(slide=count, heading=" ".join(title.split())[:120] or None))
    properties = presentation.core_properties
    details: dict[str, str | int] = {"slides": count, "author": properties.author}
    yield Facts(title=properties.title or None, details={key: value for key, value in details.items() if value != ""})


def _open(file: InputFile) -> Any:
    import zipfile

    from lxml.etree import LxmlError
    from pptx.exc import PythonPptxError
    from pptx.package import Package

    try:
        # Not pptx.Presentation(): it refuses slide shows and templates, which are the same inside.
        return Package.open(str(file.path)).presentation_part.presentation
    except (PythonPptxError, LxmlError, zipfile.BadZipFile, LookupError, ValueError, AttributeError, OSError) as error:
        raise Malformed(f"not a readable presentation: {error}") from error


def _shapes(parent: Element) -> Iterator[Element]:
    """Shapes and tables in reading order, groups opened."""
    for child in parent:
        name = local_name(child)
        if name in {"sp", "graphicFrame", "cxnSp"}:
            if _placeholder(child) not in _OWN_PLACEHOLDERS:
                yield child
        elif name not in _LEFT_OUT:
            yield from _shapes(child)


def _placeholder(shape: Element) -> str:
    """The placeholder's type: `body` where it does not say, empty for a shape that is none."""
    found = next((element for element in shape.iter("{*}ph")), None)
    return "" if found is None else attribute(found, "type") or "body"


def _notes(slide: Any) -> Iterator[str]:
    if not slide.has_notes_slide:
        return
    for shape in _shapes(slide.notes_slide.element):
        text = _shape_text(shape)
        if text and _placeholder(shape) == "body":
            yield text


def _shape_text(shape: Element) -> str:
    return "\n".join(line for line in _lines(shape) if line.strip())


def _lines(element: Element) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name == "p":
            yield "".join(_runs(child))
        elif name == "tr":
            yield " | ".join(" ".join(_shape_text(cell).split()) for cell in child.iter("{*}tc"))
        elif name not in _LEFT_OUT:
            yield from _lines(child)


def _runs(paragraph: Element) -> Iterator[str]:
    for child in paragraph:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name == "br":
            yield "\n"
        elif name not in _LEFT_OUT:
            yield from _runs(child)
