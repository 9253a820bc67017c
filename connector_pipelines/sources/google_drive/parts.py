"""What is synced, in parts that are listed and followed each by itself: a user's drive, a shared drive, a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound
from connector_pipelines.core.types import Folder
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import Corpus
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.items import is_folder, is_shortcut
from connector_pipelines.sources.google_drive.names import name_of
from connector_pipelines.sources.google_drive.people import View, Views

__all__ = ["Part", "root_of", "shared_root", "wanted_parts"]

_SHARED: Final = "sharedWithMe"
# As those of shared drives begin. A name that looks like one costs a request more.
_ID: Final = re.compile(r"0[A-Za-z0-9_-]{14,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of them.

    Attributes:
        key: Names it in the cursor.
        user: As whom it is read; None for the account itself.
        root: Id of its outermost folder; None for a My Drive before that was asked for.
        path: Of that folder: what paths below begin with. Empty where there is one part only.
        drive_id: The shared drive it lies in, which has a feed of its own; None for the user's feed.
    """

    key: str
    sort: Literal["my_drive", "folder", "drive", "shared"]
    user: str | None
    root: str | None
    path: str = ""
    drive_id: str | None = None

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.drive_id)

    @property
    def name(self) -> str:
        """For messages."""
        whose = f" of {self.user}" if self.user else ""
        match self.sort:
            case "my_drive":
                return f"My Drive{whose}"
            case "shared":
                return f"what is shared with {self.user or 'the account'}"
            case "folder":
                return f"the folder {self.root}"
            case "drive":
                return f"the shared drive {self.path or self.root}"


def wanted_parts(config: Config, views: Views) -> list[Part]:
    """The parts there are by the settings, at this moment; at least one.

    Raises:
        ConfigurationError: What is to be synced is not there, or cannot be seen, or is something else.
    """
    users = config.users or (None,)
    if config.my_drive:
        return [Part(key=f"user:{each or ''}", sort="my_drive", user=each, root=None, path=_prefix(config, each)) for each in users]
    if config.shared_with_me:
        return [
            Part(key=f"user:{each or ''}", sort="shared", user=each, root=shared_root(each), path=_prefix(config, each)) for each in users
        ]
    view = views.of(users[0])
    if config.folder is not None:
        return [_folder(view, config.folder)]
    if config.shared_drive is not None:
        return [_drive_part(view.user, _drive_named(view, config.shared_drive))]
    found = calls.drives(view.drive)
    if not found:
        raise ConfigurationError(
            f"{view.address} is a member of no shared drive",
            advice="Add it to the shared drives that are to be synced, as a viewer at least.",
        )
    return [_drive_part(view.user, drive_id, name_of(name)) for drive_id, name in sorted(found.items())]


def root_of(part: Part, view: View) -> Folder:
    """The outermost folder of a part as it is now. Raises `ConnectorError` where it cannot be asked for."""
    if part.sort == "shared" and part.root is not None:
        return Folder(part.root, None, part.path)
    if part.sort == "my_drive":
        return Folder(part.root or calls.get(view.drive, "root")["id"], None, part.path)
    root = part.root or ""
    return Folder(root, None, part.path, acl=view.access.tops([root])[root])


def shared_root(user: str | None) -> str:
    """Id of the folder that stands for what is shared with a user: there is none in Drive."""
    return f"{_SHARED}:{user}" if user else _SHARED


def _folder(view: View, folder_id: str) -> Part:
    try:
        found = calls.get(view.drive, folder_id)
    except (NotFound, Forbidden) as error:
        if type(error) not in {NotFound, Forbidden}:
            raise
        raise ConfigurationError(
            f"the folder {folder_id} does not exist, or {view.address} cannot see it",
            advice="Correct `folder`: its address ends with its id. Or share the folder with that account.",
        ) from error
    if is_shortcut(found):
        target = (found.get("shortcutDetails") or {}).get("targetId")
        raise ConfigurationError(
            f"{folder_id} is a shortcut to {target} and no folder", advice="Set `folder` to the id of what it leads to."
        )
    if not is_folder(found):
        raise ConfigurationError(
            f"{folder_id} is a file ({found.get('mimeType')}) and no folder", advice="Set `folder` to the id of the folder it lies in."
        )
    if found.get("trashed"):
        raise ConfigurationError(f"the folder {folder_id} is in the trash", advice="Restore it, or set `folder` to another.")
    drive_id = found.get("driveId")
    if drive_id == found["id"]:
        return _drive_part(view.user, drive_id)
    return Part(key=f"folder:{found['id']}", sort="folder", user=view.user, root=found["id"], drive_id=drive_id)


def _drive_named(view: View, wanted: str) -> str:
    """Id of the shared drive that has this id or name."""
    if _ID.fullmatch(wanted):
        try:
            found = view.drive.call("drives.get", driveId=wanted, fields="id")
        except (NotFound, Forbidden) as error:
            if type(error) not in {NotFound, Forbidden}:
                raise
        else:
            return str(found["id"])
    known = calls.drives(view.drive)
    named = [wanted] if wanted in known else [drive_id for drive_id, name in known.items() if name == wanted]
    if len(named) > 1:
        raise ConfigurationError(
            f"{len(named)} shared drives are called {wanted!r}",
            advice=f"Set `shared_drive` to the id of one of them: {', '.join(sorted(named))}.",
        )
    if not named:
        raise ConfigurationError(
            f"there is no shared drive {wanted!r}, or {view.address} is no member of it",
            advice=f"It is a member of {', '.join(sorted(map(repr, known.values()))) or 'none'}. Correct `shared_drive`, or add the account.",
        )
    return named[0]


def _drive_part(user: str | None, drive_id: str, path: str = "") -> Part:
    return Part(key=f"drive:{drive_id}", sort="drive", user=user, root=drive_id, path=path, drive_id=drive_id)


def _prefix(config: Config, user: str | None) -> str:
    return name_of(user) if user and len(config.users) > 1 else ""
