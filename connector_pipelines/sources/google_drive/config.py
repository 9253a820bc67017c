"""What an endpoint of kind `google_drive` may set."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.sources._globs import Scope
from connector_pipelines.sources.google_drive.formats import ExportSettings

__all__ = ["Config"]

_API: Final = "https://www.googleapis.com/"
_SCOPES: Final = ("my_drive", "folder", "shared_drive", "all_shared_drives", "shared_with_me")
_GLOBS: Final = "Globs on the name alone, not on the path: `*`, `?`, `[abc]`, `[!abc]`. Case counts."
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*/(\*|[a-z0-9][a-z0-9.+_-]*)")


def _user(address: str) -> str:
    if not re.fullmatch(r"[^@\s,]+@[^@\s,]+", address):
        raise ValueError("should be an address such as ann@example.com")
    return address.lower()


def _media_type(name: str) -> str:
    if not _TYPE.fullmatch(name.lower()):
        raise ValueError("should be a media type such as application/pdf, or all of a sort such as image/*")
    return name.lower()


def _extension(name: str) -> str:
    bare = name.lower().removeprefix(".")
    if not bare or "/" in bare:
        raise ValueError("should be an extension such as pdf")
    return bare


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("should be an address such as https://www.googleapis.com/")
    return url.rstrip("/") + "/"


User = Annotated[str, AfterValidator(_user)]
"""Address of a person, in lower case."""

_Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Config(SourceConfig):
    """Exactly one of `my_drive`, `folder`, `shared_drive`, `all_shared_drives`, `shared_with_me` says what is synced."""

    my_drive: bool = Field(False, description="My Drive of the account, or of each of `users`.")
    folder: _Id | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="A folder, with all below it: its id, which ends its address, `https://drive.google.com/drive/folders/ID`.",
    )
    shared_drive: _Id | None = Field(None, description="A shared drive: its id, or its name where only one drive has it.")
    all_shared_drives: bool = Field(
        False,
        description="Every shared drive the account is a member of, hidden ones too. Drives that come and go are noticed at each sync.",
    )
    shared_with_me: bool = Field(
        False, description="What others shared with the account, or with each of `users`: files, and folders with all below them."
    )
    users: tuple[User, ...] = Field(
        (),
        max_length=10_000,
        description="Whom to act as, by address, where the service account may (domain-wide delegation). Several: each one's `my_drive` or"
        " `shared_with_me`, below a folder of their address. Default: the account itself.",
    )
    mime_types: tuple[Annotated[str, AfterValidator(_media_type)], ...] = Field(
        (),
        description="Only files of these media types, as Drive tells them: `application/pdf`, `image/*`,"
        " `application/vnd.google-apps.document`. Default: all.",
    )
    extensions: tuple[Annotated[str, AfterValidator(_extension)], ...] = Field(
        (),
        description="Only files whose name ends so, in any case: `pdf`, `tar.gz`. A document of Google's own has the extension it is exported"
        " with. Default: all.",
    )
    names: tuple[str, ...] = Field(("*",), min_length=1, description=f"Only files of these names. {_GLOBS}")
    exclude_names: tuple[str, ...] = Field((".DS_Store", "~$*", ".~lock.*#"), description="No files of these names. Globs as in `names`.")
    owners: tuple[User, ...] = Field(
        (), description="Only files of these owners, by address. What is in a shared drive has no owner. Default: anyone's."
    )
    max_file_bytes: int | None = Field(
        None, gt=0, description="Bytes; a larger file is skipped, with that reason. Not for documents of Google's own. Null: no limit."
    )
    modified_from: date | None = Field(None, description="Only files last modified on this day (UTC) or later.")
    modified_to: date | None = Field(None, description="Only files last modified on this day (UTC) or earlier.")
    exports: ExportSettings = Field(ExportSettings(), description="What documents of Google's own are exported as.")
    acknowledge_abuse: bool = Field(
        False,
        description="True fetches files that Google takes for malware or spam, where the account owns them or organizes their shared drive."
        " False fails them.",
    )
    follow_shortcuts: bool = Field(
        True,
        description="True lists what a shortcut leads to outside of what is synced, below the shortcut; a target inside is listed once, in"
        " its own place. False skips shortcuts, with that reason.",
    )
    permissions: Literal["capture", "ignore"] = Field(
        "capture",
        description="`capture`: who may see a file is read and kept with its document; where that is refused, only whoever we are may."
        " `ignore`: it is not asked for, and everyone in the tenant may see everything.",
    )
    page_size: int = Field(1000, ge=1, le=1000, description="Files asked for in one request and recorded in one transaction.")
    api_url: Annotated[str, AfterValidator(_address)] = Field(
        _API, description="Where Google's APIs are: another for private access points, and for tests."
    )
    allow_private: bool = Field(False, description="True lets `api_url` be an address of a private network or of this machine.")

    @field_validator("names", "exclude_names")
    @classmethod
    def _readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if any("/" in pattern for pattern in patterns):
            raise ValueError("holds a glob with a slash: they are on names, not on paths")
        Scope.of(patterns, ())
        return patterns

    @model_validator(mode="after")
    def _one_thing(self) -> Config:
        chosen = [name for name in _SCOPES if getattr(self, name)]
        if len(chosen) != 1:
            met = f"not {' and '.join(chosen)}" if chosen else "none is given"
            raise ValueError(f"give exactly one of {', '.join(_SCOPES)}; {met}")
        if len(self.users) > 1 and not (self.my_drive or self.shared_with_me):
            raise ValueError(f"{chosen[0]} is read by one user; `users` has {len(self.users)}")
        if len(set(self.users)) < len(self.users):
            raise ValueError("users has an address twice")
        if self.owners and (self.shared_drive or self.all_shared_drives):
            raise ValueError("owners: files of shared drives have none, so that none would be synced")
        if self.modified_from and self.modified_to and self.modified_from > self.modified_to:
            raise ValueError("modified_from is after modified_to")
        return self
