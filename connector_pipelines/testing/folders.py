"""What an endpoint knows after it has recorded pages, in memory: its files, and its folders as `Tools.folders` gives them back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from connector_pipelines.core.types import Below, Change, ChangePage, Deleted, FileRef, Folder, Skipped, Unlistable, Upserted

__all__ = ["Recorded"]


class Recorded:
    """Takes changes one after another, as `core.types` says what each means. Lent to a source, it is its `Tools.folders`.

    Attributes:
        files: By id, as they were told, their paths following the folders they lie in.
        folders: By id.
    """

    def __init__(self) -> None:
        self.files: dict[str, FileRef] = {}
        self.folders: dict[str, Folder] = {}

    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:
        return {each: self.folders[each] for each in ids if each in self.folders}

    def leading_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:
        found: defaultdict[str, list[Folder]] = defaultdict(list)
        for folder in sorted(self.folders.values(), key=lambda folder: folder.id):
            if folder.target in set(targets):
                found[folder.target or ""].append(folder)
        return found

    @property
    def paths(self) -> dict[str, str]:
        """Of files, by id."""
        return {each: ref.path for each, ref in self.files.items()}

    def record(self, pages: Iterable[ChangePage]) -> None:
        """The pages of one call, to their end: what a snapshot did not name is then forgotten."""
        named, unlistable = set[str](), list[str]()
        snapshot = False
        for page in pages:
            snapshot = page.snapshot
            for change in page.changes:
                self._take(change)
                if isinstance(change, Unlistable):
                    unlistable.append(change.path)
                elif not isinstance(change, (Below, Deleted)):
                    named.add(change.ref.id if isinstance(change, Upserted) else change.id)
        if snapshot:
            self.files = {i: ref for i, ref in self.files.items() if i in named or _is_below(ref.path, unlistable)}
            self.folders = {i: folder for i, folder in self.folders.items() if i in named or _is_below(folder.path, unlistable)}

    def _take(self, change: Change) -> None:
        match change:
            case Upserted(ref):
                self.files[ref.id] = ref
            case Folder():
                self.folders[change.id] = change
                self._follow(change, {change.id})
            case Deleted(gone):
                self._drop({gone} | self._in(gone))
            case Skipped(left_out):
                self.files.pop(left_out, None)
            case Below(place, ids) if place in self.folders:
                self._drop(self._in(place) - ids)
            case Below(place, ids):
                kept = tuple(f"{each}/" for each in ids)
                self._drop({i for i in self.files if i.startswith(f"{place}/") and i not in ids and not i.startswith(kept)})

    def _follow(self, folder: Folder, seen: set[str]) -> None:
        """Give what lies in the folder its path. `seen`: two that were told to lie in each other, for a while, are no endless way."""
        for each, ref in self.files.items():
            if ref.parent == folder.id:
                self.files[each] = replace(ref, path=_path_in(folder, ref.path))
        for inner in [one for one in self.folders.values() if one.parent == folder.id and one.id not in seen]:
            self.folders[inner.id] = replace(inner, path=_path_in(folder, inner.path))
            self._follow(self.folders[inner.id], seen | {inner.id})

    def _in(self, place: str) -> set[str]:
        """Ids of all folders and files below."""
        below = {place}
        while more := {one.id for one in self.folders.values() if one.parent in below} - below:
            below |= more
        return (below - {place}) | {i for i, ref in self.files.items() if ref.parent in below}

    def _drop(self, ids: set[str]) -> None:
        for each in ids:
            self.files.pop(each, None)
            self.folders.pop(each, None)


def _path_in(folder: Folder, path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return f"{folder.path}/{name}" if folder.path else name


def _is_below(path: str, places: Sequence[str]) -> bool:
    return any(not place or path == place or path.startswith(f"{place}/") for place in places)
