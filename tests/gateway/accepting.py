"""A kind with a way of its own to prove calls, and a handshake, as Dropbox and Microsoft have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from pydantic import Field

from connector_pipelines.core.errors import Forbidden, Malformed
from connector_pipelines.core.protocols import SourceConfig, Tools, WebhookAnswer, WebhookRequest
from connector_pipelines.core.references import SecretReference
from connector_pipelines.core.types import START, ChangePage, Cursor, FileRef, Probe

__all__ = ["Source"]


class Config(SourceConfig):
    root: str = Field("", description="Not used.")
    word: SecretReference = Field("file:secret", description="What each call carries.")


class Source:
    """A call carries the word in its body; `GET ?challenge=…` is answered with the challenge."""

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools) -> None:
        self._word = tools.secret(config.word).get_secret_value()

    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        if request.method == "GET":
            return WebhookAnswer(body=request.query.get("challenge", ""))
        try:
            said = json.loads(request.body)
        except ValueError as error:
            raise Malformed("no JSON") from error
        if said["word"] != self._word or request.headers["x-twice"] != "a, b":
            raise Forbidden("another word")
        return WebhookAnswer(notifications=tuple((one["name"], one) for one in said["changes"]))

    def test(self) -> Probe:
        return Probe(account="accepting")

    def list(self, folder: str = "") -> Iterator[FileRef]:
        return iter(())

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        yield ChangePage(changes=(), cursor=Cursor("end"), snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        yield iter(())

    def close(self) -> None: ...
