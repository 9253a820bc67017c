"""`connectors demo`: what this does, shown on the sample files, through Dagster, in one go."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_pipelines.cli.synced import EndpointResult
    from connector_pipelines.pipeline.session import Services

__all__ = ["demo"]

QUESTION = "by how many mm did axis 7 move"
PASSAGES = 3


def demo() -> None:
    """Bring in the sample files of examples/files, search them, and say where to look next.

    Run it in the folder of the repository. A second time it finds nothing changed, and does no work.
    """
    from connector_pipelines.cli.opening import apply_if_there, opened, quiet_settings
    from connector_pipelines.cli.starting import ensure_dagster_home, write_connectors_file
    from connector_pipelines.cli.syncing import chosen, sync_now
    from connector_pipelines.core.errors import ConfigurationError

    settings = quiet_settings()
    samples = Path("examples/files")
    if not settings.config_file.exists():
        if not samples.is_dir():
            raise ConfigurationError(
                f"there are no sample files: {samples.absolute()} is not a folder", advice="run it in the folder of the repository"
            )
        write_connectors_file(settings, samples)
        print(f"wrote {settings.config_file.name}: it brings in {samples}")
    ensure_dagster_home(settings)
    begun = time.monotonic()
    with opened(settings) as services:
        apply_if_there(services)
        print(f"ready after {time.monotonic() - begun:.1f} s; syncing in a Dagster run …", file=sys.stderr)
        begun = time.monotonic()
        results = sync_now(services, chosen(services, []))
        took_s = time.monotonic() - begun
        _tell(services, results, took_s)


def _tell(services: Services, results: Sequence[EndpointResult], took_s: float) -> None:
    from connector_pipelines.cli.status import print_status
    from connector_pipelines.cli.synced import print_results
    from connector_pipelines.store.catalog.failures import failures_of
    from connector_pipelines.store.catalog.reports import endpoint_status

    print_results(results)
    idle = not any(r.stored or r.extracted or sum(r.delivered.values()) or sum(r.removed.values()) for r in results)
    print(f"\n{'nothing changed, no work done' if idle else 'done'}, in {took_s:.1f} s\n")
    with services.database.operator() as tx:
        print_status(endpoint_status(tx))
        failed = failures_of(tx, limit=5)
    for row in failed if idle else ():
        print(f"\nfailed earlier, and nothing was held up by it: {row.item}: {row.code}: {row.message}")
    _ask(services)
    print("where to look next:")
    print(f"  make dev                             the Dagster UI at {services.settings.webserver_url}, with schedules and sensors")
    print('  connectors search "your question"    connectors status    connectors failures')
    print(f"  your own folder: set `root` in {services.settings.config_file.name}, or add an endpoint; `connectors dev` sees it at once")


def _ask(services: Services) -> None:
    from connector_pipelines.cli.searching import print_results
    from connector_pipelines.pipeline.search import search

    begun = time.monotonic()
    found = search(services, QUESTION, tenant="default", limit=PASSAGES)
    print(f'\nconnectors search "{QUESTION}"    ({time.monotonic() - begun:.2f} s)\n')
    if found:
        print_results(found, QUESTION)
    else:
        print("nothing found; the sample files were not among what was brought in\n")
