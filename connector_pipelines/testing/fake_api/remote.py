"""The fake API as a process of its own, and the same edits from any other process."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from connector_pipelines.testing.fake_api.control import CONTROL
from connector_pipelines.testing.fake_api.faults import Fault
from connector_pipelines.testing.fake_api.journal import Entry, Journal
from connector_pipelines.testing.fake_api.limits import Quota, RateLimit
from connector_pipelines.testing.fake_api.shapes import StreamShape
from connector_pipelines.testing.fake_api.sign_in import SignInModel

__all__ = ["RemoteFakeApi", "fake_api_process"]


class RemoteFakeApi:
    """Methods as those of `FakeApi` and `Company`, by the control URL. Used by several threads and processes at once."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Straight to it: a proxy of the environment knows nothing of loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def add(self, *shapes: StreamShape) -> None:
        for shape in shapes:
            self._do("add", shape=shape.model_dump())

    def put(
        self,
        stream: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - what it is everywhere else
        parent: str | None = None,
        updated_at: datetime | None = None,
    ) -> str:
        at = updated_at.isoformat() if updated_at else None
        return str(self._do("put", stream=stream, fields=fields, id=id, parent=parent, updated_at=at))

    def put_many(self, stream: str, records: Iterable[Mapping[str, Any]], *, parent: str | None = None) -> list[str]:
        return list(self._do("put_many", stream=stream, records=list(records), parent=parent))

    def fill(self, stream: str, count: int, *, parent: str | None = None) -> None:
        self._do("fill", stream=stream, count=count, parent=parent)

    def delete(self, stream: str, id: str) -> None:  # noqa: A002
        self._do("delete", stream=stream, id=id)

    def restore(self, stream: str, id: str) -> None:  # noqa: A002
        self._do("restore", stream=stream, id=id)

    def hard_delete(self, stream: str, id: str) -> None:  # noqa: A002
        self._do("hard_delete", stream=stream, id=id)

    def touch(self, stream: str, id: str) -> None:  # noqa: A002
        self._do("touch", stream=stream, id=id)

    def move(self, stream: str, id: str, parent: str) -> None:  # noqa: A002
        self._do("move", stream=stream, id=id, parent=parent)

    def attach(
        self,
        stream: str,
        id: str,  # noqa: A002
        name: str,
        content: bytes,
        media_type: str = "application/octet-stream",
    ) -> str:
        text = base64.b64encode(content).decode()
        return str(self._do("attach", stream=stream, id=id, name=name, content=text, media_type=media_type))

    def detach(self, stream: str, id: str, name: str) -> None:  # noqa: A002
        self._do("detach", stream=stream, id=id, name=name)

    def truth(self, stream: str) -> dict[str, dict[str, Any]]:
        return dict(self._do("truth", stream=stream))

    def clock(self, *, now: datetime | None = None, step: timedelta | None = None) -> None:
        self._do("clock", now=now.isoformat() if now else None, step_s=None if step is None else step.total_seconds())

    def signs_in(self, *ways: SignInModel) -> None:
        self._do("signs_in", ways=[way.model_dump() for way in ways])

    def limit(self, rate: RateLimit | None = None, quota: Quota | None = None) -> None:
        self._do("limit", rate=rate and rate.model_dump(), quota=quota and quota.model_dump())

    def fault(self, action: Any, **which: Any) -> None:
        self._do("fault", fault=Fault(action=action, **which).model_dump())

    def clear_faults(self) -> None:
        self._do("clear_faults")

    def skew(self, by: timedelta) -> None:
        self._do("skew", seconds=by.total_seconds())

    def journal(self) -> Journal:
        """A copy of it as it is now."""
        return Journal.of(Entry(**entry) for entry in self._do("journal"))

    def clear_journal(self) -> None:
        self._do("clear_journal")

    def _do(self, command: str, **arguments: Any) -> Any:
        asked = urllib.request.Request(  # noqa: S310 - our own address
            self.url + CONTROL + command, json.dumps(arguments).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(asked, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{command}: {json.load(error)['error']['message']}") from None


@contextmanager
def fake_api_process() -> Iterator[RemoteFakeApi]:
    """Run one as a process of its own, until the block ends."""
    command = [sys.executable, "-m", "connector_pipelines.testing.fake_api"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"the fake API did not start: exit code {process.wait(10)}")
            yield RemoteFakeApi(url)
        finally:
            process.terminate()
