"""The two ways to sign in to Google, against a Google that was written by its documents and not by us."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, SubjectRefused, Unauthenticated
from connector_pipelines.core.google import GoogleAuth
from connector_pipelines.core.http import HttpOptions
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth._memory import MemoryTokens
from connector_pipelines.net.auth.application import application_of
from connector_pipelines.net.http import open_http
from connector_pipelines.net.protocols import SignIn
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.net.auth.google_world import READ, robot, signed_in
from tests.net.auth.world import sign_in_person

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as found:
        for person in (ANN, BOB):
            found.world.add_user(person)
        yield found


def who(drive: FakeDrive, sign_in: SignIn) -> str:
    """As whom Google answers."""
    http = open_http(HttpOptions(base_url=drive.url, allow_private=True), name="Drive", sign_in=sign_in)
    try:
        return str(http.get("/drive/v3/about", params={"fields": "user"}).json()["user"]["emailAddress"])
    finally:
        http.close()


def test_a_service_account_acts_for_each_of_its_users(drive: FakeDrive) -> None:
    text = json.dumps(drive.service_account(delegation=[READ]))

    assert [who(drive, signed_in(text, subject=person)) for person in (ANN, BOB)] == [ANN, BOB]


def test_one_who_is_suspended_and_one_who_left_are_refused_as_such(drive: FakeDrive) -> None:
    text = json.dumps(drive.service_account(delegation=[READ]))
    drive.world.suspend(ANN)
    drive.world.remove(BOB)

    for person in (ANN, BOB):
        with pytest.raises(SubjectRefused, match=f"cannot act as '{person}'"):
            who(drive, signed_in(text, subject=person))


def test_without_delegation_or_with_other_scopes_it_is_the_connector_that_is_wrong(drive: FakeDrive) -> None:
    file = drive.service_account(delegation=[])
    with pytest.raises(ConfigurationError, match="may not act as") as refused:
        who(drive, signed_in(json.dumps(file), subject=ANN))
    assert file["client_id"] in refused.value.advice
    assert READ in refused.value.advice

    other = json.dumps(drive.service_account(delegation=[READ], name="other"))
    with pytest.raises(ConfigurationError, match="may not act as"):
        who(drive, signed_in(other, auth=robot(scopes=["https://www.googleapis.com/auth/drive"]), subject=ANN))


def test_a_key_that_was_replaced_at_google_is_the_connectors(drive: FakeDrive) -> None:
    old = json.dumps(drive.service_account(delegation=[READ]))
    drive.service_account(delegation=[READ])

    with pytest.raises(Unauthenticated, match="the key of the service account"):
        who(drive, signed_in(old, subject=ANN))


def test_a_token_that_ended_early_is_fetched_anew(drive: FakeDrive) -> None:
    sign_in = signed_in(json.dumps(drive.service_account(delegation=[READ])), subject=ANN)
    who(drive, sign_in)
    drive.expire_tokens()

    assert who(drive, sign_in) == ANN


def test_a_person_consents_and_stays_signed_in_although_a_refresh_brings_no_new_refresh_token(drive: FakeDrive) -> None:
    client = drive.application()
    parts = client.get("installed") or client.get("web") or client
    auth = GoogleAuth(
        client_id=parts["client_id"], client_secret="env:APP_SECRET", scopes=(READ,),
        authorize_url=f"{drive.url}/o/oauth2/v2/auth", token_url=f"{drive.url}/token",
    ).in_full()  # fmt: skip
    drive.consent_as(ANN)
    store, secret = MemoryTokens(), SecretStr(parts["client_secret"])
    state = sign_in_person(drive, auth, store, secret=lambda _: secret)
    sign_in = make_sign_in(auth, secret=lambda _: secret, connector="Drive", tokens=store)
    assert sign_in is not None
    refresh_token = state.token.refresh_token if state.token else None
    seen = []
    for _ in range(2):
        drive.expire_tokens()
        seen.append(who(drive, sign_in))
    kept = store.read().token
    drive.revoke(ANN)

    assert seen == [ANN, ANN]
    assert kept is not None
    assert (kept.refresh_token, store.read().generation) == (refresh_token, 3)
    with pytest.raises(Unauthenticated, match=r"has ended.*expired or revoked"):
        who(drive, sign_in)
    assert application_of(auth, lambda _: secret) == parts["client_id"].partition("-")[0]
