"""The breakers of several processes on one Postgres. Each `opened()` is a process's; here they share one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.net.limits import Limits
from connector_pipelines.net.limits.circuits import FAILURES
from tests.net.limits.conftest import changed, eventually

Opened = Callable[..., Limits]


@pytest.fixture
def circuit(bucket: str) -> str:
    return f"{bucket} https://api.example.com"


def fail(limits: Limits, circuit: str, times: int = FAILURES) -> None:
    for _ in range(times):
        limits.breaker.check(circuit)
        limits.breaker.record(circuit, works=False)


def refuses(limits: Limits, circuit: str) -> bool:
    try:
        limits.breaker.check(circuit)
    except Unavailable:
        return True
    return False


def let_try(url: SecretStr, circuit: str) -> None:
    changed(url, "UPDATE circuits SET open_until = now(), version = version + 1 WHERE circuit = %s", circuit)


def test_failures_of_one_process_open_the_circuit_for_all(opened: Opened, circuit: str) -> None:
    one, other = opened(), opened()
    assert not refuses(other, circuit)

    fail(one, circuit)

    with pytest.raises(Unavailable, match="not asked") as refused:
        one.breaker.check(circuit)
    assert 4 < (refused.value.retry_after_s or 0) <= 6.25
    assert eventually(lambda: refuses(other, circuit), limit_s=5)
    assert refuses(opened(), circuit)


def test_failures_of_processes_that_end_before_they_have_enough_add_up(opened: Opened, circuit: str) -> None:
    for _ in range(FAILURES):
        one = opened()
        fail(one, circuit, 1)
        one.close()

    assert refuses(opened(), circuit)


def test_a_success_between_them_begins_the_count_anew(opened: Opened, circuit: str) -> None:
    one = opened()
    for _ in range(4):
        fail(one, circuit, FAILURES - 1)
        one.breaker.record(circuit, works=True)

    assert not refuses(one, circuit)


def test_when_half_of_the_requests_fail_it_opens_although_others_work(opened: Opened, circuit: str) -> None:
    one = opened()
    for n in range(20):
        one.breaker.record(circuit, works=n % 2 == 0)

    assert refuses(one, circuit)


def test_other_circuits_are_not_touched(opened: Opened, circuit: str) -> None:
    one = opened()
    fail(one, circuit)

    assert not refuses(one, f"{circuit}.other")


def test_of_all_threads_and_processes_one_request_tries_it(opened: Opened, circuit: str, limits_url: SecretStr) -> None:
    limits = [opened() for _ in range(3)]
    fail(limits[0], circuit)
    assert eventually(lambda: all(refuses(one, circuit) for one in limits))
    let_try(limits_url, circuit)
    tried, begin = [], threading.Barrier(12)

    def ask(one: Limits) -> None:
        begin.wait()
        for _ in range(200):
            if not refuses(one, circuit):
                tried.append(threading.get_ident())
            threading.Event().wait(0.005)

    threads = [threading.Thread(target=ask, args=(one,)) for one in limits for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(tried) == 1


@pytest.mark.parametrize("works", [True, False])
def test_how_that_one_ends_decides_for_all(opened: Opened, circuit: str, limits_url: SecretStr, works: bool) -> None:
    one, other = opened(), opened()
    fail(one, circuit)
    let_try(limits_url, circuit)
    assert eventually(lambda: not refuses(one, circuit))

    one.breaker.record(circuit, works=works)

    (row,) = changed(limits_url, "SELECT opened, failures FROM circuits WHERE circuit = %s", circuit)
    assert eventually(lambda: refuses(other, circuit) != works)
    assert (row["opened"], row["failures"] > 0) == ((0, False) if works else (2, True))


def test_what_was_under_way_when_it_opened_neither_opens_nor_closes_it(opened: Opened, circuit: str, limits_url: SecretStr) -> None:
    one = opened()
    fail(one, circuit)

    one.breaker.record(circuit, works=True)
    one.breaker.record(circuit, works=False)

    (row,) = changed(limits_url, "SELECT opened FROM circuits WHERE circuit = %s", circuit)
    assert (row["opened"], refuses(one, circuit)) == (1, True)
