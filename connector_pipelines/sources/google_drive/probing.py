"""`connectors test`: what works and what does not, each found out by the cheapest call there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import quote

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Forbidden
from connector_pipelines.core.types import Ability, Probe
from connector_pipelines.sources.google_drive.calls import FOLDER, Corpus, drives, quoted, start_token
from connector_pipelines.sources.google_drive.client import Drive, Drives, Json, key_headers
from connector_pipelines.sources.google_drive.config import Config
from connector_pipelines.sources.google_drive.formats import NATIVE

__all__ = ["Prober"]

_USERS_TRIED: Final = 100
_AT_ONCE: Final = 8
_FILES_LOOKED_AT: Final = 50
# https://developers.google.com/workspace/drive/api/guides/ref-roles
_WHO_MAY: Final = (
    "Make the account an Editor of the folder, or a Contributor of the shared drive, to read who else may see them; or set"
    " `permissions: ignore`."
)
_FILE: Final = "id,name,mimeType,size,resourceKey,capabilities(canDownload)"


class Prober:
    """Tries what an endpoint of these settings needs."""

    def __init__(self, config: Config, google: Drives) -> None:
        self._config, self._google = config, google

    def probe(self) -> Probe:
        """Every ability, whatever the others came to."""
        users = self._config.users or (None,)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="drive-probe") as pool:
            signed_in = list(pool.map(self._signed_in, users[:_USERS_TRIED]))
        found = [ability for _, ability in signed_in]
        # What else there is, as the first who is let in: a colleague who left says nothing of it.
        at = next((at for at, ability in enumerate(found) if ability.works), None)
        if left := len(users) - len(signed_in):
            found.append(Ability("act as the others", works=True, detail=f"{left} more users were not tried."))
        if at is not None:
            found += _Tries(self._config, self._google.of(users[at])).abilities()
        return Probe(account=signed_in[at or 0][0], abilities=tuple(found))

    def _signed_in(self, user: str | None) -> tuple[str, Ability]:
        """Address of whom we are to Drive, and whether we are let in."""
        account = user or "unknown"

        def ask() -> str:
            nonlocal account
            told = self._google.of(user).call("about.get", fields="user(displayName,emailAddress)").get("user") or {}
            account = str(told.get("emailAddress") or account)
            return f"{told.get('displayName') or 'Somebody'}, {account}."

        ability = _tried(f"act as {user}" if user else "sign in", ask)
        return account, ability


class _Tries:
    """What is tried as one user, in this order: each goes by what the ones before found."""

    def __init__(self, config: Config, drive: Drive) -> None:
        self._config, self._drive = config, drive
        self._corpus, self._query = Corpus(), "trashed = false"
        self._top: Json | None = None
        self._files: list[Json] = []

    def abilities(self) -> Iterator[Ability]:
        if self._config.folder:
            yield _tried("see the folder", self._see_folder)
        elif self._config.shared_drive or self._config.all_shared_drives:
            yield _tried("see the shared drive" if self._config.shared_drive else "see shared drives", self._see_drives)
        yield _tried("list files", self._list)
        yield _tried("read a file", self._read)
        if self._config.permissions == "capture":
            yield _tried("read permissions", self._read_permissions)
        yield _tried("follow changes", self._follow)

    def _see_folder(self) -> str:
        folder_id = str(self._config.folder)
        self._query = f"{quoted(folder_id)} in parents and trashed = false"
        found = self._drive.call("files.get", fileId=folder_id, fields="id,name,mimeType,trashed,driveId", supportsAllDrives=True)
        self._corpus, self._top = Corpus(found.get("driveId")), found
        if found.get("mimeType") != FOLDER:
            raise ConfigurationError(f"{found.get('name')!r} is no folder", advice="Correct `folder`.")
        if found.get("trashed"):
            raise ConfigurationError(f"{found.get('name')!r} is in the trash", advice="Restore it, or correct `folder`.")
        return f"{found.get('name')}."

    def _see_drives(self) -> str:
        wanted, known = self._config.shared_drive, drives(self._drive)
        if wanted is None:
            self._in_drive(known, next(iter(known), None))
            return f"{len(known)} of them."
        found = [drive_id for drive_id, name in known.items() if wanted in {drive_id, name}]
        if len(found) != 1:
            met = "Several have that name" if found else f"It is none of the {len(known)} that this account is a member of"
            raise ConfigurationError(f"{met}: {wanted!r}", advice="Give the id of the drive, and make the account a member of it.")
        self._in_drive(known, found[0])
        return f"{known[found[0]]}."

    def _in_drive(self, known: Mapping[str, str], drive_id: str | None) -> None:
        self._corpus = Corpus(drive_id)
        self._top = {"id": drive_id, "name": known[drive_id]} if drive_id else None

    def _list(self) -> str:
        query = "sharedWithMe = true and trashed = false" if self._config.shared_with_me else self._query
        answer = self._drive.call("files.list", q=query, pageSize=_FILES_LOOKED_AT, fields=f"files({_FILE})", **self._corpus.params)
        self._files = answer.get("files", [])
        return f"{len(self._files)} found at a first look."

    def _read(self) -> str:
        readable = [file for file in self._files if (file.get("capabilities") or {}).get("canDownload", True)]
        stored = next((file for file in readable if int(file.get("size") or 0) and not str(file["mimeType"]).startswith(NATIVE)), None)
        if stored is None:
            return "None of those found has bytes to try it on."
        headers = {"range": "bytes=0-1023", **key_headers(_keys(stored))}
        with self._drive.http.download(f"files/{quote(stored['id'])}?alt=media&supportsAllDrives=true", headers=headers) as download:
            next(iter(download), b"")
        return f"{stored.get('name')}."

    def _read_permissions(self) -> str:
        # A shared drive or folder is asked about as such at each sync: what it answers counts for what lies in it.
        item = self._top or next(iter(self._files), None)
        if item is None:
            return "There is no file to try it on."
        name = item.get("name")
        try:
            self._drive.call(
                "permissions.list",
                fileId=item["id"],
                pageSize=1,
                fields="permissions(id)",
                supportsAllDrives=True,
                resource_keys=_keys(item),
            )
        except Forbidden as error:
            refused = f"Those of {name} are not shown to us: of such files, only this account counts as a reader"
            if self._top is None:
                # As for whatever others own and share with us to read only.
                return f"{refused}. {_WHO_MAY}"
            raise Forbidden(refused, advice=_WHO_MAY) from error
        return f"Those of {name}."

    def _follow(self) -> str:
        start_token(self._drive, self._corpus)
        return "Drive tells of them by itself where the connector has a `webhook` and CONNECTORS_PUBLIC_URL is set."


def _keys(item: Json) -> dict[str, str]:
    return {item["id"]: item["resourceKey"]} if item.get("resourceKey") else {}


def _tried(name: str, ask: Callable[[], str]) -> Ability:
    """Whether it works, and what came of it, or why not and what to do."""
    try:
        return Ability(name, works=True, detail=ask())
    except ConnectorError as error:
        return Ability(name, works=False, detail=" ".join(part for part in (f"{str(error).rstrip('.')}.", error.advice) if part))
