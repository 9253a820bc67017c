"""The files of one folder, for people who look around."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from connector_pipelines.core.errors import ConfigurationError, NotFound
from connector_pipelines.core.types import FileRef, Folder, Upserted
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import FOLDER, Corpus, quoted
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.items import is_folder, is_shortcut
from connector_pipelines.sources.google_drive.names import name_of
from connector_pipelines.sources.google_drive.parts import Part, root_of, wanted_parts
from connector_pipelines.sources.google_drive.passing import Pass
from connector_pipelines.sources.google_drive.people import People, View
from connector_pipelines.sources.google_drive.tree import NOTHING, joined

__all__ = ["Browsing"]

Json = dict[str, Any]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{15,}")
_SHARED: Final = "sharedWithMe = true"


class Browsing:
    """One call. A folder is named by its path as the paths of files begin, or by its id."""

    def __init__(self, config: Config, people: People) -> None:
        self._config = config
        self._call = Pass(config, people, NOTHING)

    def files_in(self, folder: str) -> Iterator[FileRef]:
        """Raises `ConfigurationError`: there is no such folder in what is synced."""
        found = list(self._found(folder))
        if not found:
            raise ConfigurationError(
                f"there is no folder {folder[:200]!r} in what is synced", advice="Give its path, as paths of files begin, or its id."
            )
        for part, view, each in found:
            for item in self._children(part, view, each):
                if not is_folder(item) and not is_shortcut(item):
                    if "driveId" in item and calls.parent_of(item) == each.id:
                        # Asked for once: what lies in it follows it.
                        view.access.tops([each.id])
                    change = self._call.maker.change(item, each, view.access.of([item])[item["id"]], view.user)
                    if isinstance(change, Upserted):
                        yield change.ref

    def _found(self, folder: str) -> Iterator[tuple[Part, View, Folder]]:
        self._call.parts = parts = wanted_parts(self._config, self._call.views)
        if not folder and len(parts) > 1:
            return
        found = False
        for part in parts:
            below = _below(part.path, folder)
            if below is None:
                continue
            view = self._call.views.of(part.user)
            for each in self._walked(part, view, root_of(part, view), below):
                found = True
                yield part, view, each
        if not found and _ID.fullmatch(folder):
            yield from self._by_id(folder)

    def _walked(self, part: Part, view: View, root: Folder, names: list[str]) -> list[Folder]:
        """Several folders may have one path."""
        here = [root]
        for name in names:
            here = [
                Folder(item["id"], each.id, joined(each.path, name))
                for each in here
                for item in self._children(part, view, each, f"mimeType = '{FOLDER}'")
                if is_folder(item) and name_of(item.get("name", "")) == name
            ]
        return here

    def _children(self, part: Part, view: View, folder: Folder, also: str = "") -> Iterator[Json]:
        is_top = part.sort == "shared" and folder.id == part.root
        query = " and ".join(filter(None, (_SHARED if is_top else f"{quoted(folder.id)} in parents", also, "trashed = false")))
        seen: set[str] = set()
        for listed in calls.files(view.drive, Corpus() if is_top else part.corpus, query, self._config.page_size):
            yield from (item for item in listed.items if item["id"] not in seen and not seen.add(item["id"]))  # type: ignore[func-returns-value]

    def _by_id(self, folder_id: str) -> Iterator[tuple[Part, View, Folder]]:
        for part in self._call.parts:
            view = self._call.views.of(part.user)
            root = root_of(part, view)
            if root.id == folder_id:
                yield part, view, root
                return
            try:
                item = calls.get(view.drive, folder_id)
            except NotFound:
                continue
            if not is_folder(item) or item.get("trashed"):
                continue
            self._call.tree.put(root)
            self._call.placing.climb(view, [item])
            chain = [item, *self._call.placing.above(view, item)]
            top = self._call.placing.home(view, chain[-1])
            if top is not None and top.id == root.id:
                names = [name_of(each.get("name", "")) for each in reversed(chain)]
                yield part, view, Folder(folder_id, calls.parent_of(item), "/".join(filter(None, (root.path, *names))))
                return


def _below(prefix: str, folder: str) -> list[str] | None:
    """The names below the part; None where the path leads into none of it."""
    names = folder.split("/") if folder else []
    if not prefix:
        return names
    return names[1:] if names[:1] == [prefix] else None
