"""Where the secrets of an installation are kept: puts together what the settings name."""

from __future__ import annotations

import os
import socket
from functools import partial

from connector_pipelines.core.errors import ConnectorError, Unavailable
from connector_pipelines.settings import Settings, environment
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.sealed import note
from connector_pipelines.store.sealing import Sealer
from connector_pipelines.store.secrets import AwsSecrets, AwsSettings, Cache, Secrets, StoredSecrets, Vault
from connector_pipelines.telemetry import get_logger

__all__ = ["open_secrets"]


def open_secrets(settings: Settings, database: Database, sealer: Sealer) -> Secrets:
    """The secrets of this process; asks nobody before a secret is asked for."""
    local = Secrets(environment(), settings.config_file.parent)
    aws = AwsSettings(region=settings.aws_region, address=settings.aws_secrets_address, outbound=settings.outbound)
    return Secrets(
        environment(),
        settings.config_file.parent,
        remote={
            "vault": lambda: Vault(settings.vault, lambda reference: local.resolve(reference).get_secret_value()),
            "aws": lambda: AwsSecrets(aws),
            "store": lambda: StoredSecrets(database, sealer),
        },
        cache=Cache(settings.secret_lifetime.total_seconds(), settings.secret_grace.total_seconds()),
        audit=partial(_note_fetch, database),
        actor=f"process {os.getpid()} on {socket.gethostname()}",
    )


def _note_fetch(database: Database, actor: str, reference: str, outcome: str) -> None:
    """In the audit log. Where that cannot be written, in the log instead: the run goes on, since Vault and AWS keep logs of their own."""
    if outcome == Unavailable.code and reference.startswith("store:"):
        # It is the same database: another half minute of waiting for it would tell nothing new.
        return
    try:
        with database.operator() as tx:
            note(tx, actor, "secret_fetched", reference, {"outcome": outcome})
    except ConnectorError as error:
        get_logger(__name__).warning("secret_fetch_not_audited", reference=reference, actor=actor, outcome=outcome, reason=str(error))
