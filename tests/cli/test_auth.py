"""Signing in with the real command, and what a sync makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from joserfc import jws

from connector_pipelines.store.sealing import new_key
from connector_pipelines.testing.oauth_server import Asked, OAuthClient, OAuthServer
from tests.cli.conftest import Ended, Place
from tests.net.auth.google_world import google_server, key_text


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as found:
        yield found


@pytest.fixture
def crm(place: Place, tmp_path: Path, server: OAuthServer) -> Place:
    """A connector that signs in at `server`, of a kind that another distribution brings."""
    site = tmp_path / "site"
    info = site / "acme_crm-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-crm\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[connector_pipelines.sources]\nacme_crm = acme_crm:Source\n")
    shutil.copy(Path(__file__).with_name("acme_crm.py"), site)
    made = Place(
        place.folder, {**place.variables, "PYTHONPATH": str(site), "APP_SECRET": "app-secret", "CONNECTORS_SECRET_KEYS": new_key()}
    )
    configure(made, server, {"type": "authorization_code", "authorize_url": server.authorize_url})
    return made


def configure(place: Place, server: OAuthServer, grant: dict[str, object]) -> None:
    auth = {"type": "oauth2", "token_url": server.token_url, "client_id": "app", "client_secret": "env:APP_SECRET", "grant": grant}
    auth |= {"account_url": server.account_url, "account_field": "user.email"}
    endpoint = {"slug": "who", "settings": {"base_url": server.url}, "schedule": {"type": "interval", "every": "1d"}}
    connector = {"name": "Sales CRM", "kind": "acme_crm", "auth": auth, "endpoints": [endpoint]}
    place.yaml.write_text(json.dumps({"sinks": {"search": {"kind": "postgres_text"}}, "connectors": [connector]}))


def sign_in_by_pasting(place: Place) -> Ended:
    """As a person does whose browser is elsewhere."""
    process = subprocess.Popen(
        place.command("auth", "Sales CRM", "--paste"), cwd=place.folder, env=place.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    url = next(line.strip() for line in process.stdout if line.startswith("http"))
    location = httpx.get(url).headers["location"]
    out, err = process.communicate(f"{location}\n", timeout=60)
    code = httpx.URL(location).params["code"]
    assert code not in out + err
    return Ended(process.returncode, out, err)


def test_a_sign_in_that_ends_stops_the_connector_until_somebody_signs_in_again(crm: Place, server: OAuthServer) -> None:
    signed_in = sign_in_by_pasting(crm)
    works = crm.run("sync")
    server.end("ada@example.com")
    ended = crm.run("sync")
    status = crm.run("status")
    who = crm.run("auth", "status", "--json").json
    again = sign_in_by_pasting(crm)
    (due,) = _rows(crm, "SELECT c.status, e.requested_at IS NOT NULL AS due FROM connectors c JOIN endpoints e ON e.connector_id = c.id")
    mended = crm.run("sync")

    assert signed_in.code == 0, signed_in.err
    assert "signed in as ada@example.com; the token is renewed by itself" in signed_in.out
    assert works.code == 0, works.err
    assert ended.code == 1
    assert "invalid_grant" in ended.out + ended.err
    assert "error" in status.out
    assert "fix: sign in: `connectors auth 'Sales CRM'`" in status.out
    assert [(one["state"], one["type"], one["account"]) for one in who] == [("failing", "oauth2 (authorization_code)", "ada@example.com")]
    assert who[0]["failure"].startswith("unauthenticated: the sign-in of 'Sales CRM' has ended")
    assert again.code == 0
    assert due == ("idle", True)
    assert "due again: 1 endpoint (who)" in again.out
    assert mended.code == 0, mended.err


def test_the_browser_on_this_machine_brings_the_answer_by_itself(crm: Place) -> None:
    process = subprocess.Popen(
        crm.command("auth", "Sales CRM"), cwd=crm.folder, env=crm.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    url = next(line.strip() for line in process.stdout if line.startswith("http"))
    page = httpx.get(url, follow_redirects=True)
    out, err = process.communicate(timeout=60)
    told = crm.run("auth", "status")

    assert (process.returncode, page.status_code) == (0, 200), err
    assert "signed in as ada@example.com" in out
    assert "ada@example.com" in told.out
    assert "in 59 min" in told.out
    assert urlsplit(url).path == "/authorize"


def test_an_application_that_signs_in_as_itself_is_tried_and_tested(crm: Place, server: OAuthServer) -> None:
    configure(crm, server, {"type": "client_credentials"})
    early = crm.run("test", "who", "--json")
    tried = crm.run("auth", "Sales CRM")
    tested = crm.run("test", "who", "--json")
    forgotten = crm.run("auth", "forget", "Sales CRM")
    state = crm.run("auth", "status", "--json").json[0]["state"]

    assert early.code == 0, early.err + early.out
    assert [one["account"] for one in early.json if one["what"].startswith("endpoint")] == ["app"], "before it was ever applied"
    assert (tried.code, "signed in as app" in tried.out) == (0, True), tried.err
    assert tested.code == 0
    assert len(server.journal) == 2, "the token of `auth` served the test, too"
    assert forgotten.out == "forgotten: the token of 'Sales CRM'\n"
    assert state == "not_yet"
    actions = _rows(crm, "SELECT action FROM audit_log WHERE action IN ('sign_in', 'sign_out') ORDER BY id")
    assert actions == [("sign_in",), ("sign_out",)]


def test_a_wrong_secret_is_told_with_its_reference(crm: Place, server: OAuthServer) -> None:
    configure(crm, server, {"type": "client_credentials"})
    wrong = Place(crm.folder, {**crm.variables, "APP_SECRET": "mistaken-secret"})

    refused = wrong.run("auth", "Sales CRM")

    assert refused.code == 2
    assert "'env:APP_SECRET'" in refused.err
    assert "mistaken-secret" not in refused.out + refused.err


def test_where_there_is_nothing_to_sign_in_to_that_is_said(place: Place) -> None:
    nothing = place.run("auth", "Files")
    unknown = place.run("auth", "Filez")

    assert (nothing.code, nothing.out) == (0, "'Files' needs no sign-in\n")
    assert (unknown.code, unknown.err) == (2, "error: there is no connector 'Filez'\nfix: known: Files; `connectors.yaml` adds one\n")


def test_a_service_account_acts_for_users_and_one_who_left_stops_nobody_else(crm: Place) -> None:
    with google_server("ann@example.com") as google:
        auth = {"type": "google_service_account", "key": "env:DRIVE_KEY"}
        users = ["ann@example.com", "bob@example.com"]
        endpoint = {"slug": "drives", "settings": {"base_url": google.url, "users": users}}
        connector = {"name": "Drive", "kind": "acme_crm", "auth": auth, "endpoints": [endpoint]}
        crm.yaml.write_text(json.dumps({"sinks": {"search": {"kind": "postgres_text"}}, "connectors": [connector]}))
        place = Place(crm.folder, {**crm.variables, "DRIVE_KEY": key_text(google.token_url)})

        synced = place.run("sync")
        as_bob = place.run("auth", "Drive", "--as", "bob@example.com")
        (told,) = place.run("auth", "status", "--json").json
        shown = place.run("auth", "status").out
        scopes = {assertion_of(asked)["scope"] for asked in google.journal}
    (known,) = _rows(place, "SELECT status, last_error FROM connectors WHERE name = 'Drive'")
    files = _rows(place, "SELECT external_id FROM files ORDER BY 1")
    failures = _rows(place, "SELECT code FROM failures")
    forgotten = place.run("auth", "forget", "Drive")

    assert "ann@example.com" in str(files), synced.out + synced.err
    assert known[0] != "error"
    assert failures == [("subject_refused",)]
    assert as_bob.code != 0
    assert "cannot act as 'bob@example.com'" in as_bob.err
    assert "Directory > Users" in as_bob.err
    assert (told["type"], told["state"], told["acts_for"], list(told["refused"])) == (
        "google_service_account", "not_yet", 1, ["bob@example.com"],
    )  # fmt: skip
    assert "1 user" in shown
    assert "Drive, as bob@example.com: subject_refused" in shown
    assert scopes == {"read"}, "what the kind asks for"
    assert forgotten.out == "forgotten: the token of 'Drive', and those of 1 user\n"
    assert _rows(place, "SELECT 1 FROM tokens WHERE sealed IS NOT NULL") == []


def test_a_person_signs_in_to_google_without_its_addresses_being_typed(crm: Place) -> None:
    google = OAuthServer(OAuthClient(id="app", proof="client_secret_post"))
    with google:
        auth = {"type": "google", "client_id": "app", "client_secret": "env:APP_SECRET"}
        auth |= {"authorize_url": google.authorize_url, "token_url": google.token_url}
        endpoint = {"slug": "who", "settings": {"base_url": google.url}}
        connector = {"name": "Sales CRM", "kind": "acme_crm", "auth": auth, "endpoints": [endpoint]}
        crm.yaml.write_text(json.dumps({"sinks": {"search": {"kind": "postgres_text"}}, "connectors": [connector]}))

        signed_in = sign_in_by_pasting(crm)
        tested = crm.run("test", "who", "--json")
        (told,) = crm.run("auth", "status", "--json").json

    assert signed_in.code == 0, signed_in.err
    assert "signed in as ada@example.com; the token is renewed by itself" in signed_in.out
    assert tested.code == 0, tested.err
    assert "ada@example.com by acme/app" in [ability["detail"] for one in tested.json for ability in one["abilities"]]
    assert (told["type"], told["state"]) == ("oauth2 (authorization_code)", "signed_in")


def assertion_of(asked: Asked) -> dict[str, object]:
    """What was signed for a token."""
    return dict(json.loads(jws.extract_compact(asked.form["assertion"].encode()).payload))


def _rows(place: Place, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(place.variables["DATABASE_URL"]) as connection:
        connection.execute("SET ROLE connector_pipelines_operator")
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]
