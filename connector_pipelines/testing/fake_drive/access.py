"""Who may do what with an item: what was given to it, and what it has from the folders above and from its drive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from connector_pipelines.testing.fake_drive.items import RANKS, Grant, Held, Item, permission_id

__all__ = ["Rights"]

_OPEN_ALL: Final = frozenset({"owner", "organizer"})


class Rights:
    """Answers from memory until `forget`, which every edit calls.

    Args:
        now: Microseconds since 1970; permissions expire by it.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._passed_on: dict[tuple[str, str | None], Mapping[str, Held]] = {}
        self._trash: dict[str, bool] = {}

    def forget(self) -> None:
        self._passed_on.clear()
        self._trash.clear()

    def held(self, item: Item) -> Mapping[str, Held]:
        """Every permission that takes effect on the item, expired ones included, by its id."""
        above = self._from_above(item)
        if item.grants is None and not item.extras.limited:
            return above
        found = {key: _limited(held) for key, held in above.items()} if item.extras.limited else dict(above)
        for key, grant in (item.grants or {}).items():
            found[key] = _joined(grant, (grant.role, None, False), found.get(key))
        return found

    def role(self, email: str, item: Item, *, by_link: bool = True, by_domain: bool = True) -> str | None:
        """The strongest role of a user, ``metadata`` included, or None.

        Args:
            by_link: Whether what anyone with the link may counts, too.
            by_domain: Whether what the user's domain may counts, too.
        """
        best: str | None = None
        held_all = self.held(item)
        mine = held_all.get(permission_id("user", email))
        if mine and self._is_live(mine):
            best = "metadata" if mine.metadata_only else mine.role
        for held in held_all.values():
            grant = held.grant
            if grant.type in {"user", "group"} or held.metadata_only or not self._is_live(held):
                continue
            counts = by_link if grant.type == "anyone" else by_domain and email.rpartition("@")[2] == grant.who
            if counts and (best is None or RANKS[held.role] > RANKS[best]):
                best = held.role
        return best

    def people(self, item: Item) -> frozenset[str]:
        """Addresses of users with a permission of their own or an inherited one: those whose feeds the item is in."""
        return frozenset(held.grant.who for held in self.held(item).values() if held.grant.type == "user" and self._is_live(held))

    def is_trashed(self, item: Item) -> bool:
        """Itself, or a folder above it."""
        if item.trashed_at is not None or item.parent is None:
            return item.trashed_at is not None
        folder = item.parent
        if folder.id not in self._trash:
            self._trash[folder.id] = self.is_trashed(folder)
        return self._trash[folder.id]

    def _is_live(self, held: Held) -> bool:
        return held.grant.expires_at is None or held.grant.expires_at > self._now()

    def _from_above(self, item: Item) -> Mapping[str, Held]:
        if item.parent is None and item.drive is None:
            return _owned(item.owner or "")
        source = item.parent.id if item.parent else item.id
        key = (source, item.owner)
        if key not in self._passed_on:
            self._passed_on[key] = self._computed(item)
        return self._passed_on[key]

    def _computed(self, item: Item) -> Mapping[str, Held]:
        if item.parent is None:
            members = item.drive.members if item.drive else {}
            return {key: Held(grant, grant.role, ((grant.role, None, True),)) for key, grant in members.items()}
        folder = item.parent
        found = {
            key: _inherited(held, folder, new_owner=folder.owner != item.owner)
            for key, held in self.held(folder).items()
            if not held.metadata_only
        }
        if item.owner is not None:
            found |= _owned(item.owner)
        return found


def _owned(email: str) -> dict[str, Held]:
    grant = Grant(type="user", role="owner", who=email)
    return {grant.id: Held(grant, "owner", (("owner", None, False),))}


def _inherited(held: Held, folder: Item, *, new_owner: bool) -> Held:
    role = "writer" if held.role == "owner" and new_owner else held.role
    from_here = folder.drive.id if folder.parent is None and folder.drive else folder.id
    details = tuple(("writer" if each == "owner" else each, source or from_here, member) for each, source, member in held.details)
    return Held(held.grant, role, details)


def _limited(held: Held) -> Held:
    if held.role in _OPEN_ALL:
        return held
    return Held(held.grant, "reader", held.details, metadata_only=True)


def _joined(grant: Grant, detail: tuple[str, str | None, bool], above: Held | None) -> Held:
    if above is None or above.metadata_only:
        return Held(grant, grant.role, (detail,))
    stronger = grant.role if RANKS[grant.role] > RANKS[above.role] else above.role
    # The stronger of the two decides until when: a direct one that expires takes nothing of what is inherited.
    lasting = above.grant if RANKS[above.role] >= RANKS[grant.role] else grant
    return Held(lasting, stronger, (*above.details, detail))
