"""Which files lie below a root, in an order that does not change, and what is left out and why."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final
from urllib.parse import quote

from connector_pipelines.core.types import FileRef, Skipped, Unlistable, Upserted
from connector_pipelines.sources._globs import Scope
from connector_pipelines.sources._media_types import media_type_of
from connector_pipelines.sources.local_folder.config import Config
from connector_pipelines.sources.local_folder.faults import fault
from connector_pipelines.sources.local_folder.names import id_of, path_of

__all__ = ["Folder", "Found", "Walk", "is_below"]

Found = Upserted | Skipped | Unlistable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder to be read. `name` is relative, empty for the root; `is_linked` says a link leads to it or to one above it."""

    name: str
    is_linked: bool = False


class Walk:
    """What a real path, as `os.path.realpath` gives it, holds in the scope of `config`."""

    def __init__(self, root: str, config: Config) -> None:
        self._root = root
        self._config = config
        self._scope = Scope.of(config.include, config.exclude)

    def __iter__(self) -> Iterator[Found]:
        # A list of what is left to do, as a chain of generators would cost its depth at every file.
        pending = [Folder("")]
        while pending:
            below: list[Folder] = []
            for found in self._folder(pending.pop()):
                if isinstance(found, Folder):
                    below.append(found)
                else:
                    yield found
            pending.extend(reversed(below))

    def directly_in(self, folder: Folder) -> Iterator[Found]:
        return (found for found in self._folder(folder) if not isinstance(found, Folder))

    def enters(self, name: str) -> bool:
        """Whether a folder of this name would be read."""
        return not name or (self._scope.may_hold(name) and self._scope.reaches(name))

    def has(self, name: str) -> bool:
        """Whether a file in scope is there. What cannot be looked at counts as there."""
        path = self._path(name)
        if not (self._scope.includes(name) and self._scope.reaches(name) and is_below(self._root, os.path.realpath(path))):
            return False
        try:
            return S_ISREG(Path(path).stat().st_mode)
        except OSError as error:
            return error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

    def _folder(self, folder: Folder) -> Iterator[Found | Folder]:
        try:
            with os.scandir(self._path(folder.name)) as entries:
                in_order = sorted(entries, key=lambda entry: entry.name)
            for entry in in_order:
                found = self._entry(folder, entry)
                if found is not None:
                    yield found
        except (FileNotFoundError, NotADirectoryError):
            return  # Gone since its parent named it.
        except OSError as error:
            yield _unlistable(folder.name, error)

    def _entry(self, folder: Folder, entry: os.DirEntry[str]) -> Found | Folder | None:
        name = f"{folder.name}/{entry.name}" if folder.name else entry.name
        if self._scope.excludes(name):
            return None
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except PermissionError:
            raise  # The folder may be listed but not searched: all its entries are refused alike.
        except OSError as error:
            return _unlistable(name, error)
        if S_ISLNK(stat.st_mode):
            return self._link(folder, name)
        return self._thing(Folder(name, folder.is_linked), stat)

    def _link(self, folder: Folder, name: str) -> Found | Folder | None:
        if not (self._scope.includes(name) or self._scope.may_hold(name)):
            return None
        path = Path(self._path(name))
        reason = self._reason_not_to_follow(path)
        if reason:
            return _skipped(name, reason)
        try:
            stat = path.stat()
        except OSError as error:
            return _broken_link(name, error)
        if S_ISDIR(stat.st_mode):
            reason = _reason_not_to_enter(path, folder)
        return _skipped(name, reason) if reason else self._thing(Folder(name, is_linked=True), stat)

    def _reason_not_to_follow(self, link: Path) -> str | None:
        if not self._config.follow_symlinks:
            return "symlink_not_followed"
        target = os.path.realpath(link)
        return None if target == self._root or is_below(self._root, target) else "symlink_outside_root"

    def _thing(self, thing: Folder, stat: os.stat_result) -> Found | Folder | None:
        if S_ISDIR(stat.st_mode):
            return thing if self._scope.may_hold(thing.name) else None
        if not self._scope.includes(thing.name):
            return None
        if not S_ISREG(stat.st_mode):
            return _skipped(thing.name, "special_file")
        if self._config.max_file_bytes is not None and stat.st_size > self._config.max_file_bytes:
            return _skipped(thing.name, "too_large")
        return Upserted(self._ref(thing, stat))

    def _ref(self, thing: Folder, stat: os.stat_result) -> FileRef:
        born_s = getattr(stat, "st_birthtime", None)
        # A second name for the same bytes, as a hard or symbolic link gives, has the same inode without being a move.
        is_only_name = stat.st_nlink == 1 and not thing.is_linked
        return FileRef(
            id=id_of(thing.name),
            path=path_of(thing.name),
            # The change time too, which no program can set back: an edit may keep both size and modification time.
            version=f"{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_size}-{stat.st_ino}",
            media_type=media_type_of(thing.name),
            size=stat.st_size,
            modified_at=_instant(stat.st_mtime_ns),
            created_at=None if born_s is None else _instant(int(born_s * 1e9)),
            identity=f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}" if is_only_name else None,
            url=f"file://{quote(os.fsencode(self._path(thing.name)))}",
        )

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def is_below(root: str, path: str) -> bool:
    """Both as `os.path.realpath` gives them; a root is not below itself."""
    return path.startswith(f"{root.rstrip('/')}/")


def _skipped(name: str, reason: str) -> Skipped:
    return Skipped(id_of(name), path_of(name), reason)


def _broken_link(name: str, error: OSError) -> Found:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return _skipped(name, "dangling_symlink")
    if error.errno == errno.ELOOP:
        return _skipped(name, "symlink_loop")
    return _unlistable(name, error)


def _reason_not_to_enter(link: Path, folder: Folder) -> str | None:
    if f"{os.path.realpath(link.parent)}/".startswith(f"{os.path.realpath(link).rstrip('/')}/"):
        return "symlink_loop"
    # Its target has its own path below the root. Were it entered here too, a folder of n folders that link to each
    # other (node_modules of pnpm) would be walked n! times.
    return "symlink_below_symlink" if folder.is_linked else None


def _unlistable(name: str, error: OSError) -> Unlistable:
    known = fault(error, f"{path_of(name) or 'the folder itself'} cannot be listed")
    return Unlistable(path_of(name), known.code, f"{known}. {known.advice}".rstrip())


def _instant(since_epoch_ns: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=since_epoch_ns // 1000)
    except OverflowError:
        return None  # File systems keep years that neither Python nor Postgres can.
