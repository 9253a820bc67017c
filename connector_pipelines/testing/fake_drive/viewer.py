"""A Drive as one user sees it."""

from __future__ import annotations

from collections.abc import Mapping

from connector_pipelines.testing.fake_drive.items import RANKS, Held, Item, permission_id
from connector_pipelines.testing.fake_drive.state import State

__all__ = ["Viewer"]


class Viewer:
    """For one request: it looks at the state as it is now."""

    __slots__ = ("domain", "email", "now", "permission_id", "root_id", "state")

    def __init__(self, state: State, email: str) -> None:
        self.state = state
        self.email = email
        self.domain = email.rpartition("@")[2]
        self.permission_id = permission_id("user", email)
        self.root_id = state.users[email].root_id
        self.now = state.clock.now()

    def held(self, item: Item) -> Mapping[str, Held]:
        return self.state.access.held(item)

    def role(self, item: Item) -> str:
        return self.state.access.role(self.email, item) or "metadata"

    def can_share(self, item: Item) -> bool:
        return RANKS[self.role(item)] >= RANKS["writer"]

    def is_in(self, item: Item, folder_id: str) -> bool:
        """Directly."""
        parent = item.parent
        return parent is not None and parent.id == (self.root_id if folder_id == "root" else folder_id)

    def has_role(self, item: Item, who: str, role: str) -> bool:
        """That role or a stronger one. An owner has it alone."""
        address = self.email if who == "me" else who
        if role == "owner":
            return item.owner == address
        held = self.held(item)
        mine = held.get(permission_id("user", address)) or held.get(permission_id("group", address))
        return mine is not None and not mine.metadata_only and RANKS[mine.role] >= RANKS[role]

    def is_shared_with_me(self, item: Item) -> bool:
        """Given to the user itself, until that ends; not what lies in a folder they were given."""
        mine = item.grants.get(self.permission_id) if item.grants is not None and item.owner != self.email else None
        return mine is not None and (mine.expires_at is None or mine.expires_at > self.now)

    def sees_parent(self, item: Item) -> bool:
        return item.parent is not None and (
            (item.owner == self.email and item.parent.owner == self.email)
            or self.state.access.role(self.email, item.parent, by_link=False) is not None
        )
