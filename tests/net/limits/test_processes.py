"""Several real processes, one Postgres, one server that writes down what arrives: is what an answer asked for ever violated?"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from connector_pipelines.net.limits import STALE_S
from tests.net.limits.conftest import changed, eventually
from tests.net.limits.loopback import Answer, Loopback, Request

UNDER_WAY_S = STALE_S + 0.1
"""How long after an answer a request may arrive that was let through before anybody knew of it: the bound, and the way here on a busy machine."""

THREE = (("--threads", 6), ("--threads", 6), ("--threads", 6, "--clock-ahead-s", 3600))


def violations(server: Loopback) -> list[tuple[float, float]]:
    """How long after an answer that asked for silence, and for how much of it, something arrived."""
    return [(at - since, until - since) for since, until in server.pauses for at in server.arrivals() if since + UNDER_WAY_S < at < until]


def test_while_one_answer_asks_to_wait_no_process_sends_and_then_they_begin_gently(server: Loopback, sending: Callable[..., Any]) -> None:
    refused: list[Request] = []

    def answer(request: Request) -> Answer:
        enough = len(server.journal) >= 150 and {r.pid for r in server.journal} == pids
        if enough and len(refused) < 2:
            # The second is of a request that was under way already, and asks for more.
            refused.append(request)
            return Answer(429, retry_after_s=len(refused), after_s=0.01 * len(refused))
        return Answer()

    pids: set[int] = set()
    server.answer = answer
    with sending(*THREE) as processes:
        pids |= {p.pid for p in processes}
        assert eventually(lambda: len(server.pauses) == 2)
        end = max(until for _, until in server.pauses)
        before = server.arrivals(refused[0].arrived_at - 0.3, refused[0].arrived_at)
        assert eventually(lambda: server.arrivals(end + 1.5))

    # By tenths of a second after the pause.
    after = [len(server.arrivals(end + n / 10, end + (n + 1) / 10)) for n in range(15)]
    assert violations(server) == []
    assert len(before) > 30, "they were many before"
    assert sum(after[:3]) <= 4, after
    assert sum(after[:5]) <= 8, after
    assert sum(after[10:15]) > sum(after[:5]), after
    assert {r.pid for r in server.journal if r.arrived_at > end} == pids, "each process has its turn"


def test_a_pause_of_one_user_holds_the_workers_of_that_user_and_one_of_the_application_holds_all(
    server: Loopback, sending: Callable[..., Any]
) -> None:
    """403, as Google says it, and a time: first for the user who asked, then for everybody."""
    asked: dict[str, Request] = {}
    users: dict[int, str] = {}

    def answer(request: Request) -> Answer:
        if len(users) < 3 or {r.pid for r in server.journal} != set(users):
            return Answer()
        if "narrowest" not in asked and users[request.pid] == "ann":
            asked["narrowest"] = request
            return Answer(403, retry_after_s=1, headers=("x-limit: narrowest",))
        before = asked.get("narrowest")
        is_over = before is not None and 0 < before.answered_at < request.arrived_at - 1.5
        if is_over and "widest" not in asked and users[request.pid] == "bob":
            asked["widest"] = request
            return Answer(403, retry_after_s=1, headers=("x-limit: widest",))
        return Answer()

    server.answer = answer
    with sending(*(("--user", user, "--threads", 3) for user in ("ann", "ann", "bob"))) as processes:
        users |= {process.pid: user for process, user in zip(processes, ("ann", "ann", "bob"), strict=True)}
        assert eventually(lambda: len(server.pauses) == 2)
        end = max(until for _, until in server.pauses)
        assert eventually(lambda: {r.pid for r in server.journal if r.arrived_at > end} == set(users))

    def arrived(user: str, pause: Request) -> int:
        """While it was asked to be silent."""
        since, until = pause.answered_at + UNDER_WAY_S, pause.answered_at + 1.0
        return len([r for r in server.journal if users[r.pid] == user and since < r.arrived_at < until])

    assert (arrived("ann", asked["narrowest"]), arrived("ann", asked["widest"]), arrived("bob", asked["widest"])) == (0, 0, 0)
    assert arrived("bob", asked["narrowest"]) > 10, "another user goes on"


def test_a_limit_of_the_other_side_is_found_and_kept_by_all_processes_together(server: Loopback, sending: Callable[..., Any]) -> None:
    """Sixty requests in a second are allowed, as a sliding window; whoever sends more has to wait for a second."""
    per_s = 60

    def answer(request: Request) -> Answer:
        recent = [r for r in server.journal[-2 * per_s :] if r.arrived_at > request.arrived_at - 1 and not r.retry_after_s]
        return Answer(429, retry_after_s=1, after_s=0) if len(recent) >= per_s else Answer(after_s=0.005)

    server.answer = answer
    with sending(*THREE):
        assert eventually(lambda: server.pauses)
        assert eventually(lambda: server.arrivals(server.pauses[0][1] + 3.0))

    begun = server.pauses[0][1]
    good = [r for r in server.journal if r.status == 200 and begun + 1 < r.arrived_at < begun + 3]
    bad = [r for r in server.journal if r.status == 429 and r.arrived_at > begun]
    assert violations(server) == []
    assert len(good) > 20, "it goes on at a pace that is of use"
    assert len(bad) <= len(good) / 4, (len(good), len(bad))


def test_a_ceiling_holds_for_all_processes_together(server: Loopback, sending: Callable[..., Any]) -> None:
    per_s = 50
    with sending(*((*given, "--at-most", per_s) for given in THREE)):
        assert eventually(lambda: len({r.pid for r in server.journal}) == 3)
        begun = server.arrivals()[-1]
        assert eventually(lambda: server.arrivals(begun + 3.0))

    sent = len(server.arrivals(begun, begun + 3.0))
    assert 0.9 * 3 * per_s <= sent <= 1.1 * 3 * per_s
    busiest = max(len(server.arrivals(at, at + 0.5)) for at in server.arrivals(begun, begun + 2.5))
    assert busiest <= 0.5 * per_s * 1.5 + 2


def test_a_host_that_fails_is_left_alone_and_tried_by_one_request_of_all_processes(
    server: Loopback, sending: Callable[..., Any], bucket: str, limits_url: SecretStr
) -> None:
    works = False
    server.answer = lambda _: Answer(200 if works else 503, after_s=0.02)

    with sending(*[("--threads", 4, "--budget-s", 0, "--pause-s", 0.02)] * 3):
        assert eventually(lambda: circuit(limits_url, bucket)["opened"] == 1)
        opened_with = len(server.journal)
        assert eventually(lambda: settled(server))
        quiet = len(server.journal)
        let_try(limits_url, bucket)
        assert eventually(lambda: circuit(limits_url, bucket)["opened"] == 2)
        assert eventually(lambda: settled(server))
        tried = len(server.journal) - quiet
        works = True
        quiet = len(server.journal)
        let_try(limits_url, bucket)
        assert eventually(lambda: len({r.pid for r in server.journal[quiet:]}) == 3)

    first, *others = server.journal[quiet:]
    # Five in a row open it; what was under way then is at most one of each thread, and one more of each in the time it takes to hear.
    assert opened_with <= 5 + 3 * 4 * 2
    assert tried == 1
    assert min(r.arrived_at for r in others) >= first.answered_at
    assert circuit(limits_url, bucket) | {"version": 0, "probes": 0} == {
        "failures": 0,
        "opened": 0,
        "is_open": False,
        "probing": False,
        "version": 0,
        "probes": 0,
    }


def test_when_the_process_that_tries_is_killed_another_may_after_a_while(
    server: Loopback, sending: Callable[..., Any], bucket: str, limits_url: SecretStr
) -> None:
    fails, slow = Answer(503, after_s=0.0), Answer(200, after_s=60)
    server.answer = lambda _: fails

    with sending(*[("--threads", 2, "--budget-s", 0, "--pause-s", 0.02)] * 3):
        assert eventually(lambda: circuit(limits_url, bucket)["opened"] == 1)
        assert eventually(lambda: settled(server))
        server.answer, quiet = lambda _: slow, len(server.journal)
        let_try(limits_url, bucket)
        assert eventually(lambda: len(server.journal) == quiet + 1)
        os.kill(server.journal[quiet].pid, signal.SIGKILL)
        assert eventually(lambda: settled(server))
        meanwhile = len(server.journal)
        server.answer = lambda _: Answer()
        lapse(limits_url, bucket)
        assert eventually(lambda: len({r.pid for r in server.journal[quiet:]}) == 3)

    assert meanwhile == quiet + 1
    assert server.journal[quiet + 1].pid != server.journal[quiet].pid


def circuit(url: SecretStr, bucket: str) -> dict[str, Any]:
    found = changed(
        url,
        "SELECT version, failures, opened, probes, open_until IS NOT NULL AS is_open, probe_until IS NOT NULL AS probing FROM circuits WHERE circuit LIKE %s",
        f"{bucket} %",
    )
    return found[0] if found else {"opened": 0}


def let_try(url: SecretStr, bucket: str) -> None:
    """As if the time were over for which it is open."""
    changed(url, "UPDATE circuits SET open_until = now(), version = version + 1 WHERE circuit LIKE %s", f"{bucket} %")


def lapse(url: SecretStr, bucket: str) -> None:
    """As if the time were over that the request which tries has."""
    changed(url, "UPDATE circuits SET probe_until = now(), version = version + 1 WHERE circuit LIKE %s", f"{bucket} %")


def settled(server: Loopback, quiet_s: float = 0.5) -> bool:
    """Whether nothing has arrived for a while."""
    return time.monotonic() - server.journal[-1].arrived_at > quiet_s
