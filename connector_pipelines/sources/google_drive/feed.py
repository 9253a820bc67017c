"""What a sync reads: everything, or what changed since a place. Each part by its own change feed, and listed anew where that broke off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Below, Change, ChangePage, Cursor, Deleted, Folder, Unlistable
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import Corpus
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.entries import Looked, RootGone
from connector_pipelines.sources.google_drive.failing import Failing
from connector_pipelines.sources.google_drive.faults import PageTokenRejected
from connector_pipelines.sources.google_drive.pages import delta_pages, noted, snapshot_pages
from connector_pipelines.sources.google_drive.parts import Part, root_of, wanted_parts
from connector_pipelines.sources.google_drive.passing import Pass
from connector_pipelines.sources.google_drive.people import People
from connector_pipelines.sources.google_drive.permissions import below_changed
from connector_pipelines.sources.google_drive.place import Followed, Place, write_cursor
from connector_pipelines.sources.google_drive.tree import NOTHING

__all__ = ["Delta", "Snapshot"]

_INCOMPLETE = "unavailable"
# A batch of Drive has as many.
_MOST_TARGETS = 100


class Snapshot:
    """One call that names everything."""

    def __init__(self, config: Config, people: People, tools: Tools) -> None:
        self._config, self._people, self._tools = config, people, tools
        self._call = Pass(config, people, NOTHING)
        self._followed: dict[str, Followed] = {}

    def pages(self) -> Iterator[ChangePage]:
        self._call.parts = wanted_parts(self._config, self._call.views)
        self._call.shortcuts.lists_all = True
        yield from snapshot_pages(self._lists(), self._config.page_size, self._cursor)

    def _lists(self) -> Iterator[list[Change]]:
        call, failing = self._call, Failing(len(self._call.parts), self._tools.stop)
        errors: dict[str, ConnectorError] = {}
        for part in call.parts:
            # Before anything is listed, so that nothing changed meanwhile is missed.
            self._followed[part.key] = Followed(part.root, None)
            try:
                token = calls.start_token(call.views.of(part.user).drive, part.corpus)
            except ConnectorError as error:
                failing.met(part, error)
                errors[part.key] = error
            else:
                self._followed[part.key] = Followed(part.root, token)
        for part in call.parts:
            try:
                if part.key in errors:
                    raise errors[part.key]
                yield from self._part(part)
                failing.went_well()
            except ConnectorError as error:
                self._followed[part.key] = Followed(part.root, None)
                yield list(failing.met(part, error, self._known_path(part)))
        failing.end()
        yield from call.rest(is_snapshot=True)

    def _part(self, part: Part) -> Iterator[list[Change]]:
        call = self._call
        call.crawl.is_incomplete = False
        view = call.views.of(part.user)
        root = root_of(part, view)
        self._followed[part.key] = replace(self._followed[part.key], root=root.id)
        yield from call.crawl.part(part, view, root)
        if call.crawl.is_incomplete:
            self._followed[part.key] = Followed(root.id, None)
            yield [incomplete(part)]

    def _known_path(self, part: Part) -> str | None:
        known = self._tools.folders.known([part.root]).get(part.root) if part.root else None
        return known.path if known is not None else None

    def _cursor(self) -> Cursor:
        links = self._call.links if self._call.shortcuts.leads_out else None
        return write_cursor(Place(parts=self._followed, links=links, me=self._people.asked, targets=few(self._call.shortcuts.out)))


class Delta:
    """One call that tells what changed since a place."""

    def __init__(self, config: Config, people: People, tools: Tools, place: Place) -> None:
        self._config, self._people, self._tools = config, people, tools
        self._call = Pass(config, people, tools.folders)
        self._followed = dict(place.parts)
        self._links = place.links
        self._call.links = place.links
        self._call.shortcuts.out = dict(place.targets)
        people.remember(place.me)
        self._told = False

    def pages(self) -> Iterator[ChangePage]:
        """Raises `PageTokenRejected`, before anything was told, where the place of all there is, is refused."""
        call = self._call
        try:
            call.parts = [self._at(part) for part in wanted_parts(self._config, call.views)]
        except ConfigurationError:
            yield from self._to_be_listed_anew()
            raise
        yield from self._paged(iter([self._came_and_went(), self._changed_access()]))
        failing = Failing(len(call.parts), self._tools.stop)
        for part in call.parts:
            try:
                yield from self._part(part)
                failing.went_well()
            except PageTokenRejected:
                raise
            except ConnectorError as error:
                yield from self._paged(iter([list(failing.met(part, error))]))
        failing.end()
        yield from self._by_links()
        yield from self._by_targets()
        # There is always a page; and where the last ones were empty, their place is kept.
        yield ChangePage(changes=(), cursor=self._cursor())

    def _to_be_listed_anew(self) -> Iterator[ChangePage]:
        """A folder that is gone, or not for us just now: when it is there again, no feed tells of what changed in it meanwhile."""
        if self._config.folder is not None:
            self._followed = {key: replace(followed, token=None) for key, followed in self._followed.items()}
            yield ChangePage(changes=(), cursor=self._cursor())

    def _at(self, part: Part) -> Part:
        followed = self._followed.setdefault(part.key, Followed(part.root, None))
        return part if part.root is not None else replace(part, root=followed.root)

    def _came_and_went(self) -> list[Change]:
        """Drives that were renamed, and that are no longer there; and for each part its outermost folder, where it was never recorded."""
        tree, changes = self._call.tree, list[Change]()
        tree.load([part.root for part in self._call.parts])
        for part in self._call.parts:
            known = tree.was(part.root) if part.root is not None else None
            if part.root is not None and known is None:
                tree.put(Folder(part.root, None, part.path))
            elif known is not None and known.path != part.path:
                changes.append(replace(known, path=part.path))
                tree.put(replace(known, path=part.path))
        for key in self._followed.keys() - {part.key for part in self._call.parts}:
            root = self._followed.pop(key).root
            if root is not None:
                tree.remove(root)
                changes.append(Deleted(root))
        return changes

    def _changed_access(self) -> list[Change]:
        """Parts of which others see the whole now are listed anew: no feed tells of what lies in them."""
        by_user: dict[str | None, list[Part]] = {}
        for part in self._call.parts:
            if part.sort in {"drive", "folder"} and part.root is not None:
                by_user.setdefault(part.user, []).append(part)
        for user, parts in by_user.items():
            now = self._call.views.of(user).access.tops([part.root for part in parts if part.root])
            for part in parts:
                known = self._call.tree.was(part.root or "")
                if known is not None and known.acl is not None and below_changed(known.acl, now[part.root or ""]):
                    self._followed[part.key] = replace(self._followed[part.key], token=None)
        return []

    def _part(self, part: Part) -> Iterator[ChangePage]:
        token = self._followed[part.key].token
        if token is None:
            yield from self._anew(part)
            return
        try:
            yield from self._read(part, token)
        except PageTokenRejected:
            if len(self._call.parts) == 1 and not self._told:
                raise
            yield from self._anew(part)

    def _read(self, part: Part, token: str) -> Iterator[ChangePage]:
        view = self._call.views.of(part.user)
        for page in calls.entries(view.drive, part.corpus, token, self._config.page_size):
            self._call.crawl.begin_page()
            lists = Looked(self._call, view).changes(page.entries)
            try:
                yield from self._paged(lists, part.key, replace(self._followed[part.key], token=page.token))
            except RootGone:
                yield from self._to_be_listed_anew()
                raise

    def _anew(self, part: Part) -> Iterator[ChangePage]:
        """List the part, and say that nothing else is in it."""
        call = self._call
        call.crawl.begin_anew()
        call.shortcuts.lists_all = True
        view = call.views.of(part.user)
        token = calls.start_token(view.drive, part.corpus)
        root = root_of(part, view)
        ids: set[str] = set()
        yield from self._paged(noted(self._lists_of(part, root), ids))
        call.shortcuts.lists_all = False
        if call.crawl.is_incomplete:
            yield from self._paged(iter([[incomplete(part)]]))
        else:
            yield from self._paged(iter([[Below(root.id, frozenset(ids - {root.id}))]]), part.key, Followed(root.id, token))

    def _lists_of(self, part: Part, root: Folder) -> Iterator[list[Change]]:
        yield from self._call.crawl.part(part, self._call.views.of(part.user), root)
        yield from self._call.rest()

    def _by_links(self) -> Iterator[ChangePage]:
        """What shortcuts lead out to is told of by the user's own feed."""
        if self._links is None:
            self._links = self._call.links if self._call.shortcuts.leads_out else None
            return
        view = self._call.views.of(self._call.links_user)
        synced = {part.drive_id for part in self._call.parts}
        for page in calls.entries(view.drive, Corpus(), self._links, self._config.page_size):
            self._call.crawl.begin_page()
            others = [entry for entry in page.entries if (entry.get("file") or {}).get("driveId", "") not in synced]
            yield from self._paged(Looked(self._call, view).changes(others), links=page.token)

    def _by_targets(self) -> Iterator[ChangePage]:
        """What shortcuts lead out to may go, or come back, with a folder above it. As one user; of several, each sees something else."""
        call = self._call
        if call.shortcuts.out and len({part.user for part in call.parts}) == 1:
            call.shortcuts.look_again(call.views.of(call.parts[0].user))
            yield from self._paged(call.rest())

    def _paged(
        self, lists: Iterator[list[Change]], key: str | None = None, followed: Followed | None = None, links: str | None = None
    ) -> Iterator[ChangePage]:
        """Pages of what follows from one page of a feed, and then the place after it. Pages that tell nothing are left out."""
        before = self._cursor()

        def after() -> Cursor:
            if key is not None and followed is not None:
                self._followed[key] = followed
            self._links = links or self._links
            return self._cursor()

        for page in delta_pages(lists, self._config.page_size, before, after):
            if page.changes:
                self._told = True
                yield page

    def _cursor(self) -> Cursor:
        for part in self._call.parts:
            if part.user in self._call.refused:
                # Another's feed was read without them. Should they come back, their own may have told long ago of what they hold.
                self._followed[part.key] = replace(self._followed[part.key], token=None)
        targets = few(self._call.shortcuts.out)
        return write_cursor(Place(parts=self._followed, links=self._links, me=self._people.asked, targets=targets))


def few(targets: Mapping[str, bool]) -> Mapping[str, bool]:
    """`targets`, where they are as many as are looked up in one request at each sync; else none: sweeps find what became of them."""
    return targets if len(targets) <= _MOST_TARGETS else {}


def incomplete(part: Part) -> Unlistable:
    """https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list: `incompleteSearch`."""
    message = f"{part.name}: Drive says that its search was incomplete; it is listed again at the next sync"
    return Unlistable(part.path, _INCOMPLETE, message, remembered=True)
