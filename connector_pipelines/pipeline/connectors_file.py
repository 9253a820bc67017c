"""What `connectors.yaml` says, or every mistake in it at once, each with its line and its fix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.pipeline._cross_checks import config_type, cross_checks, has_streams, keeps_records, with_absolute_paths
from connector_pipelines.pipeline._marked_yaml import Mistake, Unreadable, parse
from connector_pipelines.pipeline._mistakes import dotted, explain
from connector_pipelines.registry import Role
from connector_pipelines.telemetry import scrub

__all__ = ["read_connectors_file", "template"]

MAX_FILE_BYTES = 4 * 1024 * 1024

_MOST_TOLD = 50
_Block = TypeVar("_Block", EndpointConfig, SinkSettings)

_START = "`connectors init` writes a commented one to start from."

_TEMPLATE = """\
# What connector_pipelines brings in, and where it goes. Read when the code location loads.
# Every field: docs/reference/configuration.md. What is wrong here is told with its line: `connectors validate`.
version: 1

# Who the data belongs to. Searches of one tenant never see another's.
# tenants:
#   - name: default
#   - name: acme

# Where documents are delivered; each endpoint has one asset per sink. These two are the default: nearest in meaning
# (vectors) and full text (search), both in the installation's own Postgres.
# sinks:
#   vectors:
#     kind: pgvector
#   search:
#     kind: postgres_text

# What to read from: an account at a kind of system, and in it one or more endpoints. `connectors kinds` lists the kinds.
connectors:
  - name: My files
    kind: local_folder
    # tenant: acme
    endpoints:
        # Names the endpoint in asset keys and on the command line. Choose it once: a changed slug is another endpoint.
      - slug: my_files
        # What to sync. A relative path starts from the folder this file lies in.
        settings:
          root: ROOT
        # When to sync: `interval` (30s, 5m, 1h 30m, 2d), `cron`, or `manual` (only when asked).
        schedule:
          type: interval
          every: 5m

      # - slug: drawings
      #   name: Drawings of the plant
      #   settings:
      #     root: /srv/drawings
      #   schedule:
      #     type: cron
      #     expression: "0 6 * * 1-5"
      #     timezone: Europe/Berlin
      #   # Only to some of the sinks.
      #   sinks: [search]
      #   # What one file may cost. Passwords of encrypted files are references, never the password itself.
      #   extraction:
      #     time_limit: 5m
      #     passwords: ["env:DRAWINGS_PASSWORD", "file:/run/secrets/drawings"]
      #   # A sweep that finds more than this share of the known files gone deletes nothing and asks.
      #   max_delete_share: 0.1
      #   # Keep what it brought, start no syncs.
      #   paused: true

# The windows of source time that assets are partitioned by, per kind. Default: days since 2020-01-01, UTC.
# partitions:
#   local_folder:
#     start: 2015-01-01
#     every: month
#     timezone: Europe/Berlin
"""


def read_connectors_file(path: Path) -> ConnectorsFile:
    """What the file at `path` says, checked down to the settings of each kind.

    Settings that are relative paths are made absolute: they start from the folder the file lies in.

    Raises:
        ConfigurationError: One for all mistakes, a line each, as in
            ``connectors.yaml:12: connectors[0].endpoints[0].schedule.every: '5 minutez' is not a duration; …``
    """
    try:
        marked = parse(_text(path))
    except Unreadable as error:
        raise _refused(path, [error.mistake]) from error
    if marked.data is None:
        raise ConfigurationError(f"{path.name}:1: is empty; it needs `connectors:` at least", advice=_START)
    # Not resolved: a mounted file may be a link into a folder that comes and goes.
    base = path.absolute().parent
    found = list(cross_checks(marked, base))
    try:
        file = ConnectorsFile.model_validate(marked.data)
    except ValidationError as error:
        found += explain(error, ConnectorsFile, marked.data)
    mistakes = [*marked.duplicates, *(Mistake(marked.line(where), where, text) for where, text in found)]
    if mistakes:
        raise _refused(path, mistakes)
    return _with_usual_sinks(_with_absolute_paths(file, base))


def template(root: str) -> str:
    """A commented `connectors.yaml` that syncs the folder `root`: absolute, or relative to where the file will lie."""
    # A JSON string is a YAML one.
    return _TEMPLATE.replace("ROOT", json.dumps(root, ensure_ascii=False), 1)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no {path}", advice=f"{_START} CONNECTORS_CONFIG names another place.") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", advice="Check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path.name}:{line}: is not UTF-8 text", advice="Save the file as UTF-8.") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path.name} is larger than {MAX_FILE_BYTES} bytes", advice="Make further endpoints over the API.")
    return text


def _refused(path: Path, mistakes: Sequence[Mistake]) -> ConfigurationError:
    told = sorted({(mistake.line, dotted(mistake.where), mistake.text) for mistake in mistakes})
    lines = [f"{path.name}:{line}: {where + ': ' if where else ''}{text}" for line, where, text in told[:_MOST_TOLD]]
    if len(told) > _MOST_TOLD:
        lines.append(f"and {len(told) - _MOST_TOLD} more")
    # A value may be a secret in the wrong place.
    return ConfigurationError(scrub("\n".join(lines)), advice="Correct the lines named.")


def _with_absolute_paths(file: ConnectorsFile, base: Path) -> ConnectorsFile:
    connectors = tuple(_connector(connector, base) for connector in file.connectors)
    sinks = {name: _settings("sink", sink.kind, sink, base) for name, sink in file.sinks.items()}
    return file.model_copy(update={"connectors": connectors, "sinks": sinks})


def _with_usual_sinks(file: ConnectorsFile) -> ConnectorsFile:
    """Sinks that keep records left out of what "all of them" means, where a source has none to keep."""
    of_records = {name for name, sink in file.sinks.items() if keeps_records(sink.kind)}
    usual = tuple(name for name in file.sinks if name not in of_records)
    if not of_records:
        return file
    connectors = tuple(c if has_streams(c.kind) else c.model_copy(update={"endpoints": _to(usual, c.endpoints)}) for c in file.connectors)
    return file.model_copy(update={"connectors": connectors})


def _to(sinks: tuple[str, ...], endpoints: Sequence[EndpointConfig]) -> tuple[EndpointConfig, ...]:
    return tuple(one if one.sinks is not None else one.model_copy(update={"sinks": sinks}) for one in endpoints)


def _connector(connector: ConnectorConfig, base: Path) -> ConnectorConfig:
    endpoints = tuple(_settings("source", connector.kind, endpoint, base) for endpoint in connector.endpoints)
    return connector.model_copy(update={"endpoints": endpoints})


def _settings(role: Role, kind: str, block: _Block, base: Path) -> _Block:
    model = config_type(role, kind)
    return block.model_copy(update={"settings": with_absolute_paths(block.settings, model, base)}) if model else block
