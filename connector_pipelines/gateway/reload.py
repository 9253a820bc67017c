"""How a running Dagster is told to read its definitions anew: over GraphQL, with time limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, PermanentError, Unavailable
from connector_pipelines.telemetry import scrub

__all__ = ["LOCATION", "Reloaded", "is_up", "location_fault", "reload_location"]

LOCATION = "connector_pipelines"

CONNECT_TIMEOUT_S = 3.0
RELOAD_TIMEOUT_S = 120.0
"""A location of hundreds of endpoints loads in seconds; a machine busy with a sync takes longer."""

_TOLD_CHARACTERS = 600

_LOCATIONS = """
query Locations {
  workspaceOrError {
    __typename
    ... on PythonError { message }
    ... on Workspace {
      locationEntries {
        name
        loadStatus
        updatedTimestamp
        locationOrLoadError {
          __typename
          ... on PythonError { message }
          ... on RepositoryLocation { repositories { assetNodes { id } } }
        }
      }
    }
  }
}
"""

_RELOAD = """
mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on PythonError { message }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
    ... on UnauthorizedError { message }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A location that was read anew, and how many assets it has now."""

    location: str
    assets: int


def is_up(url: str, *, transport: httpx.BaseTransport | None = None) -> bool:
    """Whether a Dagster webserver answers at `url`, within three seconds."""
    try:
        with httpx.Client(base_url=url, timeout=CONNECT_TIMEOUT_S, transport=transport, trust_env=False) as client:
            answer = client.get("/server_info")
            return answer.status_code == httpx.codes.OK and "dagster_version" in answer.text
    except httpx.HTTPError:
        return False


def location_fault(url: str, *, location: str = LOCATION, transport: httpx.BaseTransport | None = None) -> str | None:
    """Why the code location cannot be used, in Dagster's words; None where it can, or where Dagster itself does not answer.

    A code server that was killed is not started again by Dagster: its sensors and runs fail until the location is reloaded.
    """
    try:
        with httpx.Client(base_url=url, timeout=CONNECT_TIMEOUT_S, transport=transport, trust_env=False) as client:
            found = _loaded(client, location)["locationOrLoadError"] or {}
    except ConnectorError:
        return None
    return None if found.get("__typename") == "RepositoryLocation" else _message(found)


def reload_location(
    url: str,
    *,
    location: str = LOCATION,
    wait_s: float = 60.0,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Reloaded:
    """Make the webserver at `url` read the code location anew; tried again for `wait_s` seconds while it starts.

    Raises:
        Unavailable: No Dagster answers there, or not in time.
        ConfigurationError: It has no such location, or cannot reload it.
        PermanentError: The definitions do not load; the message is Dagster's.
    """
    timeout = httpx.Timeout(RELOAD_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    with httpx.Client(base_url=url, timeout=timeout, transport=transport, trust_env=False) as client:
        before = _patiently(lambda: _loaded(client, location), wait_s, sleep)
        told = _asked(client, _RELOAD, name=location)["reloadRepositoryLocation"]
        if told["__typename"] != "WorkspaceLocationEntry":
            raise _refused(told, location)

        # Behind the proxy of `dagster dev` the answer is of the definitions before; the new ones follow in a second.
        def fresh() -> dict[str, Any]:
            entry = _loaded(client, location)
            if entry["updatedTimestamp"] == before["updatedTimestamp"]:
                raise Unavailable(f"Dagster at {url} was asked to reload {location} and has not yet")
            return entry

        return _outcome(_patiently(fresh, RELOAD_TIMEOUT_S / 2, sleep), location)


def _patiently(attempt: Callable[[], dict[str, Any]], wait_s: float, sleep: Callable[[float], None]) -> dict[str, Any]:
    pause, waited = 0.25, 0.0
    while True:
        try:
            return attempt()
        except Unavailable:
            if waited >= wait_s:
                raise
        sleep(pause)
        waited, pause = waited + pause, min(pause * 1.5, 4.0)


def _loaded(client: httpx.Client, location: str) -> dict[str, Any]:
    """The location's entry.

    Raises:
        Unavailable: It is still loading.
    """
    workspace = _asked(client, _LOCATIONS)["workspaceOrError"]
    if workspace["__typename"] != "Workspace":
        raise _refused(workspace, location)
    entries: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in workspace["locationEntries"]}
    if location not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise ConfigurationError(f"Dagster at {client.base_url} has no code location {location}", advice=f"workspace.yaml names: {known}")
    if entries[location]["loadStatus"] != "LOADED":
        raise Unavailable(f"{location} is still loading")
    return entries[location]


def _asked(client: httpx.Client, query: str, **variables: str) -> dict[str, Any]:
    try:
        answer = client.post("/graphql", json={"query": query, "variables": variables})
    except httpx.TimeoutException as error:
        raise Unavailable(f"Dagster at {client.base_url} did not answer in time") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"no Dagster answers at {client.base_url}", advice="is `connectors dev` running?") from error
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"Dagster at {client.base_url} answers with status {answer.status_code}")
    try:
        data: dict[str, Any] = answer.json()["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise _not_dagster(client, answer) from error
    if not isinstance(data, dict):
        raise _not_dagster(client, answer)
    return data


def _outcome(entry: dict[str, Any], location: str) -> Reloaded:
    loaded = entry["locationOrLoadError"] or {}
    if loaded.get("__typename") != "RepositoryLocation":
        raise PermanentError(
            f"the definitions of {location} do not load: {_message(loaded)}", advice="the log of the code location has the traceback"
        )
    return Reloaded(location, sum(len(repository["assetNodes"]) for repository in loaded["repositories"]))


def _refused(told: dict[str, Any], location: str) -> ConfigurationError:
    return ConfigurationError(f"Dagster did not reload {location}: {_message(told)}", advice="check the location's name in workspace.yaml")


def _not_dagster(client: httpx.Client, answer: httpx.Response) -> ConfigurationError:
    return ConfigurationError(
        f"what answers at {client.base_url} is no Dagster webserver (status {answer.status_code})", advice="check DAGSTER_WEBSERVER_URL"
    )


def _message(told: dict[str, Any]) -> str:
    return scrub(str(told.get("message") or told.get("__typename")).strip())[:_TOLD_CHARACTERS]
