"""What a YAML text holds, and on which line each part of it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import MappingNode, Node

__all__ = ["MarkedYaml", "Mistake", "Unreadable", "Where", "parse"]

Where = tuple[str | int, ...]
"""Keys and list positions from the top of the document to one of its parts."""

# A text of a few lines can alias itself into billions of values.
_MOST_NODES = 200_000
_DEEPEST = 40
_UNCLOSED = "; a quote or bracket is not closed"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Mistake:
    """`line` counts from 1."""

    line: int
    where: Where
    text: str


class Unreadable(Exception):
    """The text is not YAML, or not of a kind we read."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.mistake = Mistake(line, (), text)


@dataclass(frozen=True, slots=True)
class MarkedYaml:
    """A document.

    Attributes:
        data: Plain dicts, lists and scalars; None for an empty text.
        lines: Of each key's name and each list item.
        duplicates: Keys that stand twice in one mapping; `data` has the first.
    """

    data: Any
    lines: dict[Where, int]
    duplicates: tuple[Mistake, ...]

    def line(self, where: Where) -> int:
        """The line of `where`, or where it is not there, of the nearest part around it."""
        return next((self.lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in self.lines), 1)


def parse(text: str) -> MarkedYaml:
    """Read one YAML 1.2 document. Anchors and merge keys work; a tag that makes anything but plain data does not.

    Raises:
        Unreadable: With the line and what to do about it.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _constructor()
    yaml.allow_duplicate_keys = True  # reported by ourselves, with the others and without the values
    lines: dict[Where, int] = {}
    try:
        root = yaml.compose(text)
        if root is None:
            return MarkedYaml(None, lines, ())
        duplicates = tuple(_mark(root, (), lines))
        return MarkedYaml(yaml.constructor.construct_document(root), lines, duplicates)
    except YAMLError as error:
        raise _unreadable(error, text) from error
    except (ValueError, TypeError) as error:
        raise Unreadable(1, "is not readable as YAML: a value is not what its tag (!!int, !!float …) says") from error


def _constructor() -> type[SafeConstructor]:
    from ruamel.yaml.constructor import SafeConstructor

    class Constructor(SafeConstructor):
        pass

    # A date stays text: it is the models that know where one belongs, and that say so when it is none.
    Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
    return Constructor


def _mark(node: Node, where: Where, lines: dict[Where, int]) -> Iterator[Mistake]:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    if len(where) > _DEEPEST or len(lines) > _MOST_NODES:
        raise Unreadable(_line(node), f"nests or repeats itself too far: more than {_DEEPEST} levels, or {_MOST_NODES:,} values")
    if isinstance(node, MappingNode):
        yield from _mark_mapping(node, where, lines)
    elif isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            lines[*where, position] = _line(item)
            yield from _mark(item, (*where, position), lines)


def _mark_mapping(node: MappingNode, where: Where, lines: dict[Where, int]) -> Iterator[Mistake]:
    # Merged keys first: what the mapping says itself comes after them and wins.
    for key, value in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
        if key.tag == _MERGE:
            for merged in value.value if isinstance(value.value, list) and value.id == "sequence" else [value]:
                yield from _mark(merged, where, lines)
    seen: dict[str, int] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            continue
        name = str(key.value)
        if name in seen:
            yield Mistake(_line(key), (*where, name), f"stands here twice, first on line {seen[name]}; keep one")
            continue
        lines[*where, name] = seen[name] = _line(key)
        yield from _mark(value, (*where, name), lines)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _unreadable(error: YAMLError, text: str) -> Unreadable:
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Unreadable(line, f"holds a character that YAML does not allow, U+{ord(text[error.position]):04X}; remove it")
    if not isinstance(error, MarkedYAMLError):
        return Unreadable(1, "is not readable as YAML")
    problem = re.sub(r"\s+", " ", str(error.problem or error.context))
    # What is not closed is noticed at the end of the file, and mended where it was opened.
    marks = (error.context_mark, error.problem_mark) if _fix(problem) == _UNCLOSED else (error.problem_mark, error.context_mark)
    mark = marks[0] or marks[1]
    return Unreadable(mark.line + 1 if mark else 1, f"is not readable as YAML: {problem}{_fix(problem)}")


def _fix(problem: str) -> str:
    fixes = {
        "'\\t'": "; indent with spaces, YAML allows no tabs",
        "another document": "; keep one document and remove the --- between them",
        "mapping values are not allowed": "; put quotes around a value that holds a colon, and line up the keys",
        "constructor for the tag": "; remove the tag, only plain values are read",
        "undefined alias": "; define it with & above, or put quotes around a value that begins with *",
        "'@'": "; put quotes around the value",
        "'`'": "; put quotes around the value",
        "'%'": "; put quotes around the value",
        "unexpected end of stream": _UNCLOSED,
        "expected ',' or": _UNCLOSED,
        "<stream end>": _UNCLOSED,
        "<block end>": "; line it up with the lines it belongs to",
        "could not find expected ':'": "; a key is followed by a colon and a space",
    }
    return next((fix for sign, fix in fixes.items() if sign in problem), "")
