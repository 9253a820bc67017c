"""`connectors subscriptions`, and what `connectors status` says of them: as a person and a program see it."""

from __future__ import annotations

from typing import Any

import pytest

from connector_pipelines.cli.subscribing import notes
from tests.cli.conftest import Place
from tests.cli.test_status_of_parts import status

TELLING = """
from connector_pipelines.core.errors import Forbidden
from connector_pipelines.testing import memory_push

class Source(memory_push.Source):
    def subscribe(self, resource, **asked):
        if resource == "refused":
            raise Forbidden("not for you", advice="ask Ann")
        return super().subscribe(resource, **asked)
"""
FILE = """
connectors:
  - name: t
    kind: local_telling
    webhook: {verify: {type: source}}
    endpoints:
      - {slug: papers, settings: {service: papers, resources: [all, refused]}}
"""


def ability(tried: list[dict[str, Any]]) -> tuple[bool, str]:
    """Of the endpoint, whether it can be told of changes, and what is said of that."""
    (found,) = (each for each in tried[0]["abilities"] if each["name"] == "tell of changes")
    return found["works"], found["detail"]


@pytest.fixture
def telling(place: Place) -> Place:
    """Its endpoint `papers` wants two resources, one of which is refused to it."""
    plugin = place.folder / "plugins" / "local_telling-1.0.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: local-telling\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[connector_pipelines.sources]\nlocal_telling = local_telling:Source\n")
    (plugin.parent / "local_telling.py").write_text(TELLING)
    place.yaml.write_text(FILE)
    # Nobody listens there: what is asked for stands nevertheless.
    return Place(place.folder, {**place.variables, "PYTHONPATH": str(plugin.parent), "CONNECTORS_PUBLIC_URL": "http://127.0.0.1:9/"})


def test_what_is_open_and_what_is_refused_is_opened_shown_and_stopped(telling: Place) -> None:
    renewed = telling.run("subscriptions", "renew", "papers")
    shown, told, state = telling.run("subscriptions"), telling.run("subscriptions", "--json").json, telling.run("status")
    stopped = telling.run("subscriptions", "stop", "papers")

    assert (renewed.code, renewed.out) == (1, "papers: 1 open, 1 opened just now, 0 stopped, 1 failing\n  not for you\n")
    assert "in 6 d" in shown.out
    assert "papers, refused: forbidden: not for you\n  fix: ask Ann" in shown.out
    assert [(row["resource"], row["state"], row["address"]) for row in told] == [
        ("all", "open", "http://127.0.0.1:9/webhooks/t"),
        ("refused", "failed", "http://127.0.0.1:9/webhooks/t"),
    ]
    assert (
        "papers: 1 subscriptions could not be opened, and changes are found as scheduled: forbidden: not for you\n  fix: ask Ann"
        in state.out
    )
    assert (stopped.code, stopped.out) == (0, "papers: 0 open, 0 opened just now, 1 stopped, 0 failing\n")


def test_without_a_public_address_the_status_says_that_nothing_tells_of_changes() -> None:
    told = {"open": 0, "failing": 0, "error": None}

    assert notes(status(kind="google_drive", subscriptions=told), None)[0].startswith(
        "mail: nothing tells of changes, since CONNECTORS_PUBLIC_URL"
    )
    assert notes(status(kind="google_drive", subscriptions=told), "https://hooks.example.com") == []
    assert notes(status(kind="google_drive"), None) == []
    assert notes(status(kind="local_folder", subscriptions=told), None) == []


def test_the_test_of_a_connection_says_whether_it_can_be_told_of_changes(telling: Place) -> None:
    without = Place(telling.folder, {**telling.variables, "CONNECTORS_PUBLIC_URL": ""})

    told, refused = (place.run("test", "papers", "--json") for place in (telling, without))

    assert ability(told.json) == (True, "A subscription for http://127.0.0.1:9/webhooks/t was opened, and stopped.")
    works, detail = ability(refused.json)
    assert (refused.code, works) == (1, False)
    assert "Set CONNECTORS_PUBLIC_URL" in detail
