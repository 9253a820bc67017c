"""One connector acts for many users: a token of each, kept, fetched once over all processes, and failing by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, SubjectRefused
from connector_pipelines.net.auth._oauth import OAuth2SignIn
from connector_pipelines.store.catalog import retention
from connector_pipelines.store.sealing import Sealer, given_keys, new_key
from connector_pipelines.store.secrets import rotate
from connector_pipelines.store.tokens import SealedTokens, SignedIn, forget_users, signed_in
from connector_pipelines.testing.oauth_server import Fault, OAuthServer
from tests.net.auth import google_world
from tests.net.auth.google_world import google_server, key_text, robot
from tests.net.auth.test_refresh_races import ended, until_they_wait
from tests.net.auth.world import Kept, access_of

ANN, BOB = "ann@example.com", "bob@example.com"


def acting(kept: Kept, server: OAuthServer, subject: str) -> OAuth2SignIn:
    """As another process would make it."""
    return google_world.signed_in(key_text(server.token_url), subject=subject, tokens=kept.store_of(subject))


def known(kept: Kept) -> SignedIn:
    with kept.database.operator() as tx:
        (found,) = signed_in(tx)
    return found


def rows(kept: Kept, what: str = "subject, sealed IS NOT NULL AS has_token, generation") -> list[dict[str, Any]]:
    with kept.database.operator() as tx:
        return tx.execute(f"SELECT {what} FROM tokens ORDER BY subject").fetchall()  # type: ignore[arg-type]


def test_each_user_has_a_token_that_other_processes_use_as_well(kept: Kept) -> None:
    with google_server(ANN, BOB) as server:
        tokens = {subject: access_of(acting(kept, server, subject)) for subject in (ANN, BOB, ANN, BOB)}

        assert {subject: server.holder(token) for subject, token in tokens.items()} == {ANN: ANN, BOB: BOB}
        assert len(server.journal) == 2
    assert [(row["subject"], row["has_token"]) for row in rows(kept)] == [(ANN, True), (BOB, True)]
    assert kept.store.read().token is None, "the connector's own is another"


def test_processes_that_want_the_token_of_one_user_fetch_it_once(kept: Kept) -> None:
    with google_server(ANN, BOB) as server:
        held = Fault(what="hold")
        server.script(held)
        environment = {**os.environ, "RACER_SECRET": key_text(server.token_url)}
        said = [kept.url, kept.key, kept.connector_id, robot().model_dump_json(), "4", "1", ANN]
        racers = [
            subprocess.Popen([sys.executable, "-m", "tests.net.auth.racer", *said], stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(2)
        ]
        server.wait_for(1)
        until_they_wait(kept, 1)
        # Another user is not held up by it.
        of_bob = server.holder(access_of(acting(kept, server, BOB)))
        held.release.set()
        met = [ended(process) for process in racers]

        assert [dict(each) for each in met] == [{"got": 4}] * 2
        assert of_bob == BOB
        assert len(server.journal) == 2


def test_a_user_who_is_refused_fails_alone_and_is_not_asked_for_again_at_once(kept: Kept) -> None:
    with google_server(ANN) as server:
        gone = Fault(what="status", status=400, body={"error": "invalid_grant", "error_description": "Invalid email or User ID"})
        server.script(gone)
        for _ in range(2):
            with pytest.raises(SubjectRefused, match=f"cannot act as '{BOB}'") as refused:
                access_of(acting(kept, server, BOB))
        works = server.holder(access_of(acting(kept, server, ANN)))

        assert (works, len(server.journal)) == (ANN, 2)
        assert "Directory > Users" in refused.value.advice
    found = known(kept)
    assert (found.failure, found.failed_at, found.settings) == (None, None, None), "nothing is wrong with the connector"
    assert (found.acts_for, list(found.refused)) == (1, [BOB])
    assert found.refused[BOB].startswith("subject_refused: 'robot@acme-drive.iam.gserviceaccount.com' cannot act as")


def test_that_nobody_lets_the_account_act_for_others_is_the_connectors(kept: Kept) -> None:
    with google_server() as server:
        server.script(Fault(what="status", status=401, body={"error": "unauthorized_client"}))
        with pytest.raises(ConfigurationError, match="may not act as") as refused:
            access_of(acting(kept, server, ANN))

    assert "Manage domain-wide delegation" in refused.value.advice


def test_only_the_row_of_the_user_in_question_is_read(kept: Kept) -> None:
    kept.execute(
        f"""INSERT INTO tokens (connector_id, subject, key_id, sealed, stored_at)
            SELECT '{kept.connector_id}', 'user' || n, 'lost', 'not to be opened', now() FROM generate_series(1, 5000) n"""
    )
    with kept.database.operator() as tx:
        kept.execute("ANALYZE tokens")
        plan = tx.execute(
            "EXPLAIN (FORMAT JSON) SELECT * FROM tokens WHERE connector_id = %s AND subject = %s", [kept.connector_id, ANN]
        ).fetchone()
    with google_server(ANN) as server:
        assert server.holder(access_of(acting(kept, server, ANN))) == ANN

    assert plan is not None
    assert "Index" in plan["QUERY PLAN"][0]["Plan"]["Node Type"]
    assert known(kept).acts_for == 5001


def test_forgetting_reaches_every_user_and_what_is_being_fetched_is_not_kept(kept: Kept) -> None:
    with google_server(ANN, BOB) as server:
        for subject in (ANN, BOB):
            access_of(acting(kept, server, subject))
        store = kept.store_of(ANN)
        with store.locked(within_s=5, stop=threading.Event()) as held:
            token = held.read().token
            assert token is not None
            with kept.database.operator() as tx:
                forgotten = forget_users(tx, kept.connector_id)
            state = held.save(token, settings="late")

    assert forgotten == 2
    assert state.token is None
    assert [row["has_token"] for row in rows(kept)] == [False, False]
    assert known(kept).acts_for == 0


def test_tokens_of_users_are_sealed_anew_and_bound_to_their_user(kept: Kept) -> None:
    with google_server(ANN, BOB) as server:
        tokens = {subject: access_of(acting(kept, server, subject)) for subject in (ANN, BOB)}
        newer = new_key()
        sealer = Sealer(given_keys(SecretStr(f"{newer},{kept.key}")))

        done = rotate(kept.database, sealer, actor="test")
        only_newer = {
            subject: SealedTokens(kept.database, Sealer(given_keys(SecretStr(newer))), kept.connector_id, subject) for subject in tokens
        }
        read = {subject: store.read().token for subject, store in only_newer.items()}

    assert (done.resealed["tokens"], done.unreadable) == (2, {})
    assert {subject: token.access_token.get_secret_value() for subject, token in read.items() if token} == tokens
    kept.execute(f"UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE subject = '{ANN}') WHERE subject = '{BOB}'")
    with pytest.raises(ConfigurationError, match=f"tokens/{kept.connector_id}/{BOB} does not open"):
        only_newer[BOB].read()


def test_tokens_of_users_that_ended_long_ago_are_forgotten_and_the_connectors_own_stays(kept: Kept) -> None:
    with google_server(ANN, BOB) as server:
        for subject in (ANN, BOB):
            access_of(acting(kept, server, subject))
        own = google_world.signed_in(key_text(server.token_url), auth=robot(subject=ANN), tokens=kept.store)
        access_of(own)
    for subject in ("", ANN):
        kept.execute(
            f"UPDATE tokens SET expires_at = now() - interval '40 days', stored_at = now() - interval '40 days' WHERE subject = '{subject}'"
        )
    with kept.database.operator() as tx:
        row = tx.execute("SELECT now() - interval '30 days' AS history").fetchone()
    assert row is not None

    done = retention.forget_before(kept.database, row["history"], row["history"])

    assert done["tokens"] == 1
    assert [each["subject"] for each in rows(kept)] == ["", BOB]
