"""`connectors limits`: what is paused and which hosts are left alone, as a person and a program see it, and lifting it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from connector_pipelines.net.limits import Limits
from connector_pipelines.net.protocols import Answered
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.limits import PostgresLimits
from tests.cli.conftest import Place


def test_what_is_paused_and_who_does_not_answer_is_shown_and_cleared(place: Place) -> None:
    url = SecretStr(place.variables["DATABASE_URL"])
    schema.ensure(url, may_upgrade=True)
    limits = Limits(PostgresLimits(url))
    limits.limiter.learn("Crm/1", Answered(throttled=True, retry_after_s=3600))
    for _ in range(5):
        limits.breaker.record("Erp/2 https://erp.example.com", works=False)

    shown, told = place.run("limits"), place.run("limits", "--json").json
    cleared = place.run("limits", "clear", "Crm")
    unknown = place.run("limits", "clear", "Nobody")
    limits.limiter.admit(("Crm/1",), within_s=5, stop=threading.Event())
    limits.close()

    assert "Crm/1" in shown.out
    assert "in 59 min" in shown.out
    assert "Erp/2 https://erp.example.com" in shown.out
    (bucket,), (circuit,) = told["buckets"], told["circuits"]
    assert datetime.fromisoformat(bucket["paused_until"]) > datetime.now(UTC) + timedelta(minutes=58)
    assert bucket["refusals"] == 1
    assert (circuit["state"], circuit["failures"], circuit["opened"]) in {("open", 5, 1), ("half-open", 5, 1)}
    assert (cleared.code, cleared.out) == (0, "cleared Crm/1\n")
    assert (unknown.code, unknown.err.splitlines()[0]) == (2, "error: nothing is known of 'Nobody'")
