"""Many processes want one rotating token: it is refreshed by one at a time, and never with a refresh token that was used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from connector_pipelines.core.errors import Unauthenticated
from connector_pipelines.core.oauth import OAuth2Auth
from connector_pipelines.testing.oauth_server import Fault, OAuthServer
from tests.net.auth.world import Kept, access_of, code_auth, made, sign_in_person

PROCESSES = 4


def racer(kept: Kept, auth: OAuth2Auth, *, threads: int, times: int) -> subprocess.Popen[str]:
    said = [kept.url, kept.key, kept.connector_id, auth.model_dump_json(), str(threads), str(times)]
    return subprocess.Popen([sys.executable, "-m", "tests.net.auth.racer", *said], stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> Counter[str]:
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return Counter(json.loads(out))


def refreshes(server: OAuthServer) -> list[str]:
    return [asked.form["refresh_token"] for asked in server.journal if asked.grant_type == "refresh_token"]


def until_they_wait(kept: Kept, processes: int) -> None:
    """Return when that many processes wait for the hold on the token."""
    with kept.database.connect() as connection:
        for _ in range(3000):
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
            if row and row[0] >= processes:
                return
            connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("they do not wait for each other")


def test_a_thousand_refreshes_by_four_processes_use_each_refresh_token_once(kept: Kept) -> None:
    # Of no lifetime: every call wants another token.
    with OAuthServer(lifetime_s=0) as server:
        auth = code_auth(server)
        sign_in_person(server, auth, kept.store)

        met = sum((ended(p) for p in [racer(kept, auth, threads=3, times=84) for _ in range(PROCESSES)]), Counter())

        used = refreshes(server)
        assert met == Counter(got=PROCESSES * 3 * 84)
        assert len(used) == len(set(used)) == PROCESSES * 3 * 84 >= 1000
        assert not any(asked.reused or asked.error for asked in server.journal)
        assert [b.began - a.ended for a, b in pairwise(server.journal)] == [1] * (len(server.journal) - 1), "they were one after another"
        assert kept.store.read().generation == len(used) + 1
        assert access_of(made(auth, kept.store)), "the last one stored works"


def test_whoever_loses_the_race_uses_what_the_winner_fetched(kept: Kept) -> None:
    with OAuthServer() as server:
        auth = code_auth(server)
        sign_in_person(server, auth, kept.store)
        kept.execute("UPDATE tokens SET expires_at = clock_timestamp() - interval '1 second'")

        held = Fault(what="hold")
        server.script(held)

        racers = [racer(kept, auth, threads=4, times=1) for _ in range(3)]
        until_they_wait(kept, 2)
        held.release.set()
        met = sum(map(ended, racers), Counter())

        assert met == Counter(got=12)
        assert len(refreshes(server)) == 1


def test_processes_killed_now_and_then_hold_up_nobody_and_lose_nothing_where_the_provider_has_a_leeway(kept: Kept) -> None:
    with OAuthServer(lifetime_s=0, leeway="until_used") as server:
        auth = code_auth(server)
        sign_in_person(server, auth, kept.store)

        others = [racer(kept, auth, threads=2, times=40) for _ in range(2)]
        victims = [racer(kept, auth, threads=2, times=10_000) for _ in range(3)]
        for number, victim in enumerate(victims, 1):
            server.wait_for(20 * number)
            victim.kill()
            victim.communicate(timeout=60)
        met = sum(map(ended, others), Counter())

        assert met == Counter(got=160)
        assert not any(asked.reused or asked.error for asked in server.journal)
        assert server.holder(access_of(made(auth, kept.store))) is None, "of no lifetime"


def _killed_with_the_answer_on_its_way(kept: Kept, server: OAuthServer, auth: OAuth2Auth) -> None:
    sign_in_person(server, auth, kept.store)
    kept.execute("UPDATE tokens SET expires_at = clock_timestamp() - interval '1 second'")
    held = Fault(what="hold")
    server.script(held)
    victim = racer(kept, auth, threads=1, times=1)
    server.wait_for(2)
    victim.kill()
    victim.communicate(timeout=60)
    held.release.set()


def test_a_kill_between_the_answer_and_our_commit_costs_the_sign_in_where_old_tokens_are_never_taken(kept: Kept) -> None:
    with OAuthServer(leeway="none") as server:
        auth = code_auth(server)
        _killed_with_the_answer_on_its_way(kept, server, auth)

        with pytest.raises(Unauthenticated, match="the answer to an earlier request was lost") as refused:
            access_of(made(auth, kept.store))

        assert refused.value.advice == "sign in: `connectors auth CRM`"
        assert [asked.reused for asked in server.journal] == [False, False, True]


def test_a_kill_between_the_answer_and_our_commit_costs_nothing_where_the_provider_has_a_leeway(kept: Kept) -> None:
    with OAuthServer(leeway="until_used") as server:
        auth = code_auth(server)
        _killed_with_the_answer_on_its_way(kept, server, auth)

        token = access_of(made(auth, kept.store))

        assert server.holder(token) == "ada@example.com"
        assert kept.row()["asked_at"] is None
