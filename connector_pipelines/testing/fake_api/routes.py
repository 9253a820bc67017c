"""From a request to an answer: lists, single records, what was deleted, attached files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from connector_pipelines.testing.fake_api.attachments import answer_file, redirect_to_signed
from connector_pipelines.testing.fake_api.collection import Row, Selection
from connector_pipelines.testing.fake_api.company import Company, StreamState
from connector_pipelines.testing.fake_api.messages import Answer, Refusal, Request
from connector_pipelines.testing.fake_api.nested import put_at, steps
from connector_pipelines.testing.fake_api.paging import Page, page_of
from connector_pipelines.testing.fake_api.shapes import LinkHeader, NextUrl, SinceId, StreamShape
from connector_pipelines.testing.fake_api.stamps import read_stamp

__all__ = ["Routes"]

_HERE: Final = "@records@"
_NAMES: Final = re.compile(r"\\\{(\w+)\\\}")
_READ: Final = frozenset({"GET", "HEAD"})
_TRUE: Final = frozenset({"true", "1", "yes"})


@dataclass(frozen=True, slots=True)
class _Route:
    pattern: re.Pattern[str]
    answer: Callable[[Request, Mapping[str, str]], Answer]
    methods: frozenset[str] = _READ


class Routes:
    """Answers for a company. Paths of streams come first, in the order the streams were added."""

    def __init__(self, company: Company, signed: str) -> None:
        self._company = company
        self._signed = signed
        self._known: tuple[StreamState, ...] = ()
        self._routes: list[_Route] = []

    def answer(self, request: Request) -> Answer:
        """Raises `Refusal`."""
        there = [(route, found) for route in self._current() if (found := route.pattern.fullmatch(request.path))]
        for route, found in there:
            if request.method in route.methods:
                return route.answer(request, found.groupdict())
        if there:
            raise Refusal(405, "not that method", {"Allow": ", ".join(sorted(there[0][0].methods))})
        raise Refusal(404, "no such path")

    def _current(self) -> Sequence[_Route]:
        states = tuple(self._company.streams.values())
        if states != self._known:
            self._routes = [route for state in states for route in self._of(state)] + self._of_files()
            self._known = states
        return self._routes

    def _of(self, state: StreamState) -> list[_Route]:
        shape = state.shape
        methods = _READ if shape.method == "GET" else frozenset({"POST"})
        routes = [_Route(_pattern(shape.at), partial(self._list, state), methods)]
        if shape.tombstone.list_path:
            routes.insert(0, _Route(_pattern(shape.tombstone.list_path), partial(self._deleted, state)))
        if shape.detail:
            routes.append(_Route(_pattern(shape.at + "/{record_id}"), partial(self._one, state)))
        return routes

    def _of_files(self) -> list[_Route]:
        files = self._company.files
        return [
            _Route(_pattern("/files/{file}"), lambda request, found: answer_file(request, files, found["file"])),
            _Route(_pattern("/files/{file}/redirect"), lambda _, found: redirect_to_signed(files, found["file"], self._signed)),
        ]

    def _list(self, state: StreamState, request: Request, found: Mapping[str, str]) -> Answer:
        shape, parent = state.shape, found.get("parent")
        self._check_parent(shape, parent)
        params = request.params if shape.method == "GET" else {**request.params, **_body_params(request)}
        view = state.collection.view(_selection(shape, params, parent))
        page = page_of(view, shape.paginator, shape.quirks, params, state.collection.sequence_of)
        records = b",".join([row.rendered or state.renderer.json_of(row) for row in page.rows])
        return _enveloped(request, shape, page, records)

    def _deleted(self, state: StreamState, request: Request, found: Mapping[str, str]) -> Answer:
        shape = state.shape
        since, until = _bounds(shape, request.params)
        view = state.collection.view(Selection(since=since, until=until, parent=found.get("parent"), deleted=True, order="cursor"))
        page = page_of(view, shape.paginator, shape.quirks, request.params, state.collection.sequence_of)
        records = ",".join(json.dumps(state.renderer.tombstone(row)) for row in page.rows).encode()
        return _enveloped(request, shape, page, records)

    def _one(self, state: StreamState, request: Request, found: Mapping[str, str]) -> Answer:  # noqa: ARG002 - one shape of handler
        shape = state.shape
        self._check_parent(shape, found.get("parent"))
        row = state.collection.get(found["record_id"])
        if row is None or not self._is_shown(shape, row) or ("parent" in found and row.parent != found["parent"]):
            raise Refusal(shape.gone_status, "no such record")
        body: Any = state.renderer.record(row)
        if shape.select_one:
            wrapped: dict[str, Any] = {}
            put_at(wrapped, steps(shape.select_one), body)
            body = wrapped
        return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _is_shown(self, shape: StreamShape, row: Row) -> bool:
        return row.deleted is None or shape.tombstone.shown == "shown"

    def _check_parent(self, shape: StreamShape, parent: str | None) -> None:
        if shape.parent is None:
            return
        above = self._company.streams[shape.parent]
        row = above.collection.get(parent or "")
        if row is None or not self._company.is_there(shape.parent, row):
            raise Refusal(above.shape.gone_status, "no such parent")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_NAMES.sub(r"(?P<\1>[^/]+)", re.escape(path)))


def _selection(shape: StreamShape, params: Mapping[str, str], parent: str | None) -> Selection:
    since, until = _bounds(shape, params)
    tombstone = shape.tombstone
    asked = tombstone.shown == "asked" and params.get(tombstone.param, "").lower() in _TRUE
    deleted: bool | None = None if tombstone.shown == "shown" else False
    if asked:
        deleted = True if tombstone.only else None
    order = "id" if isinstance(shape.paginator, SinceId) else shape.order
    return Selection(since=since, until=until, parent=parent, deleted=deleted, order=order, descending=shape.descending)


def _body_params(request: Request) -> dict[str, str]:
    try:
        return dict(_flat("", json.loads(request.body or b"{}")))
    except ValueError:
        raise Refusal(400, "the body is not JSON") from None


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Scalars of a JSON value by dotted paths; a number names an element of a list."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif value is not None:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(shape: StreamShape, params: Mapping[str, str]) -> tuple[int | None, int | None]:
    if shape.filter is None:
        return None, None
    since, until = (_stamp(params, name) for name in (shape.filter.since, shape.filter.until))
    edge = 0 if shape.filter.inclusive else 1
    return None if since is None else since + edge, None if until is None else until - edge


def _stamp(params: Mapping[str, str], name: str | None) -> int | None:
    if name is None or not params.get(name):
        return None
    try:
        return read_stamp(params[name])
    except ValueError:
        raise Refusal(400, f"{name} is not an instant") from None


def _enveloped(request: Request, shape: StreamShape, page: Page, records: bytes) -> Answer:
    headers = {"Content-Type": "application/json", **page.headers}
    if isinstance(shape.paginator, LinkHeader) and page.next_params is not None:
        headers["Link"] = f'<{_address(request, page.next_params, absolute=True)}>; rel="next"'
    if isinstance(shape.paginator, NextUrl):
        _name_next(request, shape.paginator, page)
    if not shape.select:
        for name, value in page.says.items():
            headers[f"X-{name.replace('_', '-').title()}"] = str(value)
        return Answer(200, b"[" + records + b"]", headers)
    body = json.loads(json.dumps(shape.envelope)) if shape.envelope else {}
    for name, value in page.says.items():
        put_at(body, steps(name), value)
    put_at(body, steps(shape.select), _HERE)
    before, _, after = json.dumps(body).encode().partition(b'"' + _HERE.encode() + b'"')
    return Answer(200, b"".join((before, b"[", records, b"]", after)), headers)


def _name_next(request: Request, paginator: NextUrl, page: Page) -> None:
    if page.next_params is not None:
        page.says[paginator.path] = _address(request, page.next_params, absolute=paginator.absolute)
    elif paginator.end != "absent":
        page.says[paginator.path] = None if paginator.end == "null" else ""


def _address(request: Request, params: Mapping[str, str], *, absolute: bool) -> str:
    return f"{request.base if absolute else ''}{request.path}?{urlencode(params)}"
