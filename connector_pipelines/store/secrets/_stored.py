"""`store:NAME`: secrets sealed in the installation's own Postgres. `connectors secrets set NAME` puts them there."""

from __future__ import annotations

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.sealed import sealed_secret
from connector_pipelines.store.sealing import Sealer, secret_place

__all__ = ["StoredSecrets"]


class StoredSecrets:
    """`SecretBackend` over the table `secrets`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer

    def fetch(self, name: str) -> str:
        with self._database.operator() as tx:
            found = sealed_secret(tx, name)
        if found is None:
            raise ConfigurationError(
                f"secret 'store:{name}': there is none of that name", advice=f"Store it: `connectors secrets set {name}`."
            )
        return self._sealer.open(found.key_id, found.sealed, place=secret_place(name)).decode()

    def close(self) -> None:
        """The database is its owner's."""
