"""The state of a fake Google Drive, and every edit a person could make in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from connector_pipelines.testing.fake_api.clock import Clock, micros
from connector_pipelines.testing.fake_drive.content import Revision
from connector_pipelines.testing.fake_drive.edits import Edit
from connector_pipelines.testing.fake_drive.items import FOLDER, NATIVE, SHORTCUT, Grant, Item, Native, permission_id
from connector_pipelines.testing.fake_drive.people import People
from connector_pipelines.testing.fake_drive.truth import Truth, truth_of

__all__ = ["World"]

_KEPT_REVISIONS: Final = 100


class World(People):
    """A Drive in memory. Every method is one edit, by any thread; what is told of it is how it is when somebody looks.

        world = World()
        world.add_user("ada@example.com")
        folder = world.create(owner="ada@example.com", name="Plans", mime_type=FOLDER)
        world.create(owner="ada@example.com", parent=folder, name="a.txt", content=b"hello")

    An edit of a folder makes an entry for the folder alone: its path, trash or permissions change what lies below without a word.

    Args:
        clock: Its own where none is given: each edit a second after the one before.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)

    def create(
        self,
        *,
        owner: str | None = None,
        parent: str | None = None,
        name: str,
        content: bytes | None = None,
        size: int = 0,
        mime_type: str = "text/plain",
        modified_at: datetime | None = None,
        description: str | None = None,
    ) -> str:
        """A file or folder. Gives its id.

        Args:
            owner: Needed where no parent is named; otherwise that of the folder. In a shared drive, who made it.
            parent: A folder or shared drive; None: the owner's My Drive.
            content: None: `size` bytes of text made from the id. Nothing of both for a folder (`items.FOLDER`).
            modified_at: Aware; an upload may keep the time of the file on disk. None: now.
        """
        with self._edit() as edit:
            item = self._created(edit, owner, parent, name, mime_type, modified_at)
            if mime_type != FOLDER:
                self._add_revision(item, content, size if content is None else len(content))
            if description is not None:
                item.own_extras().description = description
            return item.id

    def create_folder(self, name: str, *, owner: str | None = None, parent: str | None = None) -> str:
        return self.create(owner=owner, parent=parent, name=name, mime_type=FOLDER)

    def create_native(
        self,
        kind: str,
        text: str | Sequence[str],
        *,
        owner: str | None = None,
        parent: str | None = None,
        name: str,
        padding: int = 0,
        modified_at: datetime | None = None,
    ) -> str:
        """A document of Google's own. Gives its id.

        Args:
            kind: ``document``, ``spreadsheet``, ``presentation``, ``drawing``, ``script``; and, which nothing exports, ``form``, ``site``, ``map``.
            text: Lines, or a string of lines: paragraphs; rows of cells parted by tabs; slides; texts of a drawing.
            padding: Bytes that every export carries besides; over 10 MB, `files.export` refuses.
        """
        with self._edit() as edit:
            item = self._created(edit, owner, parent, name, NATIVE[kind], modified_at)
            item.own_extras().native = Native(kind=kind, blocks=_lines(text), padding=padding)
            return item.id

    def make_shortcut(self, target: str, *, owner: str | None = None, parent: str | None = None, name: str = "") -> str:
        """A shortcut: it says of its target what was true when it was made, for good, even when the target is gone."""
        with self._edit() as edit:
            there = self.state.items[target]
            item = self._created(edit, owner, parent, name or there.name, SHORTCUT, None)
            item.own_extras().shortcut = (there.id, there.mime_type, there.extras.resource_key)
            return item.id

    def fill(  # what a file has, and how many
        self,
        parent: str,
        count: int,
        size: int = 20_000,
        *,
        suffix: str = ".txt",
        mime_type: str = "text/plain",
        modified_at: datetime | None = None,
        apart: timedelta = timedelta(0),
    ) -> list[str]:
        """Many files at once, named ``file-000000.txt`` and on, their text made from their ids when asked for. Gives their ids.

        Args:
            modified_at: Of the first; None: now.
            apart: How much later each is than the one before.
        """
        with self._edit() as edit:
            folder = self.state.items[parent]
            first, step = micros(modified_at) if modified_at else edit.at, apart // timedelta(microseconds=1)
            begin = len(folder.children or {})
            for each in range(count):
                name = f"file-{begin + each:06d}{suffix}"
                item = self._new_item(edit, name, mime_type, parent=folder, drive=folder.drive, owner=folder.owner)
                item.modified_at = first + each * step
                item.revisions = [Revision(item.id, 1, None, size, item.modified_at, item.modified_by)]
                edit.made(item)
            return list(folder.children or {})[begin:]

    def update_content(
        self,
        id: str,  # noqa: A002 - the API's word
        content: bytes | None = None,
        *,
        size: int = 0,
        modified_at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """A new revision of a binary file; of a native document, its lines (UTF-8)."""
        with self._edit() as edit:
            item = self._changing(edit, id)
            self._stamp(item, edit, modified_at, by)
            extras = item.extras
            if extras.native:
                lines = _lines((content or b"").decode())
                item.own_extras().native = Native(kind=extras.native.kind, blocks=lines, padding=extras.native.padding)
                return
            self._add_revision(item, content, size if content is None else len(content))

    def rename(self, id: str, name: str) -> None:  # noqa: A002 - the API's word
        """The time of modification changes, as in the real one."""
        with self._edit() as edit:
            item = self._changing(edit, id)
            item.name = name
            self._stamp(item, edit)

    def retype(self, id: str, mime_type: str) -> None:  # noqa: A002 - the API's word
        with self._edit() as edit:
            self._changing(edit, id).mime_type = mime_type

    def touch(self, id: str) -> None:  # noqa: A002 - the API's word
        """A change nobody can see: the version rises, and there is an entry."""
        with self._edit() as edit:
            self._changing(edit, id)

    def move(self, id: str, parent: str) -> None:  # noqa: A002 - the API's word
        """To another folder, into a shared drive or out of it (then it is owned by the owner of the folder). Times stay."""
        with self._edit() as edit:
            item, folder = self._changing(edit, id), self.state.items[parent]
            if folder is item or folder in set(self.state.below(item)):
                raise ValueError(f"{parent} lies in {id}")
            crosses = folder.drive is not item.drive
            lower = list(self.state.below(item)) if crosses else []
            for each in (item, *lower):
                if crosses:
                    self._unplace(each)
                    each.drive, each.owner = folder.drive, None if folder.drive else folder.owner
                    each.parent = folder if each is item else each.parent
                    self._place(each)
            if not crosses:
                self._unplace(item)
                item.parent = folder
                self._place(item)

    def trash(self, id: str, *, by: str | None = None) -> None:  # noqa: A002 - the API's word
        """What lies below is in the trash with it, not explicitly, and without entries of its own."""
        with self._edit() as edit:
            item = self._changing(edit, id)
            item.trashed_at, item.trashed_by = edit.at, by or item.owner or item.modified_by

    def untrash(self, id: str) -> None:  # noqa: A002 - the API's word
        """Its times stay as they were."""
        with self._edit() as edit:
            self._changing(edit, id).trashed_at = None

    def delete(self, id: str) -> None:  # noqa: A002 - the API's word
        """For good, with what lies below; of that, there are no entries. What others own in it moves to the root of their My Drive."""
        with self._edit() as edit:
            item = self._no_root(id)
            for each in list(self.state.below(item)):
                if each.owner == item.owner:
                    self._drop(edit, each, told=False)
                elif each.parent is not None and each.parent.owner == item.owner:
                    self._send_home(edit, each)
            self._drop(edit, item)

    def share(
        self,
        id: str,  # noqa: A002 - the API's word
        type: str = "user",  # noqa: A002 - the API's word
        role: str = "reader",
        who: str = "",
        *,
        allow_file_discovery: bool = False,
        expires_at: datetime | None = None,
    ) -> str:
        """Give a permission, or change the one there is. Gives its id. One entry, for the item alone.

        Args:
            type: ``user`` or ``group`` (who: an address), ``domain`` (who: its name), ``anyone``.
            expires_at: Aware.
        """
        with self._edit() as edit:
            item = self._changing(edit, id)
            until = micros(expires_at) if expires_at else None
            by = item.owner or item.modified_by
            grant = Grant(
                type=type, role=role, who=who, allow_file_discovery=allow_file_discovery, expires_at=until, given_at=edit.at, given_by=by
            )
            item.grants = {**(item.grants or {}), grant.id: grant}
            if type == "user":
                self.state.given_to.setdefault(who, {})[item.id] = item
            return grant.id

    def unshare(self, id: str, type: str = "user", who: str = "", *, allow_file_discovery: bool = False) -> None:  # noqa: A002 - the API's words
        """Take back what was given to the item itself; what it inherits stays. `KeyError` where there is no such permission."""
        with self._edit() as edit:
            item = self._changing(edit, id)
            left = dict(item.grants or {})
            del left[permission_id(type, who, discoverable=allow_file_discovery)]
            item.grants = left or None
            if type == "user":
                self.state.given_to.get(who, {}).pop(id, None)

    def limit_access(self, id: str, *, limited: bool = True) -> None:  # noqa: A002 - the API's word
        """A folder of limited access (`inheritedPermissionsDisabled`): what it inherits counts for owners and organizers only."""
        with self._edit() as edit:
            self._changing(edit, id).own_extras().limited = limited

    def need_resource_key(self, id: str) -> str:  # noqa: A002 - the API's word
        """From now on, whoever has the item by a link needs this key, too."""
        with self._edit() as edit:
            item = self._changing(edit, id)
            key = item.own_extras().resource_key = f"0-{permission_id('key', id)[:18]}"
            return key

    def mark(
        self,
        id: str,  # noqa: A002 - the API's word
        *,
        abusive: bool | None = None,
        downloadable: bool | None = None,
        copy_requires_writer: bool | None = None,
        padding: int | None = None,
    ) -> None:
        """Change what is named: flagged as malware; whether anyone may download it; whether readers may; how large its exports are."""
        with self._edit() as edit:
            extras = self._changing(edit, id).own_extras()
            extras.abusive = extras.abusive if abusive is None else abusive
            extras.downloadable = extras.downloadable if downloadable is None else downloadable
            extras.copy_requires_writer = extras.copy_requires_writer if copy_requires_writer is None else copy_requires_writer
            if padding is not None and extras.native:
                extras.native = Native(kind=extras.native.kind, blocks=extras.native.blocks, padding=padding)

    def truth(self, user: str, *, below: str | None = None, shared_with_me: bool = False) -> dict[str, Truth]:
        """What the user can see by id, trashed included: below a folder or shared drive; shared with them; or, neither given, in their My Drive."""
        with self.state.lock:
            return truth_of(self.state, user, below, shared_with_me=shared_with_me)

    def content(self, id: str) -> bytes:  # noqa: A002 - the API's word
        """Bytes of the head revision. `KeyError` where there is no such file; empty where it has none."""
        with self.state.lock:
            head = self.state.items[id].head
            return head.read() if head else b""

    def _created(  # noqa: PLR0917 - what an item has
        self, edit: Edit, owner: str | None, parent: str | None, name: str, mime_type: str, modified_at: datetime | None
    ) -> Item:
        if parent is None and owner is None:
            raise ValueError(f"{name}: an owner or a parent is needed")
        folder = self.state.items[parent or self.state.users[owner or ""].root_id]
        item = self._new_item(
            edit, name, mime_type, parent=folder, drive=folder.drive, owner=None if folder.drive else owner or folder.owner
        )
        item.modified_by = owner or item.modified_by
        if modified_at is not None:
            item.modified_at = micros(modified_at)
        edit.made(item)
        return item

    def _changing(self, edit: Edit, file_id: str) -> Item:
        item = self._no_root(file_id)
        edit.touch(item)
        return item

    def _no_root(self, file_id: str) -> Item:
        item = self.state.items[file_id]
        if item.is_root:
            raise ValueError(f"{file_id} is the root of a Drive; a shared drive is changed by the methods for drives")
        return item

    @staticmethod
    def _stamp(item: Item, edit: Edit, modified_at: datetime | None = None, by: str | None = None) -> None:
        item.modified_at = micros(modified_at) if modified_at else edit.at
        item.modified_by = by or item.owner or item.modified_by

    @staticmethod
    def _add_revision(item: Item, content: bytes | None, size: int) -> None:
        kept = item.revisions or []
        number = kept[-1].number + 1 if kept else 1
        item.revisions = [*kept[-_KEPT_REVISIONS:], Revision(item.id, number, content, size, item.modified_at, item.modified_by)]


def _lines(text: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(text.splitlines() if isinstance(text, str) else text)
