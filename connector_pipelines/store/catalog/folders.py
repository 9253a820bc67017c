"""The folders of an endpoint as its listing recorded them: what its source is lent as `Tools.folders`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from connector_pipelines.core.access import Acl
from connector_pipelines.core.types import Folder
from connector_pipelines.net.postgres import storable
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.database import Database

__all__ = ["CatalogFolders"]

_AT_ONCE = 5_000


class CatalogFolders:
    """Each call is a transaction of its own, in the endpoint's tenant: what was committed by then is seen. Keeps nothing."""

    def __init__(self, database: Database, endpoint: Endpoint) -> None:
        self._database, self._endpoint = database, endpoint

    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:
        return {folder.id: folder for folder in self._found("external_id", ids)}

    def leading_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:
        found: defaultdict[str, list[Folder]] = defaultdict(list)
        for folder in self._found("target", targets):
            found[folder.target or ""].append(folder)
        return {target: sorted(folders, key=lambda folder: folder.id) for target, folders in found.items()}

    def _found(self, column: str, values: Collection[str]) -> Iterator[Folder]:
        for some in _batches(sorted(set(map(storable, values)))):
            with self._database.tenant(self._endpoint.tenant_id) as tx:
                rows = tx.execute(
                    f"SELECT external_id, parent, path, target, acl FROM folders WHERE endpoint_id = %s AND {column} = ANY(%s)",
                    [self._endpoint.id, list(some)],
                ).fetchall()
            yield from map(_folder, rows)


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))


def _folder(row: Mapping[str, Any]) -> Folder:
    acl = None if row["acl"] is None else Acl.from_json(row["acl"])
    return Folder(row["external_id"], row["parent"], row["path"], row["target"], acl)
