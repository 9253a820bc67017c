"""How a folder is a source: each read of its changes is a walk, each id a path below the root."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Forbidden, NotFound, Unavailable
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, Change, ChangePage, Cursor, FileRef, Probe, Unlistable, Upserted
from connector_pipelines.sources.local_folder.config import Config
from connector_pipelines.sources.local_folder.faults import fault
from connector_pipelines.sources.local_folder.names import name_of
from connector_pipelines.sources.local_folder.reading import chunks, opened
from connector_pipelines.sources.local_folder.walk import Folder, Walk, is_below

__all__ = ["Source"]

_WALKED: Final = Cursor("walked")
_FILES_TO_TRY: Final = 100


@dataclass(frozen=True, slots=True)
class _Root:
    """A real path, and which folder (device, inode) was found there."""

    path: str
    folder: tuple[int, int]


class Source:
    """Files of a folder.

    Ids are paths, so a rename gives a new id; `FileRef.identity` (device, inode, size, modification time) tells
    that it is the same file. It is None where a file has several names.
    """

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools) -> None:  # noqa: ARG002 - every source is lent the tools; a folder needs none
        self._config = config
        # Once: the working directory may be another by the time of a call.
        self._given = config.root.absolute()

    def test(self) -> Probe:
        try:
            self._root()
        except ConfigurationError as error:
            listing = Ability("list the folder", works=False, detail=f"{error} {error.advice}")
            reading = Ability("read a file", works=False, detail="There is no folder to read from.")
        else:
            listing = Ability("list the folder", works=True, detail=f"{self._given} can be listed.")
            reading = self._try_reading()
        return Probe(account=str(self._given), abilities=(listing, reading))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        root, name = self._root(), name_of(folder) if folder else ""
        walk = Walk(root.path, self._config)
        if name is None or not walk.enters(name):
            raise ConfigurationError(f"{folder!r} is outside of what is synced from {self._given}")
        path = Path(root.path, name)
        real = self._readable(path, root)
        for found in walk.directly_in(Folder(name, is_linked=real != str(path))):
            if isinstance(found, Unlistable):
                raise Forbidden(found.message) if found.code == Forbidden.code else Unavailable(found.message)
            if isinstance(found, Upserted):
                yield found.ref

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:  # noqa: ARG002 - a folder keeps no feed to resume
        root = self._root()
        batch: list[Change] = []
        for found in Walk(root.path, self._config):
            if len(batch) == self._config.page_size:
                yield ChangePage(changes=tuple(batch), snapshot=True)
                batch = []
            batch.append(found)
        if self._root() != root:
            # What was unmounted or replaced under the walk looks like folders that vanished one by one.
            raise Unavailable(f"{self._given} was replaced while it was listed")
        yield ChangePage(changes=tuple(batch), cursor=_WALKED, snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        with opened(self._root().path, ref.id, follow_symlinks=self._config.follow_symlinks) as descriptor:
            yield chunks(descriptor, ref.id)

    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        walk = Walk(self._root().path, self._config)
        by_path = {ref.id for ref in refs if (name := name_of(ref.id)) is not None and walk.has(name)}
        missing = {ref.identity for ref in refs if ref.id not in by_path and ref.identity is not None}
        return frozenset(by_path | _identities(walk, missing))

    def close(self) -> None:
        """Nothing is held between calls."""

    def _readable(self, folder: Path, root: _Root) -> str:
        """Its real path."""
        real = os.path.realpath(folder)
        try:
            os.scandir(real).close()
        except OSError as error:
            known = fault(error, f"{folder} cannot be listed")
            raise ConfigurationError(f"{known}.") if isinstance(known, NotFound) else known from error
        if real != root.path and not is_below(root.path, real):
            raise ConfigurationError(f"{folder} is a link that leads out of {self._given}")
        return real

    def _try_reading(self) -> Ability:
        refs = (found.ref for found in Walk(self._root().path, self._config) if isinstance(found, Upserted))
        refused = "The folder holds no file in scope to try."
        for count, ref in enumerate(islice(refs, _FILES_TO_TRY), 1):
            try:
                with self.open(ref) as content:
                    next(content, b"")
            except ConnectorError as error:
                refused = f"None of the first {count} files can be read, the last of them because {error}. {error.advice}"
            else:
                return Ability("read a file", works=True, detail=f"{ref.path} can be read.")
        return Ability("read a file", works=refused.startswith("The"), detail=refused)

    def _root(self) -> _Root:
        try:
            path = os.path.realpath(self._given, strict=True)
            with os.scandir(path):
                # The dot asks for the right to pass through the folder, which listing it does not need.
                stat = os.stat(f"{path}/.")  # noqa: PTH116 - a Path would drop the dot
        except OSError as error:
            raise _unusable(self._given.as_posix(), error) from error
        return _Root(path, (stat.st_dev, stat.st_ino))


def _identities(walk: Walk, wanted: set[str]) -> set[str]:
    """Those of `wanted` that some file has, wherever it is now."""
    seen: set[str] = set()
    for found in walk if wanted else ():
        if isinstance(found, Upserted) and found.ref.identity in wanted:
            seen.add(found.ref.identity)
            if seen == wanted:
                break
    return seen


def _unusable(root: str, error: OSError) -> ConnectorError:
    if isinstance(error, NotADirectoryError):
        return ConfigurationError(f"{root} is not a folder.", advice="Set `root` to a folder.")
    known = fault(error, root)
    if isinstance(known, Unavailable):
        return known
    if isinstance(known, Forbidden):
        advice = f"Let user {os.geteuid()}, as whom the sync runs, list and enter it, and enter the folders above it."
        return ConfigurationError(f"{known}.", advice=advice)
    return ConfigurationError(f"{known}.", advice="Create it, mount it, or set `root` to a folder that exists.")
