"""A fake API and a source that reads it, described for each test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from connector_pipelines.core.http import Http, HttpResponse
from connector_pipelines.core.types import START, ChangePage, Cursor, Upserted
from connector_pipelines.sources.rest_api import Config, Source
from connector_pipelines.testing.fake_api import FakeApi, StreamShape
from connector_pipelines.testing.source_suite import plain_tools

CONTACTS: dict[str, Any] = {"name": "contacts", "path": "contacts", "record_selector": "data"}
BY_TOKEN: dict[str, Any] = {"type": "cursor", "path": "paging.next.after", "parameter": "after", "size": 2, "size_parameter": "limit"}
SINCE: dict[str, Any] = {"field": "updated_at", "parameter": "updated_since", "look_back": "0s"}


@dataclass(slots=True)
class Told:
    """All that one call of `changes` said."""

    pages: list[ChangePage] = field(default_factory=list)

    @property
    def changes(self) -> list[Any]:
        return [change for page in self.pages for change in page.changes]

    @property
    def ids(self) -> list[str]:
        return [change.ref.id for change in self.changes if isinstance(change, Upserted)]

    @property
    def fields(self) -> list[dict[str, Any]]:
        return [json.loads(change.content) for change in self.changes if isinstance(change, Upserted) and change.content is not None]

    @property
    def others(self) -> list[Any]:
        """What is no record and no file: deletions, and what could not be told."""
        return [change for change in self.changes if not isinstance(change, Upserted)]

    @property
    def is_snapshot(self) -> bool:
        return self.pages[-1].snapshot

    @property
    def cursor(self) -> Cursor:
        cursor = self.pages[-1].cursor
        assert cursor is not None
        return cursor


class Reader:
    """Makes sources over one fake API."""

    def __init__(self, api: FakeApi, opened: ExitStack) -> None:
        self.api, self._opened = api, opened

    def source(
        self,
        *streams: dict[str, Any],
        elapsed_s: Callable[[], float] = lambda: 0.0,
        after_each: Callable[[], object] = lambda: None,
        kind: type[Source] = Source,
        **settings: Any,
    ) -> Source:
        """`after_each` is called after each answer that is read whole: somebody edits meanwhile."""
        described = {"base_url": self.api.url, "allow_private": True, "page_records": 1, "streams": list(streams), **settings}
        tools = plain_tools()
        meddled = replace(tools, http=lambda options: _Meddled(tools.http(options), after_each))
        source = kind(Config.model_validate(described), meddled, elapsed_s=elapsed_s)
        self._opened.callback(source.close)
        return source

    def scripted(self) -> Scripted:
        return self._opened.enter_context(Scripted())

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of each request for a path, in order."""
        return [dict(entry.params) for entry in self.api.journal.entries() if entry.path == path]


class _Meddled:
    """A client, and somebody who does something after each answer."""

    def __init__(self, http: Http, after_each: Callable[[], object]) -> None:
        self._http, self._after_each = http, after_each

    def request(self, *arguments: Any, **named: Any) -> HttpResponse:
        answer = self._http.request(*arguments, **named)
        self._after_each()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


def told(pages: Iterator[ChangePage]) -> Told:
    return Told(list(pages))


def read(source: Source, cursor: Cursor = START) -> Told:
    return told(source.changes(cursor))


def contacts(api: FakeApi, count: int, **shape: Any) -> list[str]:
    """A stream `contacts` with so many records."""
    api.add(StreamShape(name="contacts", **shape))
    return api.company.put_many("contacts", [{"name": f"Ada {n}"} for n in range(count)])


class Scripted:
    """A server that gives set answers: for what no well-meant fake would say."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name is http.server's
                scripted.asked.append(self.path)
                status, headers, body = scripted.answers.get(self.path, (404, {}, b"{}"))
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def says(self, path: str, body: bytes | str | list[Any] | dict[str, Any], *, status: int = 200, **headers: str) -> None:
        written = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, written)

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
