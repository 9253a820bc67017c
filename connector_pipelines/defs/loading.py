"""Which endpoints the definitions are made for: read once when the code server initialises, carried to every run.

A run worker (a process, a pod) must see the set its run was launched with, not the rows of that moment: an endpoint
renamed or removed meanwhile would make the run fail for an unknown asset. Dagster carries what is put into the
`DefinitionsLoadContext` at INITIALIZATION to each RECONSTRUCTION, in the origin of the run; that is the mechanism under
its `StateBackedDefinitionsLoader`, which would want a class registered with its serialiser for no gain.
(`Definitions.with_reconstruction_metadata` alone is not carried under `@dg.definitions`, measured on 1.13.27.)
"""

import os
from pathlib import Path

from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from connector_pipelines.core.errors import ConfigurationError, TransientError
from connector_pipelines.defs.known import Known, known
from connector_pipelines.defs.services import services_of
from connector_pipelines.embedded.configured import apply_if_changed
from connector_pipelines.pipeline.session import Services
from connector_pipelines.settings import Settings, load_settings
from connector_pipelines.store.catalog.configuration import Installation, installation
from connector_pipelines.store.catalog.subscriptions import subscribed_kinds
from connector_pipelines.telemetry import get_logger

__all__ = ["RECONSTRUCTION_KEY", "SNAPSHOT", "load_known", "read_known"]

RECONSTRUCTION_KEY = "connector_pipelines/known"
SNAPSHOT = "definitions.json"
"""In the home of the installation: the last set read, for a start without a database."""

STATEMENT_TIMEOUT_MS = 10_000


def load_known() -> Known:
    """The set of this load: carried, where it reconstructs; read, where it initialises."""
    context = DefinitionsLoadContext.get()
    if context.load_type is DefinitionsLoadType.RECONSTRUCTION and RECONSTRUCTION_KEY in context.reconstruction_metadata:
        return Known.model_validate_json(context.reconstruction_metadata[RECONSTRUCTION_KEY])
    found = read_known(load_settings())
    context.add_to_pending_reconstruction_metadata(RECONSTRUCTION_KEY, found.model_dump_json())
    return found


def read_known(settings: Settings) -> Known:
    """The endpoints in the database, after `connectors.yaml` where it changed; without a database, those of the last time.

    Raises:
        ConfigurationError: There is nothing yet, and `connectors.yaml` has mistakes; or the schema is not this version's.
        Unavailable: No database answers within ten seconds, and there was no last time.
    """
    snapshot = settings.home / SNAPSHOT
    try:
        services = services_of(settings)
        found = known(*_read(services, settings))
    except TransientError as error:
        if not snapshot.exists():
            raise
        get_logger(__name__).warning("definitions_from_snapshot", file=str(snapshot), reason=str(error))
        return Known.model_validate_json(snapshot.read_bytes())
    _write(snapshot, found)
    return found


def _read(services: Services, settings: Settings) -> tuple[Installation, Services, list[str]]:
    refused = _apply(services, settings)
    with services.database.operator() as tx:
        tx.execute("SELECT set_config('statement_timeout', %s, true)", [str(STATEMENT_TIMEOUT_MS)])
        found, subscribed = installation(tx), subscribed_kinds(tx)
    if refused and not found.endpoints:
        raise refused
    return found, services, subscribed


def _apply(services: Services, settings: Settings) -> ConfigurationError | None:
    """The file into rows. What is wrong with it is told; where there are rows already, they go on working."""
    if not settings.config_file.exists():
        return None
    try:
        apply_if_changed(services, settings.config_file, "code location")
    except ConfigurationError as error:
        get_logger(__name__).error("connectors_file_refused", mistakes=str(error), advice=error.advice)
        return error
    return None


def _write(snapshot: Path, found: Known) -> None:
    text = found.model_dump_json(indent=1)
    if snapshot.exists() and snapshot.read_text() == text:
        return
    fresh = snapshot.with_suffix(f".{os.getpid()}")
    try:
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text)
        fresh.replace(snapshot)
    except OSError as error:
        # In a container with a read-only file system there is a database, and no need of a copy.
        get_logger(__name__).warning("definitions_snapshot_not_written", file=str(snapshot), reason=error.strerror)
