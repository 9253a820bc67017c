"""How is XML from outside read without harm? No entity is expanded, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from connector_pipelines.core.errors import Malformed

__all__ = ["Element", "attribute", "children", "local_name", "parse"]

Element: TypeAlias = Any
"""An lxml element; lxml ships no types."""


def parse(data: bytes) -> Element:
    """The root element.

    Raises:
        Malformed: The bytes are not well-formed XML.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Malformed(f"a part of the file is not well-formed XML: {error}") from error


def local_name(element: Element) -> str:
    """The tag without its namespace (transitional and strict OOXML differ in it); empty for comments and entities."""
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> Iterator[Element]:
    """The direct children of that local name."""
    return (child for child in element if local_name(child) == name)


def attribute(element: Element, name: str) -> str:
    """The value of the attribute of that local name, or empty."""
    return next((str(value) for key, value in element.attrib.items() if str(key).rsplit("}", 1)[-1] == name), "")
