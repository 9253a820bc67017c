"""`connectors test`: does what is configured work, tried with the cheapest calls there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector_pipelines.cli.outcome import FAILED

if TYPE_CHECKING:
    from connector_pipelines.cli.sampling import Sample
    from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile
    from connector_pipelines.core.types import Ability, Probe
    from connector_pipelines.pipeline.session import Services

__all__ = ["probe"]

ITEMS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One thing tried. `items` are paths, the first few at its top, for sources; of a source of records `samples` instead."""

    what: str
    account: str
    abilities: tuple[Ability, ...]
    items: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def works(self) -> bool:
        return all(a.works for a in self.abilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is there to see, as of `Tried`."""

    items: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()


def probe(
    name: Annotated[str | None, typer.Argument(metavar="[SLUG|CONNECTOR]", help="Only this endpoint, or this connector's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Try every endpoint, sink and store that connectors.yaml names. Brings nothing in.

    Exit code 1 when something does not work.
    """
    from connector_pipelines.cli.opening import quiet_settings
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.embedded.stack import database_url
    from connector_pipelines.pipeline.connectors_file import read_connectors_file
    from connector_pipelines.pipeline.session import open_services

    settings = quiet_settings()
    wanted = _only(read_connectors_file(settings.config_file), name)
    services = open_services(settings, database_url(settings))
    results = []
    try:
        for tried in _each(services, wanted):
            results.append(tried)
            if not json:
                _show(tried)
    finally:
        services.close()
    if json:
        emit_json(results)
    if not all(tried.works for tried in results):
        raise typer.Exit(FAILED)


def _only(file: ConnectorsFile, name: str | None) -> ConnectorsFile:
    from connector_pipelines.core.errors import ConfigurationError

    if name is None:
        return file
    named = [c for c in file.connectors if c.name == name]
    ends = [c.model_copy(update={"endpoints": tuple(e for e in c.endpoints if e.slug == name)}) for c in file.connectors]
    chosen = named or [c for c in ends if c.endpoints]
    if not chosen:
        known = [c.name for c in file.connectors] + [e.slug for c in file.connectors for e in c.endpoints]
        raise ConfigurationError(f"connectors.yaml has no endpoint or connector {name!r}", advice=f"known: {', '.join(known) or 'none'}")
    return file.model_copy(update={"connectors": tuple(chosen)})


def _each(services: Services, wanted: ConnectorsFile) -> Iterator[Tried]:
    for connector in wanted.connectors:
        for endpoint in connector.endpoints:
            yield _tried(f"endpoint {endpoint.slug} ({connector.kind})", partial(_source, connector, endpoint.settings, services))
    yield _tried("database", lambda: (_database(services), Looked()))
    sinks = wanted.sinks
    for name in sinks:
        yield _tried(f"sink {name} ({sinks[name].kind})", partial(_sink, name, sinks, services))
    yield _tried("object store", lambda: (services.blobs.test(), Looked()))


def _tried(what: str, attempt: Callable[[], tuple[Probe, Looked]]) -> Tried:
    from connector_pipelines.core.errors import ConnectorError
    from connector_pipelines.core.types import Ability
    from connector_pipelines.telemetry import scrub

    try:
        found, looked = attempt()
    except ConnectorError as error:
        return Tried(what=what, account="", abilities=(Ability("reach it", works=False, detail=scrub(f"{error} {error.advice}".strip())),))
    return Tried(what=what, account=found.account, abilities=found.abilities, items=looked.items, samples=looked.samples)


def _source(connector: ConnectorConfig, settings: dict[str, Any], services: Services) -> tuple[Probe, Looked]:
    import threading

    from connector_pipelines.cli.sampling import samples
    from connector_pipelines.core.protocols import DeclaresStreams
    from connector_pipelines.core.push import Subscribes
    from connector_pipelines.pipeline.reaching import Account, auth_of_kind, connector_tools
    from connector_pipelines.pipeline.subscribable import can_subscribe
    from connector_pipelines.pipeline.subscribing import webhook_address
    from connector_pipelines.registry import source_type

    account = Account(
        connector_id=_row_of(connector, services), connector=connector.name, auth=auth_of_kind(connector.auth, connector.kind)
    )
    made = source_type(connector.kind)
    source = made(made.config_type.model_validate(settings), connector_tools(services, account, threading.Event()))
    try:
        found = source.test()
        if isinstance(source, Subscribes) and found.works and connector.webhook is not None and connector.webhook.verify.type == "source":
            public_url = services.settings.public_url
            address = webhook_address(public_url, connector.tenant, connector.name) if public_url else None
            found = replace(found, abilities=(*found.abilities, can_subscribe(source, address)))
        if isinstance(source, DeclaresStreams):
            return found, Looked(samples=tuple(samples(source)))
        return found, Looked(items=tuple(ref.path for ref in islice(source.list(), ITEMS_SHOWN)) if found.works else ())
    finally:
        source.close()


def _row_of(connector: ConnectorConfig, services: Services) -> str | None:
    """The id under which its token is kept; None where it needs none, or was never applied."""
    from connector_pipelines.store.catalog import schema
    from connector_pipelines.store.catalog.configuration import connector_id

    if connector.auth.type == "none":
        return None
    with services.database.connect() as connection:
        if schema.current_revision(connection) != schema.HEAD:
            return None
    with services.database.operator() as tx:
        return connector_id(tx, connector.tenant, connector.name)


def _sink(name: str, sinks: Any, services: Services) -> tuple[Probe, Looked]:
    from connector_pipelines.pipeline.session import open_sink

    sink = open_sink(name, sinks, services.tools)
    try:
        return sink.test(), Looked()
    finally:
        sink.close()


def _database(services: Services) -> Probe:
    from connector_pipelines.core.types import Ability, Probe
    from connector_pipelines.store.catalog import schema

    with services.database.connect() as connection:
        found = schema.current_revision(connection)
        account = f"{connection.info.user}@{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
    known = found is None or found == schema.HEAD
    detail = (
        f"schema {found or 'is made on first use'}"
        if known
        else f"has schema {found}, this version needs {schema.HEAD}: `connectors migrate`"
    )
    return Probe(
        account=account, abilities=(Ability("connect", works=True, detail="answers"), Ability("schema", works=known, detail=detail))
    )


def _show(tried: Tried) -> None:
    from connector_pipelines.cli.output import console, mark, one_line, table
    from connector_pipelines.cli.sampling import show_sample

    out = console()
    out.print(f"{tried.what}{f': {one_line(tried.account)}' if tried.account else ''}")
    out.print(table("", "ability", "", rows=[(mark(works=a.works), a.name, a.detail) for a in tried.abilities]))
    for path in tried.items:
        out.print(f"    {one_line(path)}")
    for sample in tried.samples:
        show_sample(sample)
    out.print()
