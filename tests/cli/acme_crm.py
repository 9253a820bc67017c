"""A source of another distribution, behind HTTP: one file, which says who we are to the other side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connector_pipelines.core.http import HttpOptions
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, ChangePage, Cursor, FileRef, Probe, Upserted


class Config(SourceConfig):
    base_url: str


class Source:
    config_type = Config

    def __init__(self, config: Config, tools: Tools) -> None:
        self._http = tools.http(HttpOptions(base_url=config.base_url, allow_private=True))

    def test(self) -> Probe:
        who = self._who()
        return Probe(account=who, abilities=(Ability("read", works=True, detail=who),))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        yield self._ref()

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        content = f"signed in as {self._who()}".encode()
        yield ChangePage(changes=(Upserted(self._ref(), content),), cursor=Cursor("end"), snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        yield iter([self._who().encode()])

    def close(self) -> None:
        self._http.close()

    def _who(self) -> str:
        return str(self._http.get("me").json()["user"]["email"])

    def _ref(self) -> FileRef:
        return FileRef(id="who", path="who.txt", version="1", media_type="text/plain")
