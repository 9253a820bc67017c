"""What `connectors status` shows where files hold others."""

from __future__ import annotations

import pytest

from connector_pipelines.cli.status import adds_up, print_status
from connector_pipelines.store.catalog.reports import EndpointStatus


def status(**counts: object) -> EndpointStatus:
    known: dict[str, object] = {
        "slug": "mail", "kind": "local_folder", "connector": "mail", "tenant": "default", "state": "active", "schedule": {"type": "manual"},
        "seen": 40, "parts": 30, "waiting": 0, "stored": 0, "extracted": 40, "skipped": {}, "failed": {}, "lacking": 0, "bytes": 1000,
        "sinks": {}, "synced_at": None, "next_due_at": None, "retry_at": None, "held_deletions": None, "last_error": None,
    }  # fmt: skip
    return EndpointStatus(**known | counts)  # type: ignore[arg-type]  # the test's own


@pytest.mark.parametrize(
    ("counts", "told"),
    [({}, " 10 + 30 parts "), ({"parts": 0}, " 40 "), ({"extracted": 39}, " 10 + 30 parts (!) ")],
)
def test_files_and_parts_are_told_apart_where_there_are_parts(
    capsys: pytest.CaptureFixture[str], counts: dict[str, object], told: str
) -> None:
    print_status([status(**counts)])

    assert told in capsys.readouterr().out
    assert adds_up(status(**counts)) == ("(!)" not in told)


def test_documents_that_lack_something_are_pointed_at(capsys: pytest.CaptureFixture[str]) -> None:
    print_status([status(lacking=2)])

    assert "mail: 2 documents lack something; `connectors failures --endpoint mail` says what was left out" in capsys.readouterr().out
