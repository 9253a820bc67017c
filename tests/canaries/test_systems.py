"""Secrets of the systems we talk to never reach a log, an error, a repr, a table, the event log, a file or the UI.

Every place of secrets, every way to sign in, webhooks and proxies have canaries for secrets here. Everything is done that uses one,
rightly and against servers that repeat it in whatever they answer; then the canaries are looked for wherever something was written.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import SinkSettings
from connector_pipelines.core.errors import PermanentError
from connector_pipelines.core.http import HttpResponse
from connector_pipelines.core.oauth import OAuth2Auth
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.net._tls import tls_context
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth.authorizing import begin, code_from, code_pasted, finish
from connector_pipelines.net.protocols import ClientCertificate
from connector_pipelines.store.sealing import Sealer, given_keys, new_key
from connector_pipelines.store.tokens import SealedTokens, signed_in
from connector_pipelines.telemetry import get_logger
from tests.canaries.acts import Done, do_everything
from tests.canaries.forms import TOUGH, Canaries, leaks
from tests.canaries.inside import Heard, error_of, listening, objects_below
from tests.canaries.world import SIGN_INS, World, opened_world
from tests.secrets_world import Canaries as OfTheDatabase
from tests.secrets_world import every_cell, every_copy, every_file, told, two_roles

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, canaries, of_database = tmp_path_factory.mktemp("canaries"), Canaries(), OfTheDatabase()
    with two_roles(postgres.ensure_running(), of_database) as (url, _):
        canaries.keep("password of the database", of_database.by_name["postgres"])
        with opened_world(folder, canaries, url) as world:
            yield world


@pytest.fixture(scope="module")
def done(world: World) -> Iterator[Done]:
    with pytest.MonkeyPatch.context() as patch:
        done = do_everything(world, patch)
        yield done
        done.services.close()


def _raise_from(secret: str) -> None:
    try:
        int(secret)
    except ValueError:
        raise PermanentError("quiet", advice="none") from None


def test_a_secret_is_found_in_every_form() -> None:
    canaries = Canaries()
    secret = canaries.new("planted", tough=True)
    pem = canaries.keep("key", "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ/+\n-----END KEY-----")
    raw = secret.encode()
    forms = [
        f"at {secret}!", secret[:26], secret[-26:], quote(secret), quote(secret, safe=""), repr(secret), json.dumps({"a": [secret]}), raw.hex(),
        *(base64.b64encode(b"x" * n + raw + b"y") for n in range(3)), base64.urlsafe_b64encode(raw), zlib.compress(raw), gzip.compress(raw),
        base64.b64encode(zlib.compress(raw)), zlib.compress(base64.b64encode(b"user:" + raw)), rf"\x{raw.hex()}",
    ]  # fmt: skip

    assert [canaries.seen_in(form) for form in forms] == [{"planted"}] * len(forms)
    assert canaries.seen_in(pem.splitlines()[1], json.dumps(pem)) == {"key"}
    assert canaries.seen_in(base64.b64encode(b"zz" + pem.encode()), "nothing") == {"key"}
    assert canaries.seen_in(secret[:10]) == {"a canary"}
    assert canaries.seen_in("nothing", base64.b64encode(b"nothing at all"), TOUGH) == set()


def test_a_secret_is_found_in_every_kind_of_place(world: World, done: Done) -> None:
    canaries, heard = Canaries(), Heard()
    secret, url = canaries.new("planted"), world.variables["DATABASE_URL"]
    (world.folder / "home" / "planted").write_text(secret)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE planted (text text, json jsonb, bytes bytea)")
        values = [secret, json.dumps({"a": secret}), zlib.compress(secret.encode())]
        connection.execute("INSERT INTO planted VALUES (%s, %s::jsonb, %s), (NULL, NULL, %s)", [*values, secret.encode()])
        connection.commit()
        cells, rows = list(every_cell(url)), list(every_copy(url))
        connection.execute("DROP TABLE planted")
    with listening(heard):
        get_logger("connector_pipelines.planted").debug("told", secret_of=SimpleNamespace(inner=secret), url=f"https://h/?t={secret}")
    nested = SimpleNamespace(deep=[{"er": SinkSettings(kind="careless", settings={"url": secret})}])
    home = list(every_file(world.folder / "home"))
    (world.folder / "home" / "planted").unlink()

    assert _places_of("planted", leaks(canaries, cells)) == {"planted.text", "planted.json", "planted.bytes"}
    assert _places_of("planted", leaks(canaries, rows)) == {"planted"}
    assert set(leaks(canaries, home)) == {str(world.folder / "home" / "planted")}
    assert set(leaks(canaries, [("log", record) for record in heard.records])) == {"log"}
    assert set(leaks(canaries, objects_below(vars(nested), "root").items())) == {"root.str.[].str"}
    assert canaries.seen_in(*told(error_of(lambda: _raise_from(secret)))) == {"planted"}, "not in its text, but in what it hides"


def test_everything_that_uses_a_secret_was_done(world: World, done: Done) -> None:
    codes = {name: int(text.rsplit(" ", 1)[1]) for name, text in done.said.items()}
    by_credential = {entry.credential for entry in world.api.journal.entries() if entry.status == 200}
    works = {slug for slug in done.heard.errors if slug.endswith("_works")}
    kept = {place for place, value in done.cells() if value}

    assert [name for name, code in codes.items() if code == 70] == []
    assert {name for name, code in codes.items() if code == 0} == {
        "apply", "secrets set sigv4", "secrets set app", "signed in", "signed in to Google", "webhooks", "subscriptions", "test one", "auth", "auth of others", "auth status",
        "auth status in full", "secrets list", "secrets check", "by a role", "draft", "limits", "failures", "by Consul", "secrets rotate",
    }  # fmt: skip
    assert by_credential == {"", "header", "query", "ada", "bearer", "AKIASIGNED", "acme"}
    assert works == {"person_works"}, "once its refresh was refused"
    assert "invalid_grant" in done.heard.errors["person_works"]
    assert {f"{name}_{which}" for name in SIGN_INS for which in ("refused", "garbage")} <= done.heard.errors.keys()
    assert set(done.web.statuses.values()) == {"SUCCESS", "FAILURE"}
    assert dict(re.findall(r"^(signed|late|asked|told|borne|unknown): (\d+)", done.said["webhooks"], re.MULTILINE)) == {
        "signed": "202", "late": "401", "asked": "202", "told": "202", "borne": "202", "unknown": "404",
    }  # fmt: skip
    assert {
        "webhook_inbox.payload", "webhook_refusals.reason", "tokens.sealed", "secrets.sealed", "endpoints.last_error", "failures.message",
        "audit_log.details", "sink_tables.bearer_works__contacts.files", "dagster.event_logs.event",
    } <= kept  # fmt: skip
    assert len(world.canaries) > 60


def test_everything_that_uses_a_secret_of_google_was_done(world: World, done: Done) -> None:
    answers = dict(re.findall(r"^((?:genuine )?message[^:\n]*): (\d+)", done.said["webhooks"], re.MULTILINE))
    told = " ".join(value.decode() for place, value in done.cells() if place == "failures.message")
    as_a_whole = {"refused", "forbidden", "cut_short", "switched_off", "slow_down", "garbage", "html", "redirected", "turned_round"}
    sorts = {re.sub(r"[ 0-9]+$", "", name) for name in world.canaries.names()}

    assert {
        f"drive_{way}" for way in (*as_a_whole, "token_refused", "token_forbidden", "token_garbage", "person")
    } <= done.heard.errors.keys()
    assert "drive_works" not in done.heard.errors
    assert answers.pop("genuine message") == "202"
    assert len(answers) == 7
    assert min(answers.values()) >= "400"
    assert "downloads/***" in told, "a long export was refused"
    assert any("drive_export_turned_round" in name for name in done.heard.errors), "and read by an asset"
    assert "googleapiclient" in done.said["test"], "its loggers are ours to mask"
    assert {f"{sort} of Google" for sort in ("access_token", "refresh_token", "assertion", "channel token", "resource key", "address of an export", "place in a listing", "code of a person")} <= sorts  # fmt: skip


def test_no_secret_is_in_what_the_commands_write(world: World, done: Done) -> None:
    assert leaks(world.canaries, done.said.items()) == {}


def test_no_secret_is_in_what_the_web_server_answers_or_writes(world: World, done: Done) -> None:
    shown = "".join(done.web.answers.values())

    assert "garbage" in shown
    assert "401: who we are was refused" in shown
    assert "is refused to us" in "".join(answer for name, answer in done.web.answers.items() if name.startswith("logs"))
    assert leaks(world.canaries, [*done.web.answers.items(), ("said", done.web.said)]) == {}


def test_no_secret_is_in_a_file(world: World, done: Done) -> None:
    written = list(every_file(world.folder / "home", world.folder / "dagster_home"))

    assert any(name.endswith(".err") and content for name, content in written), "nothing that a Dagster run printed was kept"
    assert any("objects" in name for name, _ in written)
    assert leaks(world.canaries, written) == {}


def test_no_secret_is_in_the_database_nor_in_a_dump_of_it(world: World, done: Done) -> None:
    assert _sorts(leaks(world.canaries, done.cells())) == {"files.locator": {"resource key of Google"}}, (
        "without it, the file cannot be asked for"
    )
    assert _sorts(leaks(world.canaries, every_copy(world.variables["DATABASE_URL"]))) == {"files": {"resource key of Google"}}


def test_no_event_and_no_warning_tells_a_secret(world: World, done: Done) -> None:
    assert len(done.heard.records) > 100
    assert leaks(world.canaries, [(record[:100], record) for record in (*done.heard.records, *done.heard.warned)]) == {}


def test_no_object_shows_a_secret(world: World, done: Done) -> None:
    more = {}
    with done.services.database.operator() as tx:
        found = {one.connector: one for one in signed_in(tx)}
    sealer = Sealer(given_keys(SecretStr(world.canaries["newer sealing key"])))
    for name in SIGN_INS:
        tokens = SealedTokens(done.services.database, sealer, found[name].id)
        made = make_sign_in(
            found[name].auth, secret=done.services.tools.secret, connector=name, tokens=tokens, outbound=done.services.settings.outbound
        )
        more |= objects_below([made, tokens.read(), made and made.certificate, found[name]], name)
    more |= objects_below([done.services, sealer, done.services.settings.model_dump(), done.services.settings.vault], "house")
    more |= {"attempt": repr(_attempt(found["person"].auth)), "json": done.services.settings.model_dump_json()}

    assert len({type_of(text) for text in (*done.heard.shown.values(), *more.values())}) > 40
    assert leaks(world.canaries, [*done.heard.shown.items(), *more.items()]) == {}


def test_no_error_tells_a_secret(world: World, done: Done) -> None:
    wrong = {name: "\n".join(told(error_of(attempt))) for name, attempt in _faults(world, done).items()}

    assert len(done.heard.errors) > 40
    assert leaks(world.canaries, [*done.heard.errors.items(), *wrong.items()]) == {}


def _places_of(name: str, found: Mapping[str, set[str]]) -> set[str]:
    return {place for place, seen in found.items() if name in seen}


def _sorts(found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    return {place: {name.rstrip("0123456789 ") for name in seen} for place, seen in found.items()}


def type_of(text: str) -> str:
    return text.partition("(")[0].partition(" object")[0]


def _attempt(auth: Any) -> Any:
    assert isinstance(auth, OAuth2Auth)
    return begin("person", auth, "http://127.0.0.1/callback")


def _faults(world: World, done: Done) -> dict[str, Callable[[], object]]:
    """Ways to use a secret wrongly, by what is wrong."""
    canaries, secrets = world.canaries, done.services.secrets
    misplaced, pem = canaries.new("misplaced", plain=True), canaries["key of client assertions"]
    with done.services.database.operator() as tx:
        found = {one.connector: one for one in signed_in(tx)}
    attempt, tokens = _attempt(found["person"].auth), SealedTokens(done.services.database, done.services.sealer, found["person"].id)
    sealed = done.services.sealer.seal(misplaced.encode(), place="secrets/x")
    answer = HttpResponse(status=200, url="https://h/", headers={"content-type": "text/html"}, content=f"<{misplaced}".encode())

    def signed(name: str, **changed: str) -> Callable[[], object]:
        auth = found[name].auth.model_copy(update=changed)
        made = make_sign_in(auth, secret=lambda _: SecretStr(f"{misplaced}\né"), connector=name)
        assert made is not None
        return lambda: made.headers("GET", "https://h/", b"")

    def certified(text: str, key: str) -> Callable[[], object]:
        return lambda: tls_context(Outbound(), ClientCertificate(SecretStr(text), SecretStr(key), SecretStr(misplaced)))

    return {
        "no reference": lambda: secrets.resolve(f"vault:{misplaced}"),
        "nothing of that name": lambda: secrets.resolve("store:nothing"),
        "sealed elsewhere": lambda: done.services.sealer.open(*sealed, place="secrets/y"),
        "sealed by another key": lambda: Sealer(given_keys(SecretStr(new_key()))).open(*sealed, place="secrets/x"),
        "a code of another attempt": lambda: code_from(attempt, {"state": misplaced, "code": misplaced}),
        "a refusal": lambda: code_from(attempt, {"state": attempt.state, "error": misplaced, "error_description": attempt.verifier}),
        "no code": lambda: code_pasted(attempt, f"https://h/?token={misplaced}"),
        "a code that is no good": lambda: _exchanged(world, attempt, misplaced, tokens, done),
        "not for a header": signed("header"),
        "not for a bearer": signed("bearer"),
        "no key": signed("jwt"),
        "no certificate": certified(misplaced, pem),
        "another's key": certified((world.folder / "client.pem").read_text(), pem),
        "no JSON": answer.json,
    }


def _exchanged(world: World, attempt: Any, code: str, tokens: SealedTokens, done: Done) -> object:
    refused = attempt.auth.model_copy(update={"token_params": {"scope": "nothing"}})
    asked = type(attempt)(
        connector="person", auth=refused, url=attempt.url, redirect_url=attempt.redirect_url, state=attempt.state, verifier=attempt.verifier
    )
    return finish(asked, code, tokens, secret=done.services.tools.secret, outbound=done.services.settings.outbound, stop=threading.Event())
