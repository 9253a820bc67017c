"""How `connectors.yaml` gets into the database: once for each thing it comes to say, whoever looks first."""

from __future__ import annotations

import hashlib
from pathlib import Path

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.pipeline.connectors_file import read_connectors_file
from connector_pipelines.pipeline.session import Services
from connector_pipelines.store.catalog.configuration import Applied, applied_digest, apply, remember_applied

__all__ = ["apply_file", "apply_if_changed"]


def apply_file(services: Services, path: Path, actor: str) -> Applied:
    """Make the rows what the file says, whatever it said before.

    Raises:
        ConfigurationError: The file is not there, or has mistakes; all are named.
    """
    wanted = read_connectors_file(path)
    with services.database.operator() as tx:
        applied = apply(tx, wanted, actor=actor)
        digest = _digest(wanted)
        if applied_digest(tx) != digest:
            remember_applied(tx, digest, actor=actor)
    return applied


def apply_if_changed(services: Services, path: Path, actor: str) -> Applied | None:
    """The same where the file says something else than the last one applied; None where it does not.

    Not at every look: endpoints made over the API since then are not in the file, and would be put aside.

    Raises:
        ConfigurationError: The file is not there, or has mistakes; all are named.
    """
    digest = _digest(read_connectors_file(path))
    with services.database.operator() as tx:
        seen = applied_digest(tx)
    return None if seen == digest else apply_file(services, path, actor)


def _digest(wanted: ConnectorsFile) -> str:
    """Of what the file says, not of how: relative paths are absolute in it, comments and order of keys are gone."""
    return hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
