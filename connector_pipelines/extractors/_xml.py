"""How is XML from outside read without harm? Nothing is fetched, and entities are expanded within libxml2's bounds or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from connector_pipelines.core.errors import Malformed, ResourceError

__all__ = ["Element", "Event", "attribute", "children", "damage", "events", "local_name", "parse"]

Element: TypeAlias = Any
"""An lxml element; lxml ships no types."""

_MOST_DEPTH = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is start, end or text; `name` the local name of the element, `value` the text, in pieces as it comes."""

    kind: Literal["start", "end", "text"]
    name: str = ""
    namespace: str = ""
    value: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def events(blocks: Iterable[bytes], *, mend: bool = False) -> Iterator[Event]:
    """What is in the document made of `blocks`, without anything kept of it; attributes by local name.

    Args:
        mend: Go on after an error, as far as sense can be made of it. How much was lost, nobody says: see `damage`.

    Raises:
        Malformed: It is not well-formed; what came before was told.
        ResourceError: It is nested too deeply, or swells by its entities.
    """
    target = _Target()
    parser = _parser(target, mend=mend)
    yield from _fed(parser, target, blocks)


def damage(blocks: Iterable[bytes]) -> str:
    """Why the document made of `blocks` is not well-formed, or empty.

    Raises:
        ResourceError: It swells by its entities.
    """
    target = _Silent()
    try:
        for _ in _fed(_parser(target, mend=False), target, blocks):
            pass
    except Malformed as error:
        return str(error)
    return ""


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


class _Silent:
    """Hears nothing: the parser then calls nobody."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def close(self) -> None: ...


class _Target(_Silent):
    """Hears the parser, which then builds no tree."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ResourceError(f"elements nested more than {_MOST_DEPTH} deep", limit=f"depth={_MOST_DEPTH}")
        namespace, _, name = tag.rpartition("}")
        local = {key.rpartition("}")[2]: value for key, value in attributes.items()}
        self.heard.append(Event("start", name, namespace[1:], attributes=local))

    def end(self, tag: str) -> None:
        self._depth -= 1
        namespace, _, name = tag.rpartition("}")
        self.heard.append(Event("end", name, namespace[1:]))

    def data(self, text: str) -> None:
        self.heard.append(Event("text", value=text))


def _parser(target: _Silent, *, mend: bool) -> Any:
    from lxml import etree

    # "internal": entities declared in the document itself, which libxml2 stops from swelling; those from outside are not there.
    return etree.XMLParser(target=target, resolve_entities="internal", no_network=True, load_dtd=False, huge_tree=False, recover=mend)


def _fed(parser: Any, target: _Silent, blocks: Iterable[bytes]) -> Iterator[Event]:
    from lxml import etree

    try:
        for block in blocks:
            parser.feed(block)
            yield from target.heard
            target.heard.clear()
        parser.close()
    except etree.XMLSyntaxError as error:
        yield from target.heard
        if "amplification" in str(error):
            raise ResourceError("it swells by its entities", limit="entity amplification") from error
        raise Malformed(f"not well-formed XML: {str(error).partition(' (<string>')[0]}") from error
    yield from target.heard
