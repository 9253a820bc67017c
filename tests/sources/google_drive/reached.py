"""A fake Drive, reached as a source reaches the real one: through the house's HTTP, signed in as whom it names."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from connector_pipelines.core.errors import SubjectRefused
from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.protocols import Tools
from connector_pipelines.net.http import open_http
from connector_pipelines.net.protocols import ClientCertificate, Limiter
from connector_pipelines.sources.google_drive.client import Drive, Drives
from connector_pipelines.testing.fake_drive import FakeDrive

ADA, BEN, CEM = "ada@example.com", "ben@example.com", "cem@example.com"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A `SignIn` with a token that is good, or none for a user who left."""

    token: str

    @property
    def certificate(self) -> ClientCertificate | None:
        return None

    def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        if not self.token:
            raise SubjectRefused("they left", advice="Take them out of `users`.")
        return {"authorization": f"Bearer {self.token}"}

    def params(self) -> Mapping[str, str]:
        return {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Reach:
    """Tools that sign in to `drive`: as ADA, or as the subject that is asked for."""

    drive: FakeDrive
    scopes: tuple[str, ...] = ("drive.readonly",)
    limiter: Limiter | None = None
    gone: frozenset[str] = frozenset()
    changes: Mapping[str, object] = field(default_factory=dict)

    @property
    def tools(self) -> Tools:
        return Tools(secret=SecretStr, database_url=SecretStr(""), http=self.http, stop=threading.Event())

    def http(self, options: HttpOptions) -> Http:
        subject = options.subject or ADA
        token = "" if subject in self.gone else self.drive.access_token(subject, scopes=self.scopes)
        return open_http(
            replace(options, **self.changes),  # type: ignore[arg-type]
            name="test",
            sign_in=Bearer(token),
            limiter=self.limiter,
        )

    @contextmanager
    def drives(self) -> Iterator[Drives]:
        opened = Drives(self.tools, api_url=self.drive.url, allow_private=True)
        try:
            yield opened
        finally:
            opened.close()

    @contextmanager
    def of(self, user: str | None = None) -> Iterator[Drive]:
        with self.drives() as drives:
            yield drives.of(user)
