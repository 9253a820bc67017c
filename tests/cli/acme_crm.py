"""A source of another distribution, behind HTTP: one file, which says who we are to the other side; or one for each user we act for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connector_pipelines.core.errors import SubjectRefused
from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, Change, ChangePage, Cursor, FileRef, Probe, Unlistable, Upserted


class Config(SourceConfig):
    base_url: str
    users: tuple[str, ...] = ()


class Source:
    config_type = Config
    scopes = ("read",)

    def __init__(self, config: Config, tools: Tools) -> None:
        app = f"acme/{tools.application}"
        self._of_users = {
            user: tools.http(HttpOptions(base_url=config.base_url, allow_private=True, subject=user, buckets=(app, f"{app}/{user}")))
            for user in config.users
        }
        self._http = tools.http(HttpOptions(base_url=config.base_url, allow_private=True))
        self._app = app

    def test(self) -> Probe:
        who = self._who(self._http)
        return Probe(account=who, abilities=(Ability("read", works=True, detail=f"{who} by {self._app}"),))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        yield self._ref("who")

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        changes = tuple(self._change(name, http) for name, http in (self._of_users or {"who": self._http}).items())
        yield ChangePage(changes=changes, cursor=Cursor("end"), snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        yield iter([self._who(self._http).encode()])

    def close(self) -> None:
        for http in (self._http, *self._of_users.values()):
            http.close()

    def _change(self, name: str, http: Http) -> Change:
        try:
            return Upserted(self._ref(name), f"signed in as {self._who(http)}".encode())
        except SubjectRefused as error:
            return Unlistable(f"{name}.txt", error.code, str(error))

    def _who(self, http: Http) -> str:
        return str(http.get("me").json()["user"]["email"])

    def _ref(self, name: str) -> FileRef:
        return FileRef(id=name, path=f"{name}.txt", version="1", media_type="text/plain")
