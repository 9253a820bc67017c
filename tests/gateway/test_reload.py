"""Asking a running Dagster to read its definitions anew; the real one is asked in tests/cli/test_dev.py."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, PermanentError, Unavailable
from connector_pipelines.gateway.reload import Reloaded, is_up, reload_location

URL = "http://127.0.0.1:3000"
LOADED = {"__typename": "RepositoryLocation", "repositories": [{"assetNodes": [{"id": "a"}, {"id": "b"}]}]}


class Dagster:
    """A webserver that answers as Dagster's does behind its proxy: what is new shows a few questions after the reload."""

    def __init__(
        self,
        *,
        outcome: dict[str, Any] = LOADED,
        away: int = 0,
        late: int = 0,
        name: str = "connector_pipelines",
        told: str = "WorkspaceLocationEntry",
    ) -> None:
        self.outcome, self.away, self.late, self.name, self.told = outcome, away, late, name, told
        self.reloads = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            self.away -= 1
            raise httpx.ConnectError("refused", request=request)
        if b"reloadRepositoryLocation" in request.content:
            self.reloads += 1
            return self._data({"reloadRepositoryLocation": {"__typename": self.told, "message": "no"}})
        assert json.loads(request.content)["query"].lstrip().startswith("query Locations")
        seen = bool(self.reloads) and self.late <= 0
        self.late -= bool(self.reloads)
        entry = {
            "name": self.name,
            "loadStatus": "LOADED",
            "updatedTimestamp": 2.0 if seen else 1.0,
            "locationOrLoadError": self.outcome if seen else LOADED,
        }
        return self._data({"workspaceOrError": {"__typename": "Workspace", "locationEntries": [entry]}})

    @staticmethod
    def _data(data: dict[str, Any]) -> httpx.Response:
        return httpx.Response(200, json={"data": data})


def _reload(dagster: Any, wait_s: float = 60.0) -> Reloaded:
    return reload_location(URL, wait_s=wait_s, transport=httpx.MockTransport(dagster), sleep=lambda _: None)


def test_the_answer_counts_the_assets_there_are_now() -> None:
    assert _reload(Dagster()) == Reloaded("connector_pipelines", 2)


def test_what_the_proxy_still_shows_of_before_is_not_taken_for_the_new() -> None:
    dagster = Dagster(outcome={"__typename": "RepositoryLocation", "repositories": [{"assetNodes": [{"id": "a"}] * 5}]}, late=3)

    assert _reload(dagster).assets == 5
    assert dagster.reloads == 1


def test_a_server_that_is_still_starting_is_waited_for() -> None:
    assert _reload(Dagster(away=4)).assets == 2


def test_a_server_that_stays_away_is_given_up() -> None:
    with pytest.raises(Unavailable, match="no Dagster answers"):
        _reload(Dagster(away=10_000), wait_s=5)


def test_definitions_that_do_not_load_are_told_with_their_message() -> None:
    with pytest.raises(PermanentError, match="No module named"):
        _reload(Dagster(outcome={"__typename": "PythonError", "message": "ModuleNotFoundError: No module named 'x'"}))


@pytest.mark.parametrize(
    ("dagster", "words"),
    [
        (Dagster(name="other"), "no code location connector_pipelines"),
        (Dagster(told="ReloadNotSupported"), "did not reload"),
        (lambda _: httpx.Response(404, text="<html>"), "no Dagster webserver"),
        (lambda _: httpx.Response(200, json={"data": None}), "no Dagster webserver"),
    ],
)
def test_what_waiting_does_not_heal_is_a_configuration_error(dagster: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        _reload(dagster)


def test_a_server_error_passes() -> None:
    with pytest.raises(ConnectorError, match="status 503"):
        _reload(lambda _: httpx.Response(503), wait_s=0)


@pytest.mark.parametrize(
    ("answer", "up"),
    [
        (httpx.Response(200, json={"dagster_version": "1.13"}), True),
        (httpx.Response(200, text="hello"), False),
        (httpx.Response(502), False),
    ],
)
def test_up_means_that_dagster_answers(answer: httpx.Response, up: bool) -> None:
    assert is_up(URL, transport=httpx.MockTransport(lambda _: answer)) is up
