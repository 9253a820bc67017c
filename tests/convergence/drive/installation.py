"""The installation under test: five endpoints on the fake Drive, two sinks of text, and what is asked of its catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from connector_pipelines.core.config import ConnectorConfig, EndpointConfig
from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.store.catalog.database import scoped
from connector_pipelines.testing.fake_drive import RemoteFakeDrive
from tests.convergence.drive.layout import Layout, Scope
from tests.convergence.house import House

__all__ = ["Installation"]

_SINKS = {"search": "postgres_text", "vectors": "pgvector"}

# Each time that a file is to be fetched is noted, beside the catalog: new, of another version, there again, or let go of without its bytes.
_WATCH = """
CREATE TABLE watched (endpoint_id uuid, item text);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF NEW.status = 'listed' AND (TG_OP = 'INSERT' OR OLD.version <> NEW.version OR OLD.status IN ('deleted', 'failed', 'skipped')
                                  OR (OLD.claimed_by IS NOT NULL AND NEW.claimed_by IS NULL)) THEN
        INSERT INTO watched VALUES (NEW.endpoint_id, NEW.external_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watched AFTER INSERT OR UPDATE ON files FOR EACH ROW EXECUTE FUNCTION watch();
"""


class Installation(House):
    def __init__(self, database_url: str, folder: Path, drive: RemoteFakeDrive, layout: Layout, page: int) -> None:
        super().__init__(database_url, folder, _SINKS)
        self._api_url, self._page = drive.url, page
        for name, key in layout.keys.items():
            (folder / f"{name}.json").write_text(json.dumps(key))
            (folder / f"{name}.json").chmod(0o600)
        self.apply(*(self._connector(folder, name, layout) for name in layout.keys))
        with psycopg.connect(database_url) as connection:
            connection.execute(_WATCH)

    def watched(self) -> list[dict[str, Any]]:
        """`endpoint` and `item`, for each time that a file was to be fetched."""
        with psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True) as connection:
            with scoped(connection, None) as tx:
                slugs = {row["id"]: row["slug"] for row in tx.execute("SELECT id, slug FROM endpoints").fetchall()}
            rows = connection.execute("SELECT endpoint_id, item FROM watched").fetchall()
        return [{"endpoint": slugs[row["endpoint_id"]], "item": row["item"]} for row in rows]

    def _connector(self, folder: Path, account: str, layout: Layout) -> ConnectorConfig:
        auth = GoogleServiceAccountAuth(key=f"file:{folder / account}.json")
        endpoints = tuple(self._endpoint(scope) for scope in layout.scopes if scope.account == account)
        return ConnectorConfig(name=account, kind="google_drive", auth=auth, endpoints=endpoints)

    def _endpoint(self, scope: Scope) -> EndpointConfig:
        settings = {**scope.settings, "api_url": self._api_url, "allow_private": True, "page_size": self._page}
        return EndpointConfig(slug=scope.slug, settings=settings, max_delete_share=1.0, max_failed_share=1.0)
