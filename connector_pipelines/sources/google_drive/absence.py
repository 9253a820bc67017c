"""Whether files that a snapshot did not name are gone: each is looked up by its id, and the folders above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connector_pipelines.core.errors import NotFound, SubjectRefused
from connector_pipelines.core.protocols import Folders, Tools
from connector_pipelines.core.types import FileRef, Folder
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import parent_of
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.items import target_of
from connector_pipelines.sources.google_drive.locator import Locator, read_locator
from connector_pipelines.sources.google_drive.parts import Part, root_of, wanted_parts
from connector_pipelines.sources.google_drive.passing import Pass
from connector_pipelines.sources.google_drive.people import People, View
from connector_pipelines.sources.google_drive.tree import NOTHING

__all__ = ["Absence"]

Json = dict[str, Any]

_ANYWHERE = Folder("", None, "")


class Absence:
    """One call. Nothing recorded is believed, but for which shortcuts there were: each of them is looked up as well."""

    def __init__(self, config: Config, people: People, tools: Tools) -> None:
        self._config = config
        self._recorded: Folders = tools.folders
        self._call = Pass(config, people, NOTHING)
        self._roots: set[str] = set()

    def there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        """Ids of those that are there, in scope and wanted."""
        self._call.parts = wanted_parts(self._config, self._call.views)
        self._roots = {root for part in self._call.parts if (root := self._root(part)) is not None}
        by_user: dict[str | None, dict[str, Locator]] = {}
        for ref in refs:
            if (locator := _locator(ref)) is not None:
                by_user.setdefault(locator.user, {})[ref.id] = locator
        found: set[str] = set()
        for user, wanted in by_user.items():
            try:
                found.update(self._seen_by(self._call.views.of(user), wanted))
            except SubjectRefused:
                # As somebody who left nothing can be looked up: then it is not known to be gone.
                found.update(wanted)
        return frozenset(found)

    def _root(self, part: Part) -> str | None:
        if part.root is not None:
            return part.root
        try:
            return root_of(part, self._call.views.of(part.user)).id
        except SubjectRefused:
            return None

    def _seen_by(self, view: View, wanted: dict[str, Locator]) -> Iterator[str]:
        keys = {key: locator.resource_key for key, locator in wanted.items() if locator.resource_key is not None}
        refused: set[str] = set()
        found = calls.get_many(view.drive, wanted, keys, refused)
        # What cannot be read is not gone.
        yield from refused
        there = [item for item in found.values() if item is not None and not item.get("trashed")]
        there = [item for item in there if self._call.maker.change(item, _ANYWHERE, None, view.user) is not None]
        self._call.placing.climb(view, there)
        elsewhere = []
        for item in there:
            if self._is_inside(view, item):
                yield item["id"]
            else:
                elsewhere.append(item)
        if elsewhere and self._config.follow_shortcuts:
            yield from self._by_shortcuts(view, elsewhere)

    def _is_inside(self, view: View, item: Json) -> bool:
        return any(self._is_top(each) for each in (item, *self._call.placing.above(view, item)))

    def _is_top(self, item: Json) -> bool:
        if parent_of(item) in self._roots:
            return True
        return self._config.shared_with_me and "sharedWithMeTime" in item and not item.get("ownedByMe")

    def _by_shortcuts(self, view: View, items: Sequence[Json]) -> Iterator[str]:
        ways = {item["id"]: [item["id"], *(above["id"] for above in self._call.placing.above(view, item))] for item in items}
        leading = self._recorded.leading_to({each for way in ways.values() for each in way})
        found = calls.get_many(view.drive, {lead.id for leads in leading.values() for lead in leads})
        shortcuts = [item for item in found.values() if item is not None and not item.get("trashed")]
        self._call.placing.climb(view, shortcuts)
        reached = {target_of(item) for item in shortcuts if self._is_inside(view, item)}
        yield from (key for key, way in ways.items() if not reached.isdisjoint(way))


def _locator(ref: FileRef) -> Locator | None:
    try:
        return read_locator(ref.locator)
    except NotFound:
        return None
