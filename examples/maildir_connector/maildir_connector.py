"""The messages of a Maildir, as mail servers and mail programs keep them on disk.

A folder of messages is a directory with ``new``, ``cur`` and ``tmp``; further folders lie beside them with a leading dot
(https://cr.yp.to/proto/maildir.html, and Maildir++ for the folders). A message is a file whose name begins with what
is unique about it and ends, after a colon, with its flags: reading, answering or flagging a message renames it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound, Unavailable
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, Change, ChangePage, Cursor, FileRef, Probe, Skipped, Upserted

__all__ = ["Config", "Source"]

INBOX = "INBOX"
CHUNK_BYTES = 1024 * 1024
_LISTED: Final = Cursor("listed")


class Config(SourceConfig):
    """The settings of an endpoint; the descriptions are the documentation."""

    root: Path = Field(description="The Maildir: the directory that holds `new`, `cur` and `tmp`.")
    page_size: int = Field(1000, ge=1, description="Messages recorded in one transaction.")


class Source:
    """Messages marked as trashed are left out.

    An id is folder and unique name. A message that is moved has another id and the same `identity`: device, inode and size.
    """

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools) -> None:  # noqa: ARG002 - every source is lent the tools; a Maildir needs none
        self._config = config
        # Where each message was last seen: to look for one in a folder of many is to read the whole folder.
        self._seen: dict[str, Path] = {}
        self._lock = threading.Lock()

    def test(self) -> Probe:
        try:
            folders = [name for name, _ in self._folders()]
        except ConfigurationError as error:
            return Probe(
                account=str(self._config.root), abilities=(Ability("list the folders", works=False, detail=f"{error} {error.advice}"),)
            )
        return Probe(account=str(self._config.root), abilities=(Ability("list the folders", works=True, detail=", ".join(folders)),))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        wanted = folder or INBOX
        found = [path for name, path in self._folders() if name == wanted]
        if not found:
            raise ConfigurationError(f"there is no mail folder {folder!r} in {self._config.root}", advice="leave it out for the inbox")
        yield from (change.ref for change in self._messages(wanted, found[0]) if isinstance(change, Upserted))

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:  # noqa: ARG002 - a Maildir keeps no feed to resume
        batch: list[Change] = []
        for name, path in self._folders():
            for change in self._messages(name, path):
                if len(batch) == self._config.page_size:
                    yield ChangePage(changes=tuple(batch), snapshot=True)
                    batch = []
                batch.append(change)
        self._folders()  # one that was unmounted meanwhile looks like one whose messages were deleted
        yield ChangePage(changes=tuple(batch), cursor=_LISTED, snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        try:
            file = self._place(ref.id).open("rb")
        except FileNotFoundError:
            # Its flags changed since it was seen.
            file = self._place(ref.id, look_again=True).open("rb")
        except PermissionError as error:
            raise Forbidden(f"{ref.path} may not be read by user {os.geteuid()}") from error
        with file:
            yield iter(lambda: file.read(CHUNK_BYTES), b"")

    def close(self) -> None:
        """Nothing is held between calls."""

    def _folders(self) -> list[tuple[str, Path]]:
        """Name and directory of each folder of messages; the inbox first."""
        root = self._config.root
        try:
            beside = sorted(p for p in root.iterdir() if p.name.startswith(".") and (p / "cur").is_dir())
            if not (root / "cur").is_dir():
                raise ConfigurationError(
                    f"{root} is not a Maildir: it has no directory `cur`", advice="set `root` to the directory that has one"
                )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ConfigurationError(f"there is no directory {root}", advice="create it, mount it, or correct `root`") from error
        except PermissionError as error:
            raise ConfigurationError(f"{root} may not be read", advice=f"let user {os.geteuid()} list it") from error
        return [(INBOX, root), *((path.name[1:], path) for path in beside)]

    def _messages(self, folder: str, path: Path) -> Iterator[Change]:
        named: set[str] = set()
        # A message goes from `new` to `cur`, never back: read in this order, none is missed.
        for directory in (path / "new", path / "cur"):
            for entry in _entries(directory):
                unique, flags = _split(entry.name)
                file_id = f"{folder}/{unique}"
                if file_id in named:
                    continue
                change = self._change(file_id, entry, flags)
                if change is not None:
                    named.add(file_id)
                    yield change

    def _change(self, file_id: str, entry: os.DirEntry[str], flags: str) -> Change | None:
        if "T" in flags:
            return Skipped(file_id, file_id, "trashed")
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            # Its flags changed this moment; under its new name it may have been passed already.
            place = self._find(file_id)
            if place is None:
                return None
            stat, entry_path = place.stat(), place
        else:
            entry_path = Path(entry.path)
        with self._lock:
            self._seen[file_id] = entry_path
        return Upserted(_ref(file_id, stat))

    def _place(self, file_id: str, *, look_again: bool = False) -> Path:
        with self._lock:
            known = None if look_again else self._seen.get(file_id)
        place = known or self._find(file_id)
        if place is None:
            raise NotFound(f"the message {file_id!r} is gone")
        return place

    def _find(self, file_id: str) -> Path | None:
        folder, _, unique = file_id.rpartition("/")
        for name, path in self._folders():
            for directory in (path / "new", path / "cur") if name == folder else ():
                for entry in _entries(directory):
                    if _split(entry.name)[0] == unique:
                        with self._lock:
                            self._seen[file_id] = Path(entry.path)
                        return Path(entry.path)
        return None


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        # Raised, not passed over: messages that could not be listed are not gone.
        raise Unavailable(f"{directory} cannot be listed: {error.strerror}", advice=f"let user {os.geteuid()} read it") from error


def _split(name: str) -> tuple[str, str]:
    """Unique part and flags of a message's file name."""
    unique, _, flags = name.partition(":2,")
    return unique, flags


def _ref(file_id: str, stat: os.stat_result) -> FileRef:
    return FileRef(
        id=file_id,
        path=file_id,
        # A message is never edited in place: other bytes are another file. The change time tells the two apart where the
        # inode number was used again.
        version=f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}",
        media_type="message/rfc822",
        size=stat.st_size,
        modified_at=datetime.fromtimestamp(stat.st_mtime, UTC),
        identity=f"{stat.st_dev}-{stat.st_ino}-{stat.st_size}",
    )
