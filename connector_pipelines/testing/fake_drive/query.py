"""The language of the parameter `q` of files.list (https://developers.google.com/workspace/drive/api/guides/ref-search-terms)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from connector_pipelines.testing.fake_drive.errors import bad_parameter
from connector_pipelines.testing.fake_drive.items import Item
from connector_pipelines.testing.fake_drive.stamps import read_instant
from connector_pipelines.testing.fake_drive.viewer import Viewer

__all__ = ["Query", "parse_query"]

Test = Callable[[Viewer, Item], bool]

_TOKEN: Final = re.compile(r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z0-9_]+)|(?P<sign><=|>=|!=|[=<>()]))\s*")
_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TIMES: Final = {"modifiedTime": "modified_at", "createdTime": "created_at"}
_BOOLEANS: Final[dict[str, Test]] = {
    "trashed": lambda viewer, item: viewer.state.access.is_trashed(item),
    "sharedWithMe": lambda viewer, item: viewer.is_shared_with_me(item),
    "starred": lambda _, __: False,
}
_PEOPLE: Final = {"owners": "owner", "writers": "writer", "readers": "reader"}


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for.

    Attributes:
        test: Whether an item is it.
        parents: If not None, only children of these can be: ``root`` stands for the user's own.
        shared_only: Only what was shared with the user can be.
    """

    test: Test
    parents: frozenset[str] | None = None
    shared_only: bool = False


def parse_query(text: str) -> Query:
    """Raises `DriveError`: 400 as the real one's, which does not say what is wrong."""
    if not text.strip():
        return Query(lambda _, __: True)
    return _Parser(_tokens(text)).whole()


class _Parser:
    """By recursive descent: `or` binds weakest, then `and`, then `not`."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def whole(self) -> Query:
        found = self._either()
        if self._place != len(self._tokens):
            _refuse()
        return found

    def _either(self) -> Query:
        found = self._both()
        while self._take_word("or"):
            found = _or(found, self._both())
        return found

    def _both(self) -> Query:
        found = self._single()
        while self._take_word("and"):
            found = _and(found, self._single())
        return found

    def _single(self) -> Query:
        if self._take_word("not"):
            inner = self._single().test
            return Query(lambda viewer, item: not inner(viewer, item))
        kind, value = self._next()
        if (kind, value) == ("sign", "("):
            found = self._either()
            if self._next() != ("sign", ")"):
                _refuse()
            return found
        return self._contained(value) if kind == "text" else self._term(kind, value)

    def _contained(self, value: str) -> Query:
        """``'x' in parents`` and its kind."""
        kind, where = self._next(), self._next()[1]
        if kind != ("word", "in"):
            _refuse()
        if where == "parents":
            return Query(lambda viewer, item: viewer.is_in(item, value), frozenset({value}))
        if where not in _PEOPLE:
            _refuse()
        role = _PEOPLE[where]
        return Query(lambda viewer, item: viewer.has_role(item, value, role))

    def _term(self, kind: str, name: str) -> Query:
        if kind != "word":
            _refuse()
        at_end = self._place >= len(self._tokens) or (
            self._tokens[self._place][0] == "word" and self._tokens[self._place][1] in {"and", "or"}
        )
        if name in _BOOLEANS and (at_end or self._tokens[self._place] == ("sign", ")")):
            return self._boolean(name, "=", "true")
        comparison, (value_kind, value) = self._next()[1], self._next()
        if name in _BOOLEANS and value_kind == "word":
            return self._boolean(name, comparison, value)
        if value_kind != "text":
            _refuse()
        return Query(_comparison(name, comparison, value))

    def _boolean(self, name: str, comparison: str, value: str) -> Query:
        if comparison not in {"=", "!="} or value.lower() not in {"true", "false"}:
            _refuse()
        test, wanted = _BOOLEANS[name], (value.lower() == "true") == (comparison == "=")
        return Query(lambda viewer, item: test(viewer, item) == wanted, shared_only=name == "sharedWithMe" and wanted)

    def _take_word(self, word: str) -> bool:
        if self._place < len(self._tokens) and self._tokens[self._place] == ("word", word):
            self._place += 1
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            _refuse()
        self._place += 1
        return self._tokens[self._place - 1]


def _comparison(name: str, sign: str, value: str) -> Test:
    maker = _MAKERS.get(name)
    return maker(name, sign, value) if maker else _refuse()


def _by_time(name: str, sign: str, value: str) -> Test:
    attribute, compare = _TIMES[name], _COMPARE.get(sign)
    try:
        at = read_instant(value) // 1000
    except ValueError:
        _refuse()
    return (lambda _, item: bool(compare(getattr(item, attribute) // 1000, at))) if compare else _refuse()


def _by_type(_: str, sign: str, value: str) -> Test:
    tests: dict[str, Test] = {
        "=": lambda _, item: item.mime_type == value,
        "!=": lambda _, item: item.mime_type != value,
        "contains": lambda _, item: value in item.mime_type,
    }
    return tests.get(sign) or _refuse()


def _by_name(_: str, sign: str, value: str) -> Test:
    # By the beginnings of words: ``name contains 'World'`` does not find HelloWorld.
    beginning = re.compile(r"(?<![^\W_])" + re.escape(value), re.IGNORECASE)
    tests: dict[str, Test] = {
        "=": lambda _, item: item.name == value,
        "!=": lambda _, item: item.name != value,
        "contains": lambda _, item: beginning.search(item.name) is not None,
    }
    return tests.get(sign) or _refuse()


_MAKERS: Final[dict[str, Callable[[str, str, str], Test]]] = {
    "modifiedTime": _by_time,
    "createdTime": _by_time,
    "mimeType": _by_type,
    "name": _by_name,
}


def _and(first: Query, second: Query) -> Query:
    left, right = first.test, second.test
    both = first.parents & second.parents if first.parents is not None and second.parents is not None else first.parents or second.parents
    return Query(lambda viewer, item: left(viewer, item) and right(viewer, item), both, first.shared_only or second.shared_only)


def _or(first: Query, second: Query) -> Query:
    left, right = first.test, second.test
    both = first.parents | second.parents if first.parents is not None and second.parents is not None else None
    return Query(lambda viewer, item: left(viewer, item) or right(viewer, item), both, first.shared_only and second.shared_only)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            _refuse()
        kind = match.lastgroup or ""
        value = match.group(kind)
        found.append((kind, re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "text" else value))
        place = match.end()
    return found


def _refuse() -> NoReturn:
    raise bad_parameter("q")
