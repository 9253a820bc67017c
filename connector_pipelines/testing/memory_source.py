"""A source with a change feed, in memory: what the suite is proved on, and the other side of a test that needs one.

    service = Service()
    service.put("a.txt", b"a")
    source = Source(Config(), plain_tools(), service=service)

A kind that has a feed can be begun by copying `Source`: `_snapshot` and `_delta` are where the calls to the real
service go.

Files and folders may lie in folders, which it names. With `streams`, what is named ``STREAM/…`` after one of them is a record of it, its bytes a JSON object that comes with the
listing; with `inline`, so do the bytes of everything else.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import ClassVar, Final

from pydantic import Field

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import (
    RECORD_TYPE,
    START,
    Ability,
    Acl,
    Change,
    ChangePage,
    Checksum,
    ColumnType,
    Cursor,
    DayRange,
    Deleted,
    FileRef,
    Folder,
    Probe,
    Record,
    Stream,
    Upserted,
)  # fmt: skip

__all__ = ["WRITTEN_AT", "Config", "Service", "Source", "StreamConfig"]

WRITTEN_AT: Final = datetime(2026, 5, 17, 12, tzinfo=UTC)
"""Of files, unless another time is given."""

_CHUNK_BYTES: Final = 64 * 1024


class StreamConfig(SourceConfig):
    """As `core.types.Stream` says."""

    name: str = Field(description="What the names of its records begin with.")
    primary_key: tuple[str, ...] = Field(("id",), description="Fields that name a record.")
    columns: dict[str, ColumnType] = Field(default_factory=dict, description="Types of fields.")
    title: str | None = Field(None, description="Template.")
    body: str | None = Field(None, description="Template.")
    link: str | None = Field(None, description="Template.")


class Config(SourceConfig):
    page_size: int = Field(3, ge=1, description="Changes in a page.")
    inline: bool = Field(False, description="Whether bytes come with the listing.")
    streams: tuple[StreamConfig, ...] = Field((), description="Streams of records.")


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    body: bytes
    revision: int
    written_at: datetime
    parent: str | None = None
    acl: Acl | None = None


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    parent: str | None


class Service:
    """The other side: files and folders by id, and an event for every change. A `RefusingWorld`, `DatedWorld` and `FolderedWorld` of the source suite."""

    def __init__(self) -> None:
        self.epoch = 0
        self.events: list[str] = []
        self.files: dict[str, _File] = {}
        self.folders: dict[str, _Folder] = {}
        self.refused: set[str] = set()
        self.is_there = True
        self._lock = threading.Lock()
        self._next_id = 0

    def put(self, name: str, body: bytes, at: datetime = WRITTEN_AT) -> str:
        with self._lock:
            known = next((i for i, file in self.files.items() if file.name == name and file.parent is None), None)
            return self._write(known, name, body, at)

    def put_at(self, name: str, body: bytes, at: datetime) -> str:
        return self.put(name, body, at)

    def put_in(self, folder_id: str, name: str, body: bytes) -> str:
        with self._lock:
            known = next((i for i, file in self.files.items() if (file.parent, file.name) == (folder_id, name)), None)
            return self._write(known, name, body, WRITTEN_AT, folder_id)

    def make_folder(self, name: str, parent: str | None = None) -> str:
        with self._lock:
            folder_id = self._new_id()
            self.folders[folder_id] = _Folder(name, parent)
            self.events.append(folder_id)
        return folder_id

    def rename_folder(self, folder_id: str, name: str) -> None:
        with self._lock:
            self.folders[folder_id] = replace(self.folders[folder_id], name=name)
            self.events.append(folder_id)

    def move(self, item_id: str, folder_id: str) -> None:
        with self._lock:
            if item_id in self.files:
                self.files[item_id] = replace(self.files[item_id], parent=folder_id)
            else:
                self.folders[item_id] = replace(self.folders[item_id], parent=folder_id)
            self.events.append(item_id)

    def remove_folder(self, folder_id: str) -> None:
        """Of what lies below, no event tells."""
        with self._lock:
            gone = {folder_id}
            while more := {i for i, folder in self.folders.items() if folder.parent in gone} - gone:
                gone |= more
            self.folders = {i: folder for i, folder in self.folders.items() if i not in gone}
            self.files = {i: file for i, file in self.files.items() if file.parent not in gone}
            self.events.append(folder_id)

    def share(self, file_id: str, acl: Acl | None) -> None:
        """Say who may see the file."""
        with self._lock:
            self.files[file_id] = replace(self.files[file_id], acl=acl)
            self.events.append(file_id)

    def path_of(self, item_id: str) -> str:
        item = self.folders.get(item_id) or self.files[item_id]
        return item.name if item.parent is None else f"{self.path_of(item.parent)}/{item.name}"

    def remove(self, file_id: str) -> None:
        with self._lock:
            del self.files[file_id]
            self.events.append(file_id)

    def rename(self, file_id: str, name: str) -> str:
        with self._lock:
            self.files[file_id] = replace(self.files[file_id], name=name)
            self.events.append(file_id)
        return file_id

    def refuse(self, file_id: str) -> None:
        self.refused.add(file_id)

    def forget_cursors(self) -> None:
        self.epoch += 1

    def vanish(self) -> None:
        self.is_there = False

    def _write(self, known: str | None, name: str, body: bytes, at: datetime, folder_id: str | None = None) -> str:
        file_id = known or self._new_id()
        acl = self.files[file_id].acl if known else None
        self.files[file_id] = _File(name, body, len(self.events), at, folder_id, acl)
        self.events.append(file_id)
        return file_id

    def _new_id(self) -> str:
        self._next_id += 1
        return f"id-{self._next_id}"


class Source:
    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools, *, service: Service | None = None) -> None:  # noqa: ARG002 - every source is lent the tools; this one needs none
        self._config = config
        self._service = service or Service()

    def test(self) -> Probe:
        self._check()
        detail = f"{len(self._service.files)} files are there."
        return Probe(account="memory", abilities=(Ability("list files", works=True, detail=detail),))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        self._check()
        found = next((i for i in tuple(self._service.folders) if self._service.path_of(i) == folder), None)
        if folder and found is None:
            raise ConfigurationError(f"There is no folder {folder!r}")
        yield from (self._ref(file_id) for file_id, file in tuple(self._service.files.items()) if file.parent == found)

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        self._check()
        epoch, _, place = cursor.partition(":")
        yield from self._delta(int(place)) if epoch == str(self._service.epoch) else self._snapshot()

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        self._check()
        file = self._service.files.get(ref.id)
        if file is None:
            raise NotFound(f"{ref.id!r} is gone")
        if ref.id in self._service.refused:
            raise Forbidden(f"{ref.id!r} is refused to this account")
        yield (file.body[at : at + _CHUNK_BYTES] for at in range(0, len(file.body), _CHUNK_BYTES))

    def close(self) -> None:
        """Nothing to let go of."""

    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        self._check()
        within = [i for i, file in tuple(self._service.files.items()) if _is_within(file.written_at.date(), days)]
        for changes in self._pages(within):
            yield ChangePage(changes=changes)
        if not within:
            yield ChangePage(changes=())

    def streams(self) -> Sequence[Stream]:
        return tuple(Stream(**dict(stream)) for stream in self._config.streams)

    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        self._check()
        (found,) = [one for one in self.streams() if one.name == stream]
        bodies = (file.body for file in tuple(self._service.files.values()) if self._stream_of(file) == stream)
        return tuple(Record(stream=found, fields=json.loads(body)) for body in islice(bodies, limit))

    def _snapshot(self) -> Iterator[ChangePage]:
        # Taken before listing, so that nothing changed meanwhile is missed.
        end = len(self._service.events)
        for changes in self._pages((*self._outermost_first(), *self._service.files)):
            yield ChangePage(changes=tuple(c for c in changes if not isinstance(c, Deleted)), snapshot=True)
        yield ChangePage(changes=(), cursor=self._cursor(end), snapshot=True)

    def _outermost_first(self) -> Sequence[str]:
        folders = tuple(self._service.folders)
        return sorted(folders, key=lambda folder_id: self._service.path_of(folder_id).count("/"))

    def _delta(self, place: int) -> Iterator[ChangePage]:
        events = self._service.events[place:]
        for changes in self._pages(events):
            place += len(changes)
            yield ChangePage(changes=changes, cursor=self._cursor(place))
        if not events:
            yield ChangePage(changes=(), cursor=self._cursor(place))

    def _pages(self, file_ids: Iterable[str]) -> Iterator[tuple[Change, ...]]:
        rest = iter(file_ids)
        while page := tuple(islice(rest, self._config.page_size)):
            yield tuple(self._change(file_id) for file_id in page)

    def _change(self, file_id: str) -> Change:
        if (folder := self._service.folders.get(file_id)) is not None:
            return Folder(file_id, folder.parent, self._service.path_of(file_id))
        file = self._service.files.get(file_id)
        if file is None:
            return Deleted(file_id)
        comes_along = self._config.inline or self._stream_of(file) is not None
        return Upserted(self._ref(file_id), file.body if comes_along else None)

    def _stream_of(self, file: _File) -> str | None:
        """The stream whose record it is."""
        begins_with = file.name.partition("/")[0]
        return begins_with if "/" in file.name and begins_with in {stream.name for stream in self._config.streams} else None

    def _ref(self, file_id: str) -> FileRef:
        file = self._service.files[file_id]
        stream = self._stream_of(file)
        usual = "text/plain" if file.name.endswith(".txt") else "application/octet-stream"
        return FileRef(
            id=file_id,
            path=self._service.path_of(file_id),
            version=str(file.revision),
            media_type=usual if stream is None else RECORD_TYPE,
            size=len(file.body),
            modified_at=file.written_at,
            stream=stream,
            url=f"memory://{file_id}",
            checksum=Checksum("sha256", hashlib.sha256(file.body).hexdigest()),
            parent=file.parent,
            acl=file.acl,
        )

    def _cursor(self, place: int) -> Cursor:
        return Cursor(f"{self._service.epoch}:{place}")

    def _check(self) -> None:
        if not self._service.is_there:
            raise ConfigurationError("What is synced from memory is not there", advice="Make another service.")


def _is_within(day: date, days: DayRange) -> bool:
    return (days.first or day) <= day <= (days.last or day)
