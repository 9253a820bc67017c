"""A first `connectors.yaml` from an OpenAPI document: what it says, what it lets guess, and what a person has to fill in."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from connector_pipelines.core.config import ConnectorConfig
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.sources.rest_api.config import Config
from connector_pipelines.sources.rest_api.drafting.block import Block
from connector_pipelines.sources.rest_api.drafting.document import read_document
from connector_pipelines.sources.rest_api.drafting.family import Drafted, Family, find_streams
from connector_pipelines.sources.rest_api.drafting.naming import slug
from connector_pipelines.sources.rest_api.drafting.operations import Api, read_api
from connector_pipelines.sources.rest_api.drafting.signing import draft_auth
from connector_pipelines.sources.rest_api.drafting.stream import draft_stream
from connector_pipelines.sources.rest_api.streams import StreamSettings
from connector_pipelines.telemetry import scrub

__all__ = ["draft_from_openapi"]

_SOMEWHERE: Final = "https://api.example.com"
_MOST_TOLD: Final = 40


def draft_from_openapi(content: bytes, name: str) -> str:
    """Text of a `connectors.yaml` that `connectors validate` finds right; `name` is what the document is called in it.

    Raises:
        Malformed, ResourceError: The document cannot be read, see `read_document`.
        ConfigurationError: It has nothing that answers a list of records.
    """
    api = read_api(read_document(content, name))
    family = find_streams(api)
    streams = _right_ones(family, api)
    if not streams:
        raise ConfigurationError(
            f"{name} has no GET that answers a list of records",
            advice="describe the streams by hand, as docs/sources/rest_api.md shows",
        )
    connector = _connector(api, family, streams)
    lines = [*_head(api, name), "version: 1", "", "connectors:"]
    item = list(connector.text(4))
    return "\n".join([*lines, "  - " + item[0].lstrip(), *item[1:], "", *_tail(family, api)]) + "\n"


def _connector(api: Api, family: Family, streams: dict[str, Block]) -> Block:
    called = slug(api.title, "api")
    settings = Block()
    _put_base(settings, api)
    settings.put("streams", list(streams.values()))
    endpoint = Block()
    endpoint.put("slug", called, "choose it once: a changed slug is another endpoint")
    endpoint.put("settings", settings)
    endpoint.put("schedule", _schedule())
    connector = Block()
    connector.put("name", api.title[:200])
    connector.put("kind", "rest_api")
    connector.put("auth", draft_auth(api, [s.operation for s in family.streams if s.name in streams], called))
    connector.put("endpoints", [endpoint])
    _check(connector, settings)
    return connector


def _right_ones(family: Family, api: Api) -> dict[str, Block]:
    """Streams as blocks, without those whose settings are refused, and what lies below them."""
    blocks: dict[str, Block] = {}
    for stream in family.streams:
        block = draft_stream(stream, api)
        problem = _problem(stream, block, blocks)
        if problem:
            family.left_out.append((stream.operation.path, problem))
        else:
            blocks[stream.name] = block
    return blocks


def _problem(stream: Drafted, block: Block, known: dict[str, Block]) -> str:
    if stream.parent is not None and stream.parent.name not in known:
        return f"the stream {stream.parent.name!r} that it is read below was left out"
    try:
        StreamSettings.model_validate(block.data())
    except ValidationError as error:
        return f"what was drafted is not right: {error.errors()[0]['msg']}"
    return ""


def _check(connector: Block, settings: Block) -> None:
    try:
        ConnectorConfig.model_validate(connector.data())
        Config.model_validate(settings.data())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        # Out of here as advice to a person: the document is odd in a way nobody met before.
        problem = f"what was drafted is not right: {place}: {first['msg']}"
    else:
        return
    raise ConfigurationError(problem, advice="describe the streams by hand, as docs/sources/rest_api.md shows")


def _put_base(settings: Block, api: Api) -> None:
    given = api.servers[0].rstrip("/")
    base, why = _base(given)
    settings.put("base_url", base, why)
    if len(api.servers) > 1:
        settings.advise(f"The document names others: {scrub(', '.join(api.servers[1:]))}")
    if _is_private(base):
        settings.put("allow_private", True, "because that is an address of this machine or of a private network")


def _base(given: str) -> tuple[str, str]:
    """An address to begin with, and what is to be said about it."""
    try:
        parts = urlsplit(given)
        host = parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme in {"http", "https"} and host and "{" not in parts.netloc and not parts.username:
        return f"{parts.scheme}://{parts.netloc}{parts.path}", "" if "{" not in parts.path else "put in what stands in braces"
    path = parts.path if parts.path.startswith("/") and not parts.netloc else ""
    return _SOMEWHERE + path.rstrip("/"), f"could not be told: the document says {scrub(given)!r}" if given else "could not be told"


def _is_private(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost"


def _schedule() -> Block:
    schedule = Block()
    schedule.put("type", "manual", "or `interval` with `every: 15m`, once a first sync was right")
    return schedule


def _head(api: Api, name: str) -> list[str]:
    note = Block()
    note.advise(
        f"Drafted from {name}: {api.title} {api.version}".rstrip(),
        "Read it through: what says `guessed` was told by names and types alone; what says `could not be told` is yours to fill in.",
        "Then: connectors validate, and connectors test, which shows the first records of each stream.",
    )
    return list(note.text())


def _tail(family: Family, api: Api) -> list[str]:
    note = Block()
    if family.left_out:
        note.advise("Lists that are no stream here:")
        note.advise(*(f"{path}: {reason}" for path, reason in family.left_out[:_MOST_TOLD]))
        if len(family.left_out) > _MOST_TOLD:
            note.advise(f"and {len(family.left_out) - _MOST_TOLD} more")
    if api.resolver.elsewhere:
        some = sorted(api.resolver.elsewhere)[:5]
        note.advise(f"Not followed, because they lead out of the document: {', '.join(some)}")
    return list(note.text())
