"""What somebody knows of a Drive who recorded every page, by the rules of the catalog; and the folders of it, to be lent to the source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from connector_pipelines.core.types import START, Below, Change, ChangePage, Cursor, Deleted, FileRef, Folder, Skipped, Unlistable, Upserted
from connector_pipelines.sources.google_drive import Source
from connector_pipelines.store.catalog._named import pieces

__all__ = ["Mirror"]


@dataclass
class Mirror:
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, FileRef] = field(default_factory=dict)
    skipped: dict[str, Skipped] = field(default_factory=dict)
    cursor: Cursor = START

    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:
        return {key: self.folders[key] for key in ids if key in self.folders}

    def leading_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:
        found: dict[str, list[Folder]] = {}
        for folder in sorted(self.folders.values(), key=lambda each: each.id):
            if folder.target in targets:
                found.setdefault(folder.target or "", []).append(folder)
        return found

    @property
    def paths(self) -> dict[str, str]:
        """Paths of files to ids."""
        return {ref.path: key for key, ref in self.files.items()}

    def sync(self, source: Source, *, sweep: bool = False) -> list[ChangePage]:
        """Read on, and record page by page, as the catalog does."""
        pages = []
        named: set[str] = set()
        snapshot = False
        protected: list[str] = []
        for page in source.changes(START if sweep else self.cursor):
            pages.append(page)
            snapshot = page.snapshot
            self.record(page)
            named |= {key for change in page.changes for key in _named(change)}
            protected += [change.path for change in page.changes if isinstance(change, Unlistable)]
            assert page.snapshot or page.cursor is not None
            self.cursor = page.cursor if page.cursor is not None else self.cursor
        if snapshot:
            self._keep(named, protected)
        return pages

    def record(self, page: ChangePage) -> None:
        for piece in pieces(page.changes):
            self._record(piece)

    def _record(self, changes: Sequence[Change]) -> None:
        last = {_id(change): change for change in changes if not isinstance(change, (Unlistable, Below))}
        self.folders |= {key: change for key, change in last.items() if isinstance(change, Folder)}
        for change in last.values():
            if isinstance(change, Upserted):
                self.files[change.ref.id] = change.ref
                self.skipped.pop(change.ref.id, None)
            elif isinstance(change, Skipped):
                self.skipped[change.id] = change
                self.files.pop(change.id, None)
        self._follow()
        for gone in [change.id for change in last.values() if isinstance(change, Deleted)]:
            self._drop(gone)
        for whole in changes:
            if isinstance(whole, Below):
                for key in set(self._below(whole.id)) - whole.ids:
                    self.folders.pop(key, None)
                    self.files.pop(key, None)
                    self.skipped.pop(key, None)

    def _follow(self) -> None:
        """Whatever lies in a folder has its path, wherever that is by now."""
        for key, folder in self.folders.items():
            self.folders[key] = replace(folder, path=self._path(folder, ()))
        for key, ref in self.files.items():
            assert ref.parent in self.folders, f"{ref} was named before its folder"
            self.files[key] = replace(ref, path=f"{self.folders[ref.parent].path}/{ref.name}".removeprefix("/"))
        for key, skipped in self.skipped.items():
            above = self.folders[skipped.parent or ""].path
            self.skipped[key] = replace(skipped, path=f"{above}/{skipped.path.rpartition('/')[2]}".removeprefix("/"))

    def _path(self, folder: Folder, below: tuple[str, ...]) -> str:
        if folder.parent is None:
            return folder.path
        assert folder.parent in self.folders, f"{folder} was named before what it lies in"
        assert folder.id not in below, f"{folder} lies in itself"
        above = self._path(self.folders[folder.parent], (*below, folder.id))
        return f"{above}/{folder.path.rpartition('/')[2]}".removeprefix("/")

    def _drop(self, key: str) -> None:
        for each in (*self._below(key), key) if key in self.folders else (key,):
            self.folders.pop(each, None)
            self.files.pop(each, None)
            self.skipped.pop(each, None)

    def _below(self, folder_id: str) -> list[str]:
        found = []
        waiting = [folder_id]
        while waiting:
            here = waiting.pop()
            lower = [key for key, each in self.folders.items() if each.parent == here]
            found += lower
            found += [key for key, each in self.files.items() if each.parent == here]
            found += [key for key, each in self.skipped.items() if each.parent == here]
            waiting += lower
        return found

    def _keep(self, named: set[str], protected: Iterable[str]) -> None:
        def stays(key: str, path: str) -> bool:
            return key in named or any(not each or path == each or path.startswith(f"{each}/") for each in protected)

        self.folders = {key: each for key, each in self.folders.items() if stays(key, each.path)}
        self.files = {key: each for key, each in self.files.items() if stays(key, each.path)}
        self.skipped = {key: each for key, each in self.skipped.items() if stays(key, each.path)}


def _id(change: Upserted | Folder | Deleted | Skipped) -> str:
    return change.ref.id if isinstance(change, Upserted) else change.id


def _named(change: object) -> Iterator[str]:
    match change:
        case Upserted(ref):
            yield ref.id
        case Folder(id=found) | Skipped(id=found):
            yield found
