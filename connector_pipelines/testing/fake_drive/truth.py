"""What a user can see, for tests to compare with what was made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connector_pipelines.testing.fake_drive.errors import DriveError
from connector_pipelines.testing.fake_drive.items import FOLDER, Item
from connector_pipelines.testing.fake_drive.state import State

__all__ = ["Access", "Truth", "truth_of"]


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """A permission in effect. `who` is an address or domain, or empty for anyone; `expires_at` microseconds since 1970, or None."""

    type: str
    who: str
    role: str
    discoverable: bool = False
    expires_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """An item as it is.

    Attributes:
        names: Of the folders between the scope and the item, and its own: names may have slashes.
        path: The same joined by slashes.
        sha256: Of its bytes, in hexadecimal; None where it has none of its own.
        text: Lines of a native document, or None.
        target: Id of a shortcut's target, or None.
        can_download: Whether this user may.
        acl: In effect now: without expired ones and those that see no more than the folder's name.
    """

    id: str
    names: tuple[str, ...]
    mime_type: str
    version: int
    modified_at: int
    size: int | None
    sha256: str | None
    head_revision_id: str | None
    trashed: bool
    owner: str | None
    drive_id: str | None
    parent_id: str | None
    text: str | None
    target: str | None
    can_download: bool
    acl: frozenset[Access]

    @property
    def path(self) -> str:
        return "/".join(self.names)

    @property
    def is_folder(self) -> bool:
        return self.mime_type == FOLDER


def truth_of(state: State, user: str, below: str | None, *, shared_with_me: bool) -> dict[str, Truth]:
    """Under the lock. What cannot be seen is an empty truth."""
    if shared_with_me:
        given = [
            item for item in state.given_to.get(user, {}).values() if state.access.role(user, item, by_link=False) and item.owner != user
        ]
        return {item.id: item_truth for top in given for item, item_truth in _tree(state, user, top, (), with_top=True)}
    try:
        top, _ = state.seen(user, below or "root")
    except DriveError:
        return {}
    return {item.id: item_truth for item, item_truth in _tree(state, user, top, (), with_top=False)}


def _tree(state: State, user: str, item: Item, names: tuple[str, ...], *, with_top: bool) -> Iterator[tuple[Item, Truth]]:
    waiting = [(item, names, with_top)]
    while waiting:
        each, above, is_told = waiting.pop()
        role = state.access.role(user, each)
        if role is None:
            continue
        here = (*above, each.name) if is_told else above
        if is_told:
            yield each, _truth(state, each, here, role)
        if role != "metadata":
            waiting.extend((child, here, True) for child in (each.children or {}).values())


def _truth(state: State, item: Item, names: tuple[str, ...], role: str) -> Truth:
    head, extras = item.head, item.extras
    return Truth(
        id=item.id,
        names=names,
        mime_type=item.mime_type,
        version=item.version,
        modified_at=item.modified_at // 1000 * 1000,
        size=head.size if head else None,
        sha256=head.checksum("sha256") if head else None,
        head_revision_id=head.id if head else None,
        trashed=state.access.is_trashed(item),
        owner=item.owner,
        drive_id=item.drive.id if item.drive else None,
        parent_id=item.parent.id if item.parent else None,
        text="\n".join(extras.native.blocks) if extras.native else None,
        target=extras.shortcut[0] if extras.shortcut else None,
        can_download=state.can_download(item, role),
        acl=_acl(state, item),
    )


def _acl(state: State, item: Item) -> frozenset[Access]:
    now = state.clock.now()
    return frozenset(
        Access(held.grant.type, held.grant.who, held.role, held.grant.allow_file_discovery, held.grant.expires_at)
        for held in state.access.held(item).values()
        if not held.metadata_only and (held.grant.expires_at is None or held.grant.expires_at > now)
    )
