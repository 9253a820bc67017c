"""The installation under test, as far as it does not matter what it reads: its sinks, its ledger, what its retention forgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, SinkSettings
from connector_pipelines.core.errors import TransientError
from connector_pipelines.pipeline.retention import forget_history
from connector_pipelines.pipeline.session import open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.failures import FailureRow, failures_of, retry

__all__ = ["House"]

_TRIES = 20


class House:
    """Services of this process, for configuring and looking; what is under test runs in others.

    Args:
        sinks: Kinds by name.
    """

    def __init__(self, database_url: str, folder: Path, sinks: Mapping[str, str]) -> None:
        self.home, self.database_url, self._sinks = folder / "home", database_url, sinks
        schema.ensure(SecretStr(database_url), may_upgrade=True)
        self._services = open_services(load_settings({"CONNECTORS_HOME": str(self.home)}), SecretStr(database_url))

    def close(self) -> None:
        self._services.close()

    def apply(self, *connectors: ConnectorConfig) -> None:
        """These connectors and no others from now on."""
        file = ConnectorsFile(sinks={name: SinkSettings(kind=kind) for name, kind in self._sinks.items()}, connectors=connectors)
        self.surely(lambda tx: configuration.apply(tx, file, actor="test"))

    def forget(self, days_later: int) -> None:
        """What retention does at night, with its clock so many days ahead; nobody may be at work."""
        self._again(lambda: forget_history(self._services, "retention", datetime.now(UTC) + timedelta(days=days_later), patience_s=1.0))

    def retry(self) -> None:
        """Take up again whatever failed."""
        self.surely(retry)

    def failures(self) -> list[FailureRow]:
        """Open rows of the ledger."""
        found: list[FailureRow] = self.surely(lambda tx: failures_of(tx, limit=100_000))
        return found

    def asked(self, query: str) -> list[dict[str, Any]]:
        """Rows of the catalog, of all tenants."""
        rows: list[dict[str, Any]] = self.surely(lambda tx: tx.execute(query).fetchall())
        return rows

    def unfinished(self) -> list[str]:
        """Work that is left; of files that failed, the ledger tells."""
        left = self.asked(
            """SELECT (SELECT count(*) FROM files WHERE status IN ('listed', 'stored') OR claimed_by IS NOT NULL) AS files,
                      (SELECT count(*) FROM deliveries WHERE status NOT IN ('delivered', 'removed') OR owed) AS deliveries,
                      (SELECT count(*) FROM notifications_owed) AS notifications"""
        )
        return [f"{n} {what} are not done with" for what, n in left[0].items() if n]

    def surely(self, ask: Any, *, tenant_id: str | None = None) -> Any:
        """What `ask` gives in a transaction. Connections are ended all the time, ours too."""

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
