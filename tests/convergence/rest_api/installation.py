"""The installation under test: two endpoints on the fake API, three sinks, and what is asked of its catalog."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector_pipelines.core.auth import ApiKeyAuth, Auth, BearerAuth
from connector_pipelines.core.config import ConnectorConfig, EndpointConfig
from connector_pipelines.store.catalog import inbox
from connector_pipelines.testing.fake_api import ApiKeys, BearerTokens, RemoteFakeApi
from connector_pipelines.testing.fake_api.clock import START_AT, micros
from tests.convergence.house import House
from tests.convergence.rest_api.streams import Told

__all__ = ["ENDPOINTS", "Installation"]

ENDPOINTS = ("crm", "erp")
_SINKS = {"table": "postgres_table", "search": "postgres_text", "vectors": "pgvector"}
_WEBHOOKS = [{"stream": name, "field": "object", "equals": [name], "key": ["id"]} for name in ("companies", "contacts")]
_NOTE_FIRST = "{{ properties.note }} ({{ properties.name }})"


class Installation(House):
    def __init__(self, database_url: str, folder: Path, api: RemoteFakeApi, streams: Sequence[Told], page: int) -> None:
        super().__init__(database_url, folder, _SINKS)
        self._api, self._streams, self._page, self._told = api, streams, page, 0
        self._auths = self._signed_up(folder)
        self.configure(note_first=False)
        self._connectors = {row["name"]: row for row in self.asked("SELECT name, id::text, tenant_id::text FROM connectors")}

    def configure(self, *, note_first: bool) -> None:
        """`note_first`: contacts are to have another text than before."""
        self.apply(
            *(
                ConnectorConfig(
                    name=slug, kind="rest_api", auth=self._auths[slug], endpoints=(self._endpoint(slug, note_first=note_first),)
                )
                for slug in ENDPOINTS
            )
        )

    def notify(self, stream: str, record_id: str) -> None:
        """What the gateway does with a genuine call. Connections are ended all the time, ours too; the other side calls again then."""
        crm, now = self._connectors["crm"], datetime.now(UTC)
        self._told += 1
        arrived = inbox.Arrived(
            tenant_id=crm["tenant_id"], connector_id=crm["id"], delivery_id=str(self._told), received_at=now, named=True,
            payload={"object": stream, "id": record_id},
        )  # fmt: skip
        self.surely(lambda tx: inbox.keep(tx, [arrived]), tenant_id=crm["tenant_id"])

    def unsettled(self, until: datetime, empty: Collection[str]) -> list[str]:
        """What is wrong with the places reached, and work that is left; nothing where all is done.

        Args:
            until: No place can be later.
            empty: Places where there is nothing to read.
        """
        wrong = self.unfinished()
        for row in self.asked("SELECT slug, cursor FROM endpoints"):
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
        return [*wrong, *(f"{one.item} failed in {one.stage}: {one.message}" for one in self.failures())]

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
