"""What a Drive is made of: users, shared drives, items and who may see them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from connector_pipelines.testing.fake_drive.content import Revision

__all__ = [
    "FOLDER", "NATIVE", "RANKS", "SHORTCUT", "Extras", "Grant", "Held", "Item", "Native", "SharedDrive", "User", "new_id", "permission_id",
]  # fmt: skip

_APPS: Final = "application/vnd.google-apps."
FOLDER: Final = _APPS + "folder"
SHORTCUT: Final = _APPS + "shortcut"
NATIVE: Final = {kind: _APPS + kind for kind in ("document", "spreadsheet", "presentation", "drawing", "script", "form", "site", "map")}
"""Documents without bytes of their own, by what `World.create_native` calls them."""

RANKS: Final = {"metadata": 0, "reader": 1, "commenter": 2, "writer": 3, "fileOrganizer": 4, "organizer": 5, "owner": 6}
"""Roles from weak to strong. `metadata` is no role of the API: it sees that a folder of limited access is there."""


@dataclass(slots=True)
class User:
    email: str
    name: str
    admin: bool = False
    suspended: bool = False
    root_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission as it was given.

    Attributes:
        type: ``user``, ``group``, ``domain`` or ``anyone``.
        who: An address, a domain, or empty for anyone.
        expires_at, given_at: Microseconds since 1970.
    """

    type: str
    role: str
    who: str = ""
    allow_file_discovery: bool = False
    expires_at: int | None = None
    given_at: int = 0
    given_by: str = ""

    @property
    def id(self) -> str:
        return permission_id(self.type, self.who, discoverable=self.allow_file_discovery)


@dataclass(frozen=True, slots=True)
class Held:
    """A permission as it takes effect on one item.

    Attributes:
        details: (role, id of what it is inherited from or None, whether by membership of the drive) of each way it came.
        metadata_only: By a folder of limited access, all that is left is that the folder is seen.
    """

    grant: Grant
    role: str
    details: tuple[tuple[str, str | None, bool], ...]
    metadata_only: bool = False


@dataclass(slots=True)
class SharedDrive:
    id: str
    name: str
    created_at: int
    members: dict[str, Grant] = field(default_factory=dict)
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A document of Google's own.

    Attributes:
        kind: As in `NATIVE`.
        blocks: Paragraphs; rows of cells parted by tabs; slides; lines of a drawing.
        padding: Bytes of no meaning that every export carries besides.
    """

    kind: str
    blocks: Sequence[str]
    padding: int = 0


@dataclass(slots=True)
class Extras:
    """What few items have.

    Attributes:
        limited: Folder of limited access (`inheritedPermissionsDisabled`).
        shortcut: Id, MIME type and resource key of the target as they were when the shortcut was made.
    """

    limited: bool = False
    resource_key: str | None = None
    abusive: bool = False
    downloadable: bool = True
    copy_requires_writer: bool = False
    shortcut: tuple[str, str, str | None] | None = None
    native: Native | None = None
    description: str | None = None


_PLAIN: Final = Extras()


@dataclass(slots=True, eq=False)
class Item:
    """A file, folder, shortcut or native document. Instants are microseconds since 1970.

    Attributes:
        number: Rises in the order of creation.
        owner: Address, or None for what is in a shared drive.
        trashed_at: When it was put in the trash itself, or None.
    """

    id: str
    number: int
    name: str
    mime_type: str
    parent: Item | None
    drive: SharedDrive | None
    owner: str | None
    created_at: int
    modified_at: int
    modified_by: str
    version: int = 1
    revisions: list[Revision] | None = None
    grants: dict[str, Grant] | None = None
    children: dict[str, Item] | None = None
    trashed_at: int | None = None
    trashed_by: str = ""
    rare: Extras | None = None

    @property
    def extras(self) -> Extras:
        """To look at; `own_extras` is to change."""
        return self.rare or _PLAIN

    def own_extras(self) -> Extras:
        if self.rare is None:
            self.rare = Extras()
        return self.rare

    @property
    def head(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    @property
    def is_root(self) -> bool:
        return self.parent is None


def new_id(prefix: str, number: int, characters: int = 32) -> str:
    """Looks like the real ones, and is the same for the same number: a test that fails, fails with the same ids again."""
    digest = hashlib.blake2b(f"{prefix}{number}".encode(), digest_size=24).digest()
    return prefix + base64.urlsafe_b64encode(digest).decode()[:characters]


@lru_cache(maxsize=4096)
def permission_id(kind: str, who: str, *, discoverable: bool = False) -> str:
    """Of a grantee, the same on every item, as the real one's are."""
    if kind == "anyone":
        return "anyone" if discoverable else "anyoneWithLink"
    number = int.from_bytes(hashlib.blake2b(f"{kind}:{who.lower()}".encode(), digest_size=8).digest())
    return f"{number:020d}"[:20] + ("k" if kind == "domain" else "")
