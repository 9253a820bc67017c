"""What the company itself remembers of its Drive: what there is to edit, what was written, and what no feed can tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.convergence.bag import Bag

__all__ = ["Books"]


@dataclass(slots=True)
class Books:
    """By id.

    Attributes:
        files, natives, folders, shortcuts: What there may be; some of it may be gone, which is found out when it is edited.
        trashed: What was put in the trash by itself.
        texts: What was written last into files and documents.
        limited: Folders of limited access.
        given: What was given to the one whose endpoint syncs what is shared with them.
        withheld: Files that nobody may download, or that are flagged.
        drives: Names of shared drives; `members`: addresses of those who are in them.
        away: Folders that somebody lost or got back by other means than a move, and when (of this machine, in seconds since 1970).
        history: What was done to it, for whoever looks for the reason of a difference.
    """

    files: Bag = field(default_factory=Bag)
    natives: Bag = field(default_factory=Bag)
    folders: Bag = field(default_factory=Bag)
    shortcuts: Bag = field(default_factory=Bag)
    trashed: Bag = field(default_factory=Bag)
    texts: dict[str, str] = field(default_factory=dict)
    limited: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    drives: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    away: dict[str, float] = field(default_factory=dict)
    history: dict[str, list[str]] = field(default_factory=dict)

    @property
    def bags(self) -> tuple[Bag, ...]:
        return (self.files, self.natives, self.folders, self.shortcuts, self.trashed)

    def gone(self, id: str) -> None:  # noqa: A002 - the API's word
        for bag in self.bags:
            bag.discard(id)
        self.limited.discard(id)
        self.given.discard(id)
