"""What the definitions are made from: the configured endpoints, without settings and without secrets.

A run is executed from the set it was launched with, so the set travels as JSON in the run's origin, where anybody who
may see the Dagster UI can read it.
"""

from collections.abc import Callable, Collection
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from connector_pipelines.core.config import PartitionsConfig, Schedule
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import Subscribes
from connector_pipelines.pipeline.session import Services, open_sink
from connector_pipelines.registry import extractor_type, kinds, source_type
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog.configuration import Installation

__all__ = ["Known", "KnownEndpoint", "known"]


class KnownEndpoint(BaseModel):
    """What of an endpoint is seen in the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str
    name: str
    kind: str
    tenant: str
    connector: str
    schedule: Schedule
    sinks: tuple[str, ...]


class Known(BaseModel):
    """Everything the definitions are made from.

    Attributes:
        sinks: Kind by name.
        versions: What the stages do: `listing:<kind>`, `documents`, `sink:<name>`.
        source_kinds: All that are installed, those without an endpoint too.
        subscribing: Those that ask other systems for calls of their webhooks, or did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[KnownEndpoint, ...] = ()
    partitions: dict[str, PartitionsConfig] = Field(default_factory=dict)
    sinks: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    source_kinds: tuple[str, ...] = ()
    subscribing: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> tuple[KnownEndpoint, ...]:
        return tuple(e for e in self.endpoints if e.kind == kind)

    def windows_of(self, kind: str) -> PartitionsConfig:
        return self.partitions.get(kind, PartitionsConfig())

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted({e.kind for e in self.endpoints}))


def known(installation: Installation, services: Services, subscribed: Collection[str] = ()) -> Known:
    """The part of the installation that definitions are made from, with the versions of what the stages do.

    Args:
        subscribed: Kinds that have subscriptions, also where their endpoints were removed.
    """
    endpoints = tuple(
        KnownEndpoint(slug=e.slug, name=e.name, kind=e.kind, tenant=e.tenant, connector=e.connector, schedule=e.schedule, sinks=e.sinks)
        for e in installation.endpoints
    )
    used = sorted({e.kind for e in endpoints})
    return Known(
        endpoints=endpoints,
        partitions=dict(installation.partitions),
        sinks={name: sink.kind for name, sink in installation.sinks.items()},
        versions={
            **{f"listing:{kind}": _or_unknown(partial(_source_version, kind)) for kind in used},
            "documents": _documents_version(),
            **{f"sink:{name}": _or_unknown(partial(_sink_version, name, installation, services)) for name in installation.sinks},
        },
        source_kinds=tuple(k.name for k in kinds("source") if k.error is None),
        subscribing=tuple(sorted({*subscribed, *(kind for kind in used if _subscribes(kind))})),
    )


def _subscribes(kind: str) -> bool:
    try:
        return issubclass(source_type(kind), Subscribes)
    except ConfigurationError:
        return False


def _documents_version() -> str:
    from connector_pipelines.pipeline.chunking import VERSION

    names = [k.name for k in kinds("extractor") if k.error is None]
    versions = [f"{name}-{_or_unknown(partial(_extractor_version, name))}" for name in names]
    return ",".join([f"chunks-{VERSION}", *versions])


def _source_version(kind: str) -> str:
    return _class_version(source_type(kind))


def _extractor_version(name: str) -> str:
    from connector_pipelines.pipeline.recognition import ocr_version

    extractor = extractor_type(name)
    version = _class_version(extractor)
    return f"{version}+{ocr_version(load_settings())}" if getattr(extractor, "recognises", False) else version


def _sink_version(name: str, installation: Installation, services: Services) -> str:
    from connector_pipelines.core.protocols import EmbedsChunks

    # Making a sink connects to nothing.
    sink = open_sink(name, installation.sinks, services.tools)
    try:
        return f"{_class_version(type(sink))},{sink.model}" if isinstance(sink, EmbedsChunks) else _class_version(type(sink))
    finally:
        sink.close()


def _class_version(found: type) -> str:
    return str(getattr(found, "version", "1"))


def _or_unknown(version: Callable[[], str]) -> str:
    """A plugin that does not import says so where it is used; the definitions of the others must load."""
    try:
        return version()
    except ConfigurationError:
        return "unknown"
