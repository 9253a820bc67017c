"""A sink is away: no other waits for it, and it is told what it missed by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.core.errors import ConfigurationError, TransientError
from tests.faults.conftest import House

FIVE_MINUTES = {"type": "interval", "every": "5m"}


def test_the_other_sinks_are_told_and_it_is_told_the_rest_when_it_is_back(house: House) -> None:
    house.configure({"slug": "docs", "schedule": FIVE_MINUTES}, sinks=("away", "there"))
    house.gates.fail("away")

    with pytest.raises(TransientError, match="away is away"):
        house.sync()
    status, now = house.status(), datetime.now(UTC)
    soon = house.due(now), house.due(now + timedelta(minutes=2))
    house.gates.open("away")
    house.sync()

    assert (status.state, status.last_error and status.last_error["stage"]) == ("failing", "away")
    assert status.sinks["there"]["delivered"] == 3
    assert status.sinks["away"] == {"delivered": 0, "owed": 3, "failed": 0, "to_remove": 0}
    assert soon == ({}, {"docs": "leftovers"})
    assert sorted(house.put("away")) == sorted(house.put("there")) == ["0.txt", "1.txt", "2.txt"]
    assert house.status().state == "active"


@pytest.mark.parametrize(("code", "error"), [("unavailable", TransientError), ("configuration", ConfigurationError)])
def test_what_is_new_meanwhile_reaches_the_other_sinks_as_scheduled(house: House, code: str, error: type[Exception]) -> None:
    endpoint: dict[str, Any] = {"slug": "docs", "schedule": FIVE_MINUTES}
    house.configure(endpoint, sinks=("away", "there"))
    house.gates.fail("away", code)
    with pytest.raises(error):
        house.sync()
    settings = {"gates": str(house.gates.folder), "files": 4}
    house.configure({**endpoint, "settings": settings}, sinks=("away", "there"))

    scheduled = house.due(datetime.now(UTC) + timedelta(minutes=5))
    with pytest.raises(error):
        house.sync()

    assert scheduled == {"docs": "schedule"}
    assert sorted(house.put("there")) == ["0.txt", "1.txt", "2.txt", "3.txt"]
    assert house.put("away") == []
