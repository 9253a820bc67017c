"""How assets of your own use a configured source or sink: as a Dagster resource that knows its name, never its secrets.

@dg.asset
def newest(samples: EndpointResource) -> None:
    with samples.open() as source:
        for ref in source.list(): ...
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import Sink, Source
from connector_pipelines.defs.known import Known
from connector_pipelines.defs.services import services_of
from connector_pipelines.pipeline.session import Services, open_sink, open_source
from connector_pipelines.registry import source_type
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog.configuration import Endpoint, endpoint, sink_settings

__all__ = ["EndpointResource", "SinkResource", "SourceResource", "connector_resources"]


class SourceResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic in what it gives to ops; these give themselves
    """A kind of source."""

    kind: str = Field(description="As `connectors kinds` lists it.")

    @contextmanager
    def open(self, slug: str) -> Iterator[Source]:
        """The source of a configured endpoint of this kind, as `EndpointResource.open` gives it.

        Raises:
            ConfigurationError: There is no such endpoint, or it is of another kind.
        """
        services, found = _configured(slug)
        if found.kind != self.kind:
            raise ConfigurationError(f"the endpoint {slug!r} is a {found.kind}, not a {self.kind}", advice=f"use `source_{found.kind}`")
        with closing(open_source(found, services)) as source:
            yield source

    @contextmanager
    def open_with(self, settings: Mapping[str, Any]) -> Iterator[Source]:
        """A source with settings of its own, where a secret is a reference (`env:NAME`, `vault:MOUNT/PATH#FIELD` or another).

        Raises:
            ConfigurationError: The settings do not parse.
        """
        services, kind = services_of(load_settings()), source_type(self.kind)
        try:
            config = kind.config_type.model_validate(dict(settings))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            raise ConfigurationError(f"the settings of a {self.kind} do not parse: {wrong}") from None
        with closing(kind(config, services.tools)) as source:
            yield source


class EndpointResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic in what it gives to ops; these give themselves
    """A configured endpoint, of whatever kind."""

    endpoint: str = Field(description="Its slug, as `connectors status` shows it.")

    @contextmanager
    def open(self) -> Iterator[Source]:
        """Its source, signed in as its connector, with the settings it has now. Nothing that is read is recorded.

        Raises:
            ConfigurationError: There is no such endpoint.
        """
        services, found = _configured(self.endpoint)
        with closing(open_source(found, services)) as source:
            yield source


class SinkResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic in what it gives to ops; these give themselves
    """A configured sink."""

    name: str = Field(description="As `sinks:` in `connectors.yaml` names it.")

    @contextmanager
    def open(self) -> Iterator[Sink]:
        """The sink, as it is configured now.

        Raises:
            ConfigurationError: There is none of that name any more.
        """
        services = services_of(load_settings())
        with services.database.operator() as tx:
            configured = sink_settings(tx)
        with closing(open_sink(self.name, configured, services.tools)) as sink:
            yield sink


def connector_resources(known: Known) -> dict[str, dg.ConfigurableResource[Any]]:
    """`source_<kind>` for every kind installed, `sink_<name>` for every sink configured."""
    sources = {f"source_{kind}": SourceResource(kind=kind) for kind in known.source_kinds}
    return {**sources, **{f"sink_{name}": SinkResource(name=name) for name in known.sinks}}


def _configured(slug: str) -> tuple[Services, Endpoint]:
    services = services_of(load_settings())
    with services.database.operator() as tx:
        return services, endpoint(tx, slug)
