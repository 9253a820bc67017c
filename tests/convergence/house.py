"""The installation under test: two endpoints on the fake API, three sinks, and what is asked of its catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.auth import ApiKeyAuth, Auth, BearerAuth
from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.errors import TransientError
from connector_pipelines.pipeline.retention import forget_history
from connector_pipelines.pipeline.session import open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration, inbox, schema
from connector_pipelines.store.catalog.failures import FailureRow, failures_of, retry
from connector_pipelines.testing.fake_api import ApiKeys, BearerTokens, RemoteFakeApi
from connector_pipelines.testing.fake_api.clock import START_AT, micros
from tests.convergence.streams import Told

__all__ = ["ENDPOINTS", "House"]

ENDPOINTS = ("crm", "erp")
_SINKS = {"table": "postgres_table", "search": "postgres_text", "vectors": "pgvector"}
_WEBHOOKS = [{"stream": name, "field": "object", "equals": [name], "key": ["id"]} for name in ("companies", "contacts")]
_NOTE_FIRST = "{{ properties.note }} ({{ properties.name }})"
_TRIES = 20


class House:
    """Services of this process, for configuring and looking; what is under test runs in others."""

    def __init__(self, database_url: str, folder: Path, api: RemoteFakeApi, streams: Sequence[Told], page: int) -> None:
        self.home, self.database_url = folder / "home", database_url
        self._api, self._streams, self._page, self._told = api, streams, page, 0
        schema.ensure(SecretStr(database_url), may_upgrade=True)
        self._services = open_services(load_settings({"CONNECTORS_HOME": str(self.home)}), SecretStr(database_url))
        self._auths = self._signed_up(folder)
        self.configure(note_first=False)
        with self._services.database.operator() as tx:
            self._connectors = {row["name"]: row for row in tx.execute("SELECT name, id::text, tenant_id::text FROM connectors").fetchall()}

    def close(self) -> None:
        self._services.close()

    def configure(self, *, note_first: bool) -> None:
        """`note_first`: contacts are to have another text than before."""
        connectors = tuple(
            ConnectorConfig(name=slug, kind="rest_api", auth=self._auths[slug], endpoints=(self._endpoint(slug, note_first=note_first),))
            for slug in ENDPOINTS
        )
        file = ConnectorsFile(sinks={name: SinkSettings(kind=kind) for name, kind in _SINKS.items()}, connectors=connectors)
        self._surely(lambda tx: configuration.apply(tx, file, actor="test"))

    def notify(self, stream: str, record_id: str) -> None:
        """What the gateway does with a genuine call. Connections are ended all the time, ours too; the other side calls again then."""
        crm, now = self._connectors["crm"], datetime.now(UTC)
        self._told += 1
        arrived = inbox.Arrived(
            tenant_id=crm["tenant_id"], connector_id=crm["id"], delivery_id=str(self._told), received_at=now, named=True,
            payload={"object": stream, "id": record_id},
        )  # fmt: skip
        self._surely(lambda tx: inbox.keep(tx, [arrived]), tenant_id=crm["tenant_id"])

    def forget(self, days_later: int) -> None:
        """What retention does at night, with its clock so many days ahead; nobody may be at work."""
        self._again(lambda: forget_history(self._services, "retention", datetime.now(UTC) + timedelta(days=days_later), patience_s=1.0))

    def retry(self) -> None:
        """Take up again whatever failed."""
        self._surely(retry)

    def failures(self) -> list[FailureRow]:
        found: list[FailureRow] = self._surely(lambda tx: failures_of(tx, limit=10_000))
        return found

    def unsettled(self, until: datetime, empty: Collection[str]) -> list[str]:
        """What is wrong with the places reached, and work that is left; nothing where all is done.

        Args:
            until: No place can be later.
            empty: Places where there is nothing to read.
        """
        rows = self._surely(lambda tx: tx.execute("SELECT slug, cursor FROM endpoints").fetchall())
        left = self._surely(lambda tx: tx.execute(
            """SELECT (SELECT count(*) FROM files WHERE status IN ('listed', 'stored', 'failed') OR claimed_by IS NOT NULL) AS files,
                      (SELECT count(*) FROM deliveries WHERE status NOT IN ('delivered', 'removed') OR owed) AS deliveries,
                      (SELECT count(*) FROM notifications_owed) AS notifications"""
        ).fetchone())  # fmt: skip
        wrong = [f"{n} {what} are not done with" for what, n in left.items() if n]
        for row in rows:
            places = json.loads(row["cursor"])["at"]
            wanted = {s.name for s in self._streams if s.endpoint == row["slug"] and s.has_cursor} | (
                {"deals/deleted"} if row["slug"] == "crm" else set()
            )
            wrong += [f"{row['slug']}: places of {sorted(places)}, not of {sorted(wanted)}"] if places.keys() != wanted else []
            wrong += [
                f"{name} was read to {at}"
                for name, (at, _) in places.items()
                if name not in empty and (at is None or not micros(START_AT) <= at <= micros(until))
            ]
        return wrong

    def _surely(self, ask: Any, *, tenant_id: str | None = None) -> Any:
        def asked() -> Any:
            with self._services.database.tenant(tenant_id) if tenant_id else self._services.database.operator() as tx:
                return ask(tx)

        return self._again(asked)

    @staticmethod
    def _again(act: Callable[[], Any]) -> Any:
        """A connection whose end was asked for may still answer for a moment."""
        for _ in range(_TRIES - 1):
            with suppress(TransientError):
                return act()
        return act()

    def _signed_up(self, folder: Path) -> dict[str, Auth]:
        for slug in ENDPOINTS:
            (folder / slug).write_text(f"secret-of-{slug}")
            (folder / slug).chmod(0o600)
        self._api.signs_in(BearerTokens(tokens={"crm": "secret-of-crm"}), ApiKeys(keys={"erp": "secret-of-erp"}))
        return {"crm": BearerAuth(token=f"file:{folder / 'crm'}"), "erp": ApiKeyAuth(key=f"file:{folder / 'erp'}")}

    def _endpoint(self, slug: str, *, note_first: bool) -> EndpointConfig:
        described = [stream.described() for stream in self._streams if stream.endpoint == slug]
        settings = {
            "base_url": self._api.url, "allow_private": True, "streams": described, "page_records": self._page * 2, "retry_budget": "4s",
            "read_timeout": "20s", "webhooks": _WEBHOOKS if slug == "crm" else [],
        }  # fmt: skip
        for one in described:
            if one["name"] == "contacts" and note_first:
                one["body"] = _NOTE_FIRST
        return EndpointConfig(slug=slug, settings=settings, max_delete_share=1.0, max_failed_share=1.0)
