"""What one call of the source knows and has met: the tree, the users it looked as, what is still to be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector_pipelines.core.errors import SubjectRefused
from connector_pipelines.core.protocols import Folders
from connector_pipelines.core.types import Change
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import Corpus
from connector_pipelines.sources.google_drive.client import Json
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.crawling import Crawl
from connector_pipelines.sources.google_drive.items import Maker
from connector_pipelines.sources.google_drive.parts import Part, shared_root
from connector_pipelines.sources.google_drive.people import People, View, Views
from connector_pipelines.sources.google_drive.placing import Placing
from connector_pipelines.sources.google_drive.shortcuts import Branch, Shortcuts
from connector_pipelines.sources.google_drive.tree import NOTHING, Tree

__all__ = ["Pass"]


class Pass:
    """Of one call. Not for several threads at once.

    Args:
        recorded: The folders of the endpoint; nothing, for a snapshot.

    Attributes:
        parts: What is synced, at this moment.
        branches: Folders below which is to be listed.
        shared_again: Users of whom what they were given is to be looked at again: a folder went that may have held some of it.
        links: Place in the user's own feed, where it was asked for.
        refused: Users as whom nothing could be looked up: what is theirs may have been taken for gone.
    """

    def __init__(self, config: Config, people: People, recorded: Folders) -> None:
        self.config = config
        self.views = Views(people, recorded, with_access=config.permissions == "capture")
        self.tree = Tree(recorded)
        self.maker = Maker(config)
        self.placing = Placing(self.tree, [shared_root(user) for user in config.users or (None,)] if config.shared_with_me else ())
        self.shortcuts = Shortcuts(self.tree, self.placing, self.maker, lambda view, ids: self.everybody_sees(ids, but=view))
        self.crawl = Crawl(config, self.tree, self.placing, self.maker, self.shortcuts)
        if config.shared_with_me and recorded is not NOTHING:
            self.crawl.theirs = self.theirs
        self.parts: Sequence[Part] = ()
        self.branches: list[Branch] = []
        self.shared_again: set[str | None] = set()
        self.links: str | None = None
        self.refused: set[str | None] = set()

    @property
    def links_user(self) -> str | None:
        """Whose own feed tells of what shortcuts lead to, where the parts' feeds do not."""
        return self.config.users[0] if self.config.users else None

    def theirs(self, view: View, ids: set[str]) -> set[str]:
        """Those of `ids` that users before this one were given as well: it is for the first of them to tell, in a delta as in a snapshot."""
        left = set(ids)
        for other, there in self.everybody_sees(left, before=view.user) if view.user != self.parts[0].user else ():
            homes = {item["id"]: self.placing.own_home(other, item) for item in there}
            left -= {key for key, home in homes.items() if home is not None and self.tree.top(home) == shared_root(other.user)}
        return ids - left

    def everybody_sees(self, ids: set[str], *, before: str | None = None, but: View | None = None) -> Iterator[tuple[View, list[Json]]]:
        """Of `ids`, what each user sees as whom a part is read, in their order. The caller takes out of `ids` what it found.

        Args:
            before: The user at whom to end.
            but: Of whom not to ask.
        """
        for user in dict.fromkeys(part.user for part in self.parts):
            if not ids or (user is not None and user == before):
                return
            if but is not None and but.user == user:
                continue
            view = self.views.of(user)
            try:
                found = calls.get_many(view.drive, ids)
            except SubjectRefused:
                self.refused.add(user)
                continue
            there = [item for item in found.values() if item is not None and not item.get("trashed")]
            self.placing.climb(view, there)
            yield view, there

    def rest(self, *, is_snapshot: bool = False) -> Iterator[list[Change]]:
        """What the shortcuts and folders that were met lead to, until nothing is left to look at."""
        while self.shortcuts or self.branches or self.shared_again:
            yield from self._branches()
            yield from self._shared_again()
            if self.shortcuts:
                self._park_links()
                for changes, found in self.shortcuts.resolved(is_snapshot=is_snapshot):
                    self.branches += found
                    yield changes

    def _branches(self) -> Iterator[list[Change]]:
        branches, self.branches = self.branches, []
        ids = {branch.id for branch in branches}
        together: dict[tuple[str | None, str | None], list[Branch]] = {}
        for branch in branches:
            if not self.tree.lies_in(branch.id, ids):
                together.setdefault((branch.view.user, branch.corpus.drive_id), []).append(branch)
        for alike in together.values():
            yield from self.crawl.below(alike[0].view, alike[0].corpus, list(dict.fromkeys(branch.id for branch in alike)))
        # As they are now: those that lie in another of them were met again below it.
        yield [now for branch in branches if branch.then is not None and (now := self.tree.was(branch.id)) is not None]

    def _shared_again(self) -> Iterator[list[Change]]:
        users, self.shared_again = self.shared_again, set()
        for user in users:
            root = self.tree.was(shared_root(user))
            if root is not None:
                yield from self.crawl.shared(self.views.of(user), root, unknown_only=True)

    def _park_links(self) -> None:
        """Take the place in the user's feed before the first target is looked at, so that no change of one is missed."""
        if self.links is None and all(part.drive_id for part in self.parts):
            self.links = calls.start_token(self.views.of(self.links_user).drive, Corpus())
