"""Who may see what a user lists: told with the items of a My Drive, worked out folder by folder in a shared drive.

In a shared drive no item tells its permissions (`File.permissions`: "Not populated for items in shared drives"). It has those of the
folder it lies in, and more where `hasAugmentedPermissions` says so; only a folder of limited access has fewer
(`inheritedPermissionsDisabled`). So what is asked for is the drive's members, once in a pass, and the permissions of items that have some
of their own. The Acl of a folder is kept with it (`Folder.acl`), which is how the next pass knows it, and that it changed.

To whoever lists:

- Ask `FILE_FIELDS` of every item, and make an `Access` for each pass and user.
- `Access.of(items)` for each page, of a listing or a feed, folders and files alike, folders before what lies in them; a folder's goes
  into `Folder.acl`.
- At the beginning of a delta, `Access.tops(ids)` of the shared drives, or of the folder that is synced: one request, since no feed
  names what lies below, nor what lies above the folder. Compare with what is kept of it, and what `of` says of each folder that a
  feed names with what is kept of that. Where `below_changed`, list what lies below, and tell it again with the versions it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from connector_pipelines.core.access import Acl
from connector_pipelines.core.errors import ConnectorError, Malformed, TransientError, Unauthenticated, Unavailable
from connector_pipelines.core.protocols import Folders
from connector_pipelines.sources.google_drive.client import Ask, Json
from connector_pipelines.sources.google_drive.permissions import LIST_FIELDS, acl_of, only, with_more

__all__ = ["Access", "Batches"]

Told = Sequence[Json] | ConnectorError
"""All permissions of an item, or why they are not told."""

_FOLDER: Final = "application/vnd.google-apps.folder"
# Nothing is refused by these: whoever hears them asks again later, rather than take everybody's access away until the next sweep.
_NO_ANSWER: Final = (TransientError, Unauthenticated)


class Batches(Protocol):
    """What `Access` needs of the client, signed in as one user: `client.Drive` is one."""

    def batch(self, asks: Sequence[Ask], /) -> Sequence[Json | ConnectorError]:
        """The answer to each, or the error it met. Raises `ConnectorError` where nothing can be asked."""
        ...


class Access:
    """One user's view in one pass. Not for several threads at once.

    Args:
        user: Address of the user who lists.
        folders: Those recorded by passes before.
    """

    def __init__(self, drive: Batches, user: str, folders: Folders) -> None:
        self._drive = drive
        self._recorded = folders
        self._folders: dict[str, Acl] = {}
        self._equal: dict[Acl, Acl] = {}
        self._only_us = self._kept(only(user))
        self._user = user

    def tops(self, ids: Collection[str]) -> dict[str, Acl]:
        """Who may see shared drives (all of them: their members), or folders; each is asked for once in a pass.

        Raises:
            ConnectorError: Nothing can be asked just now. One that is refused is no error: all that is certain is that we see it.
        """
        missing = [each for each in ids if each not in self._folders]
        self._folders.update((key, self._told(told)) for key, told in self._asked(missing).items())
        return {each: self._folders[each] for each in ids}

    def of(self, items: Sequence[Json]) -> dict[str, Acl]:
        """Who may see each item, by id. Of a page, items that lie in one another may come in any order.

        Args:
            items: Resources `File` with `FILE_FIELDS`, `id` and `mimeType`.

        Raises:
            ConnectorError: Nothing can be asked just now.
        """
        page = {item["id"]: item for item in items}
        shared = [item for item in page.values() if "driveId" in item]
        self._recall({above for item in shared if (above := _above(item)) and above != item["driveId"]} - page.keys())
        asked = self._asked([item["id"] for item in shared if self._is_asked_for(item, page)])
        self.tops(list(_drives(item for item in shared if _is_followed(item, asked))))
        found: dict[str, Acl] = {}
        for item in page.values():
            self._settle(item, page, asked, found)
        self._folders.update((key, acl) for key, acl in found.items() if page[key].get("mimeType") == _FOLDER)
        return found

    def _recall(self, ids: set[str]) -> None:
        missing = ids - self._folders.keys()
        if missing:
            recorded = self._recorded.known(missing)
            self._folders.update((key, folder.acl) for key, folder in recorded.items() if folder.acl is not None)

    def _is_asked_for(self, item: Json, page: Mapping[str, Json]) -> bool:
        if item["id"] == item["driveId"]:
            return False
        if item.get("hasAugmentedPermissions") or item.get("inheritedPermissionsDisabled"):
            return True
        above = _above(item)
        # What it follows is not known: the top of what is synced, or something shared with us out of a drive that is not ours.
        return above not in page and above not in self._folders and above != item["driveId"]

    def _asked(self, ids: Sequence[str]) -> dict[str, Told]:
        pages: dict[str, list[Json]] = {each: [] for each in ids}
        found: dict[str, Told] = dict(pages)
        asks = {each: _ask(each) for each in ids}
        while asks:
            answers = dict(zip(asks, self._drive.batch(list(asks.values())), strict=True))
            asks = {}
            for key, answer in answers.items():
                if isinstance(answer, _NO_ANSWER):
                    raise answer
                if isinstance(answer, Malformed):
                    raise Unavailable(f"Drive does not tell who may see {key}: {answer}", advice=answer.advice) from answer
                if isinstance(answer, ConnectorError):
                    found[key] = answer
                    continue
                pages[key].extend(answer.get("permissions", ()))
                if answer.get("nextPageToken"):
                    asks[key] = _ask(key, answer["nextPageToken"])
        return found

    def _settle(self, item: Json, page: Mapping[str, Json], asked: Mapping[str, Told], found: dict[str, Acl]) -> Acl:
        key = item["id"]
        if key not in found:
            if "driveId" not in item:
                found[key] = self._told(item.get("permissions"))
            elif _is_followed(item, asked):
                above = self._settle_above(item, page, asked, found)
                found[key] = self._kept(with_more(above, self._user)) if key in asked else above
            else:
                found[key] = self._told(asked[key])
        return found[key]

    def _settle_above(self, item: Json, page: Mapping[str, Json], asked: Mapping[str, Told], found: dict[str, Acl]) -> Acl:
        if item["id"] == item["driveId"]:
            return self._folders[item["id"]]
        above = _above(item) or ""
        if above in page and above != item["driveId"]:
            return self._settle(page[above], page, asked, found)
        return self._folders.get(above, self._only_us)

    def _told(self, told: Told | None) -> Acl:
        return self._only_us if told is None or isinstance(told, ConnectorError) else self._kept(acl_of(told))

    def _kept(self, acl: Acl) -> Acl:
        # Most items of a drive have one and the same: kept once.
        return self._equal.setdefault(acl, acl)


def _ask(item_id: str, page_token: str | None = None) -> Ask:
    # 100 is the most of a page, and the default for shared drives only.
    params = {"fileId": item_id, "supportsAllDrives": True, "pageSize": 100, "fields": LIST_FIELDS, "pageToken": page_token}
    return Ask("permissions.list", params)


def _above(item: Json) -> str | None:
    parents = item.get("parents")
    return parents[0] if parents else None


def _drives(items: Iterable[Json]) -> Iterator[str]:
    """Ids of the drives whose members decide over an item."""
    yield from dict.fromkeys(item["driveId"] for item in items if item["driveId"] in {item["id"], _above(item)})


def _is_followed(item: Json, asked: Mapping[str, Told]) -> bool:
    """Whether an item of a shared drive has what its folder has; also where its own is refused, since access is expansive: whoever sees a
    folder sees what lies in it, but for folders of limited access."""
    told = asked.get(item["id"])
    return told is None or (isinstance(told, ConnectorError) and not item.get("inheritedPermissionsDisabled"))
