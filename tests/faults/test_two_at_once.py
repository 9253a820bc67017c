"""Several runs come upon one endpoint at once: the work is done once, and who finds it taken says so."""

from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Busy
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline.operations import run_stage
from tests.faults.conftest import House, eventually, said


def test_a_second_command_says_who_is_syncing_and_does_nothing(house: House) -> None:
    house.configure({"slug": "docs"})
    house.gates.hold("list")

    with house.sync_process() as first:
        assert eventually(lambda: house.gates.reached("list")), said(house.folder)
        state = house.status().state
        second = house.place.run("sync")
        house.gates.open("list")
        code = first.wait(60)

    assert (code, second.code, state) == (0, 0, "syncing")
    assert second.out.startswith("docs: another run is syncing 'docs' (run ")
    assert f"process {first.pid} on " in second.out
    assert second.out.endswith("; it does the same work\n")
    assert sorted(house.gates.done()) == ["list", *_once("open"), *_once("put one")]


@pytest.mark.parametrize("point", ["list", "open", "one"])
def test_two_syncs_do_the_work_once(house: House, point: str) -> None:
    house.configure({"slug": "docs"})
    house.gates.hold(point)

    with house.syncing() as result:
        assert eventually(lambda: house.gates.reached(point))
        with pytest.raises(Busy, match="another run is syncing 'docs'"):
            house.sync(run_id="second")
        house.gates.open(point)
        first = result()

    assert first.error is None
    assert sorted(house.gates.done()) == ["list", *_once("open"), *_once("put one")]
    assert _stages(house) == [("first", stage) for stage in ("listing", "files", "documents", "one")]


@pytest.mark.parametrize(("stage", "point"), [("files", "open"), ("one", "one")])
def test_a_run_for_windows_beside_a_sync_takes_nothing_that_the_sync_has(house: House, stage: str, point: str) -> None:
    house.configure({"slug": "docs"})
    house.gates.hold(point)

    with house.syncing() as result:
        assert eventually(lambda: house.gates.reached(point))
        with house.services.open("docs", "windows") as session:
            beside = run_stage(session, stage, DayRange())
        house.gates.open(point)
        first = result()

    assert first.error is None
    assert dict(beside.counts) == {}
    assert sorted(house.gates.done()) == ["list", *_once("open"), *_once("put one")]


def _once(what: str) -> list[str]:
    return [f"{what} {n}.txt" for n in range(3)]


def _stages(house: House) -> list[tuple[str, str]]:
    return [(r["run_id"], r["stage"]) for r in house.rows("SELECT run_id, stage FROM sync_logs ORDER BY id")]
