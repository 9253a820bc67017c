"""What assets work with: the pipeline of this process, and the catalog and the object store under it.

Resources hold names and nothing else: addresses and secrets come from the environment of the process that runs, so none
is seen in the UI or kept with a run. They connect on first use, once in a process.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from connector_pipelines.core.errors import Busy
from connector_pipelines.defs.services import services_of
from connector_pipelines.pipeline.session import Progress, Services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.blobs import Blobs
from connector_pipelines.store.catalog.configuration import tenant_named
from connector_pipelines.store.catalog.database import Transaction

__all__ = ["BlobStoreResource", "CatalogResource", "PipelineResource"]


class PipelineResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic in what it gives to ops; these give themselves
    """The pipeline as the environment configures it: catalog, object store, what connectors are lent."""

    def services(self) -> Services:
        """The services of this process. Raises as `defs.services.services_of` does."""
        return services_of(load_settings())

    def heard(self, progress: Progress) -> None:
        """Called with every progress of a stage, for who runs assets in this process and shows it."""

    def left_to_another(self, slug: str, busy: Busy) -> None:
        """Called where a sync has nothing to do, since another run is syncing the endpoint."""


class CatalogResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic in what it gives to ops; these give themselves
    """The catalog, for assets of your own::

    with catalog.tenant("acme") as tx:
        rows = tx.execute("SELECT path, size FROM files WHERE status = 'extracted'").fetchall()
    """

    @contextmanager
    def tenant(self, name: str) -> Iterator[Transaction]:
        """A transaction that sees the rows of the tenant of that name; it commits at the end of the block.

        Raises:
            ConfigurationError: There is no such tenant.
        """
        database = services_of(load_settings()).database
        with database.operator() as tx:
            tenant_id = tenant_named(tx, name)
        with database.tenant(tenant_id) as tx:
            yield tx


class BlobStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic in what it gives to ops; these give themselves
    """The bytes of the files, by the key that `blobs.key` in the catalog says."""

    def blobs(self) -> Blobs:
        return services_of(load_settings()).blobs
