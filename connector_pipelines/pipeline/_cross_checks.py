"""What the models of `connectors.yaml` cannot see: names used twice, names of nothing, the settings of each kind.

Works on the data as it was read, so that these mistakes are told together with those of the models; what has the
wrong shape is passed over here, the models say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import AcceptsWebhooks, DeclaresStreams, KeepsRecords
from connector_pipelines.pipeline._marked_yaml import MarkedYaml, Where
from connector_pipelines.pipeline._mistakes import explain, suggestion
from connector_pipelines.registry import Role, kinds, sink_type, source_type

__all__ = ["config_type", "cross_checks", "has_streams", "keeps_records", "with_absolute_paths"]

# A sink's name is the last part of an asset key, beside these.
_STAGES = frozenset({"documents", "files", "listing", "models", "sync"})

_Found = Iterator[tuple[Where, str]]


def cross_checks(marked: MarkedYaml, base: Path) -> _Found:
    """Yield where each mistake lies, and a sentence about it. Relative paths in settings start from `base`."""
    connectors = list(_blocks(marked.data, "connectors", ()))
    endpoints = [
        (each, endpoint, connector) for where, connector in connectors for each, endpoint in _blocks(connector, "endpoints", where)
    ]
    tenants = _blocks(marked.data, "tenants", ())
    yield from _unique(marked, (((*where, "name"), tenant.get("name"), "") for where, tenant in tenants))
    yield from _unique(marked, (((*where, "name"), c.get("name"), c.get("tenant", "default")) for where, c in connectors))
    yield from _unique(marked, (((*where, "slug"), endpoint.get("slug"), "") for where, endpoint, _ in endpoints))
    yield from _unknown_names(marked.data, connectors, endpoints)
    yield from _sinks(marked.data, base)
    for where, connector in connectors:
        yield from _kind((*where, "kind"), connector, "source")
        yield from _webhook((*where, "webhook", "verify", "type"), connector)
    for where, endpoint, connector in endpoints:
        yield from _sinks_of_records(marked.data, where, endpoint, connector)
        yield from _settings((*where, "settings"), endpoint, config_type("source", connector.get("kind")), base)
    yield from _partitions(marked.data)


def with_absolute_paths(settings: Mapping[str, Any], model: type[BaseModel], base: Path) -> dict[str, Any]:
    """`settings` with what `model` says are paths, or lists of paths, made to start from `base`, as text.

    A value that is absolute or begins with ``~`` stays, and so does an empty one. Models inside `model` are not entered.
    """
    paths = {name for name, field in model.model_fields.items() if _is_path(field.annotation)}
    return {name: _absolute(value, base) if name in paths else value for name, value in settings.items()}


def config_type(role: Role, kind: object) -> type[BaseModel] | None:
    """The model of the kind's settings; None where there is no such kind, or it does not import."""
    try:
        if role == "source":
            return source_type(str(kind)).config_type
        return sink_type(str(kind)).config_type
    except ConfigurationError:
        return None


def has_streams(kind: object) -> bool | None:
    """Whether a source of that kind can have streams of records; None where there is no such kind, or it does not import."""
    try:
        return issubclass(source_type(str(kind)), DeclaresStreams)
    except ConfigurationError:
        return None


def keeps_records(kind: object) -> bool | None:
    """Whether a sink of that kind keeps records, and nothing else; None as above."""
    try:
        return issubclass(sink_type(str(kind)), KeepsRecords)
    except ConfigurationError:
        return None


def _blocks(data: object, name: str, where: Where) -> Iterator[tuple[Where, dict[str, Any]]]:
    items = data.get(name) if isinstance(data, dict) else None
    for position, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*where, name, position), item


def _unique(marked: MarkedYaml, named: Iterable[tuple[Where, object, object]]) -> _Found:
    first: dict[tuple[str, str], Where] = {}
    for where, name, inside in named:
        key = (str(name), str(inside))
        if name is not None and first.setdefault(key, where) != where:
            yield where, f"{name!r} is used already, on line {marked.line(first[key])}; choose another"


def _unknown_names(
    data: object, connectors: list[tuple[Where, dict[str, Any]]], endpoints: list[tuple[Where, dict[str, Any], dict[str, Any]]]
) -> _Found:
    top = data if isinstance(data, dict) else {}
    tenants = {str(tenant.get("name")) for _, tenant in _blocks(data, "tenants", ())} if "tenants" in top else {"default"}
    sinks = top.get("sinks", ConnectorsFile().sinks)
    for where, connector in connectors:
        if (tenant := connector.get("tenant", "default")) not in tenants:
            yield (*where, "tenant"), f"there is no tenant {tenant!r} under `tenants:`; {suggestion(tenant, tenants)}"
    for where, endpoint, _ in endpoints:
        named = endpoint.get("sinks")
        for position, name in enumerate(named if isinstance(named, list) else ()):
            if isinstance(sinks, dict) and name not in sinks:
                yield (*where, "sinks", position), f"there is no sink {name!r} under `sinks:`; {suggestion(name, map(str, sinks))}"


def _sinks(data: object, base: Path) -> _Found:
    sinks = data.get("sinks") if isinstance(data, dict) else None
    for name, sink in sinks.items() if isinstance(sinks, dict) else ():
        if name in _STAGES:
            yield ("sinks", name), f"{name!r} is the name of a stage, in the same place of asset keys; choose another"
        if isinstance(sink, dict):
            yield from _kind(("sinks", name, "kind"), sink, "sink")
            yield from _settings(("sinks", name, "settings"), sink, config_type("sink", sink.get("kind")), base)


def _sinks_of_records(data: object, where: Where, endpoint: dict[str, Any], connector: dict[str, Any]) -> _Found:
    sinks = data.get("sinks") if isinstance(data, dict) else None
    named = endpoint.get("sinks")
    if not isinstance(sinks, dict) or not isinstance(named, list) or has_streams(connector.get("kind")) is not False:
        return
    for position, name in enumerate(named):
        sink = sinks.get(name) if isinstance(name, str) else None
        if isinstance(sink, dict) and keeps_records(sink.get("kind")):
            yield (
                (*where, "sinks", position),
                f"the sink {name!r} ({sink.get('kind')}) keeps the records of streams, and a {connector.get('kind')} has no streams; leave it out",
            )


def _kind(where: Where, block: dict[str, Any], role: Role) -> _Found:
    ask: dict[str, Callable[[str], object]] = {"source": source_type, "sink": sink_type}
    if isinstance(kind := block.get("kind"), str):
        try:
            ask[role](kind)
        except ConfigurationError as error:
            yield where, str(error)


def _webhook(where: Where, connector: dict[str, Any]) -> _Found:
    webhook = connector.get("webhook")
    verify = webhook.get("verify") if isinstance(webhook, dict) else None
    if not isinstance(verify, dict) or verify.get("type") != "source":
        return
    try:
        able = issubclass(source_type(str(connector.get("kind"))), AcceptsWebhooks)
    except ConfigurationError:
        return  # the kind's own mistake
    if not able:
        yield where, f"the kind {connector.get('kind')!r} has no way of its own to prove calls; verify them with `hmac` or `token`"


def _settings(where: Where, block: dict[str, Any], model: type[BaseModel] | None, base: Path) -> _Found:
    settings = block.get("settings", {})
    if model is None or not isinstance(settings, dict):
        return
    settings = with_absolute_paths(settings, model, base)
    try:
        model.model_validate(settings)
    except ValidationError as error:
        yield from (((*where, *inner), text) for inner, text in explain(error, model, settings))


def _partitions(data: object) -> _Found:
    partitions = data.get("partitions") if isinstance(data, dict) else None
    known = {kind.name for kind in kinds("source")}
    for kind in partitions if isinstance(partitions, dict) else ():
        if kind not in known:
            yield ("partitions", kind), f"there is no kind of source {kind!r}; {suggestion(kind, known)}"


def _is_path(annotation: Any) -> bool:
    parts = get_args(annotation)
    # Where text is as welcome as a path, nobody can tell which it is.
    return annotation is Path or (str not in parts and any(_is_path(part) for part in parts))


def _absolute(value: object, base: Path) -> object:
    if isinstance(value, list | tuple):
        return [_absolute(each, base) for each in value]
    if not isinstance(value, str | Path) or not str(value).strip() or str(value).startswith("~"):
        return value
    return str(base / value)
