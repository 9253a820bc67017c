"""The protocol of a source over Google Drive."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import SecretStr

from connector_pipelines.core.errors import NotFound
from connector_pipelines.core.protocols import SourceConfig, Subscription, Tools, WebhookAnswer, WebhookRequest
from connector_pipelines.core.types import START, ChangePage, Cursor, DayRange, FileRef, Probe
from connector_pipelines.sources.google_drive import channels
from connector_pipelines.sources.google_drive.absence import Absence
from connector_pipelines.sources.google_drive.browsing import Browsing
from connector_pipelines.sources.google_drive.client import Drives
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.exports import Exporter
from connector_pipelines.sources.google_drive.faults import READ_SCOPE, PageTokenRejected
from connector_pipelines.sources.google_drive.feed import Delta, Snapshot
from connector_pipelines.sources.google_drive.parts import wanted_parts
from connector_pipelines.sources.google_drive.people import People, Views
from connector_pipelines.sources.google_drive.place import read_cursor
from connector_pipelines.sources.google_drive.probing import Prober
from connector_pipelines.sources.google_drive.reading import Reader
from connector_pipelines.sources.google_drive.tree import NOTHING
from connector_pipelines.sources.google_drive.windows import Window

__all__ = ["Source"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]+")


class Source:
    """Files of a My Drive, a folder, shared drives, or of what is shared with a user.

    Ids are Drive's, which stay under rename and move. Nothing is kept between calls: the folders are the catalog's (`Tools.folders`).
    """

    config_type: ClassVar[type[SourceConfig]] = Config
    # Listing, reading, exporting and following of all that the account sees; that of metadata lists no shared drives.
    scopes: ClassVar[tuple[str, ...]] = (READ_SCOPE,)

    def __init__(self, config: Config, tools: Tools) -> None:
        self._config, self._tools = config, tools
        self._drives = Drives(tools, api_url=config.api_url, allow_private=config.allow_private)
        self._people = People(self._drives)
        self._reader = Reader(self._drives, Exporter(config.exports), users=config.users, acknowledge_abuse=config.acknowledge_abuse)

    def test(self) -> Probe:
        return Prober(self._config, self._drives).probe()

    def list(self, folder: str = "") -> Iterator[FileRef]:
        yield from Browsing(self._config, self._people).files_in(folder)

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        place = read_cursor(cursor) if cursor != START else None
        if place is not None:
            try:
                yield from Delta(self._config, self._people, self._tools, place).pages()
            except PageTokenRejected:
                # Raised before the first page only: what Drive forgot is listed anew.
                pass
            else:
                return
        yield from Snapshot(self._config, self._people, self._tools).pages()

    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        yield from Window(self._config, self._people, self._tools, days).pages()

    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        return Absence(self._config, self._people, self._tools).there(refs)

    def open(self, ref: FileRef) -> AbstractContextManager[Iterator[bytes]]:
        if not _ID.fullmatch(ref.id):
            raise NotFound(f"{ref.id!r} is not the id of a file in Google Drive")
        return self._reader.open(ref)

    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        return channels.accepted(request, self._tools.subscriptions)

    def resources(self) -> Mapping[str, timedelta]:
        parts = wanted_parts(self._config, Views(self._people, NOTHING))
        return channels.watched(channels.Feed(part.user, part.drive_id) for part in parts)

    def subscribe(self, resource: str, *, address: str, subscription_id: str, secret: SecretStr, until: datetime) -> Subscription:
        return channels.watch(self._drives, resource, address=address, subscription_id=subscription_id, secret=secret, until=until)

    def unsubscribe(self, subscription: Subscription) -> None:
        channels.stop(self._drives, subscription)

    def close(self) -> None:
        self._drives.close()
