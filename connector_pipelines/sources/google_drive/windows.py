"""What was last modified in some days: one enumeration by that time, however many days they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Change, ChangePage, DayRange, Folder
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import FOLDER, SHORTCUT
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.failing import Failing
from connector_pipelines.sources.google_drive.names import name_of
from connector_pipelines.sources.google_drive.pages import window_pages
from connector_pipelines.sources.google_drive.parts import Part, root_of, wanted_parts
from connector_pipelines.sources.google_drive.passing import Pass
from connector_pipelines.sources.google_drive.people import People, View
from connector_pipelines.sources.google_drive.tree import joined

__all__ = ["Window"]


class Window:
    """One call. Where an endpoint was never synced, its folders are listed first; folders that are new since, the feed tells of."""

    def __init__(self, config: Config, people: People, tools: Tools, days: DayRange) -> None:
        self._config = config
        self._call = Pass(config, people, tools.folders)
        self._query = _query(days)
        self._stop = tools.stop

    def pages(self) -> Iterator[ChangePage]:
        self._call.parts = wanted_parts(self._config, self._call.views)
        yield from window_pages(self._lists(), self._config.page_size)

    def _lists(self) -> Iterator[list[Change]]:
        failing = Failing(len(self._call.parts), self._stop)
        for part in self._call.parts:
            try:
                yield from self._part(part)
                failing.went_well()
            except ConnectorError as error:
                yield list(failing.met(part, error))
        failing.end()

    def _part(self, part: Part) -> Iterator[list[Change]]:
        view = self._call.views.of(part.user)
        root = root_of(part, view)
        is_known = self._call.tree.was(root.id) is not None
        if not is_known and part.sort == "shared":
            yield from self._call.crawl.part(part, view, root)
            return
        if not is_known:
            yield from self._call.crawl.folders(part, view, root)
        yield from self._files(part, view)

    def _files(self, part: Part, view: View) -> Iterator[list[Change]]:
        for listed in calls.files(view.drive, part.corpus, self._query, self._config.page_size):
            self._call.placing.climb(view, listed.items)
            homes = {item["id"]: home for item in listed.items if (home := self._home(view, item)) is not None}
            theirs = self._call.theirs(view, set(homes)) if part.sort == "shared" else set[str]()
            inside = [item for item in listed.items if item["id"] in homes.keys() - theirs]
            acls = view.access.of(inside)
            made = (self._call.maker.change(item, homes[item["id"]], acls[item["id"]], view.user) for item in inside)
            yield [change for change in made if change is not None]

    def _home(self, view: View, item: dict[str, object]) -> Folder | None:
        home = self._call.placing.home(view, item)
        if home is not None:
            return home
        # In a folder that is in scope, and new: it is not named here, lest the feed take it for known with all that it holds.
        names: list[str] = []
        for above in self._call.placing.above(view, item):
            names.append(name_of(above.get("name", "")))
            over = self._call.placing.home(view, above)
            if over is not None:
                path = over.path
                for name in reversed(names):
                    path = joined(path, name)
                return Folder(calls.parent_of(item) or "", over.id, path)
        return None


def _query(days: DayRange) -> str:
    """Instants without an offset are UTC (https://developers.google.com/workspace/drive/api/guides/search-files)."""
    parts = [f"mimeType != '{FOLDER}'", f"mimeType != '{SHORTCUT}'", "trashed = false"]
    if days.first is not None:
        parts.append(f"modifiedTime >= '{days.first.isoformat()}T00:00:00'")
    if days.last is not None:
        parts.append(f"modifiedTime < '{(days.last + timedelta(days=1)).isoformat()}T00:00:00'")
    return " and ".join(parts)
