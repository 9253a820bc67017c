"""Who may ask: service accounts, what they may do for others, people's consent, and tokens that end."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from connector_pipelines.testing.fake_drive import FakeDrive

ADA = "ada@example.com"
SCOPES = "https://www.googleapis.com/auth/"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as drive:
        drive.world.add_user(ADA)
        yield drive


@pytest.fixture
def http(drive: FakeDrive) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=drive.url, trust_env=False) as http:
        yield http


def asserted(key: dict[str, Any], signed_with: dict[str, Any] | None = None, **claims: Any) -> dict[str, str]:
    """The form that a service account sends; a claim that is None is left out."""
    now = int(time.time())
    said = {
        "iss": key["client_email"],
        "aud": key["token_uri"],
        "iat": now,
        "exp": now + 3600,
        "scope": SCOPES + "drive.readonly",
        **claims,
    }
    signer = RSAKey.import_key((signed_with or key)["private_key"])
    told = {name: value for name, value in said.items() if value is not None}
    return {"grant_type": GRANT, "assertion": jwt.encode({"alg": "RS256", "kid": key["private_key_id"]}, told, signer)}


def asked(http: httpx.Client, form: dict[str, str]) -> tuple[int, str, str]:
    answer = http.post("/token", data=form)
    return answer.status_code, answer.json().get("error", ""), answer.json().get("error_description", "")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_key_file_has_what_the_console_gives(drive: FakeDrive) -> None:
    key = drive.service_account()

    assert key["type"] == "service_account"
    assert key["token_uri"] == drive.url + "/token"
    assert key["client_email"].endswith(f"@{key['project_id']}.iam.gserviceaccount.com")
    assert key["private_key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert key["universe_domain"] == "googleapis.com"
    assert {"private_key_id", "client_id", "auth_uri", "auth_provider_x509_cert_url", "client_x509_cert_url"} <= key.keys()


def test_a_service_account_is_itself_without_a_subject_and_somebody_else_with_one(drive: FakeDrive, http: httpx.Client) -> None:
    key = drive.service_account(delegation=["drive.readonly"])

    tokens = [http.post("/token", data=asserted(key, sub=sub)).json() for sub in (None, ADA)]
    seen = [http.get("/drive/v3/about", params={"fields": "user"}, headers=bearer(token["access_token"])).json() for token in tokens]

    assert [each["user"]["emailAddress"] for each in seen] == [key["client_email"], ADA]
    assert (tokens[0]["expires_in"], tokens[0]["token_type"]) == (3599, "Bearer")


def test_nobody_is_impersonated_without_delegation_or_beyond_its_scopes(drive: FakeDrive, http: httpx.Client) -> None:
    without, narrow = drive.service_account(name="without"), drive.service_account(name="narrow", delegation=["drive.readonly"])
    both = f"{SCOPES}drive.readonly {SCOPES}drive"

    answers = [asked(http, asserted(without, sub=ADA)), asked(http, asserted(narrow, sub=ADA, scope=both))]

    assert {answer[:2] for answer in answers} == {(401, "unauthorized_client")}
    assert answers[0][2].startswith("Client is unauthorized to retrieve access tokens using this method, or client not authorized")


def test_who_left_is_suspended_or_never_was_cannot_be_impersonated(drive: FakeDrive, http: httpx.Client) -> None:
    key = drive.service_account(delegation=["drive.readonly"])
    for person in ("gone@example.com", "away@example.com"):
        drive.world.add_user(person)
        assert asked(http, asserted(key, sub=person))[0] == 200
    drive.world.remove("gone@example.com")
    drive.world.suspend("away@example.com")

    people = ("gone@example.com", "away@example.com", "never@example.com", "nobody")
    answers = [asked(http, asserted(key, sub=person)) for person in people]

    assert {answer[:2] for answer in answers} == {(400, "invalid_grant")}
    assert [answer[2] for answer in answers] == [
        "The account has been deleted", "Invalid email or User ID", "Invalid email or User ID", "Not a valid email or user ID.",
    ]  # fmt: skip


def test_a_token_of_somebody_who_was_suspended_since_is_no_good(drive: FakeDrive, http: httpx.Client) -> None:
    token = drive.access_token(ADA)
    drive.world.suspend(ADA)

    assert http.get("/drive/v3/files", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"iss": "other@fake-project.iam.gserviceaccount.com"}, "Invalid grant: account not found"),
        ({"aud": "https://elsewhere.example/token"}, "Invalid JWT: Failed audience check."),
        ({"exp": int(time.time()) + 7200}, "Invalid JWT: Token must be a short-lived token (60 minutes)"),
        ({"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}, "Invalid JWT: Token must be a short-lived token (60 minutes)"),
        ({"iat": None}, "Invalid JWT: Token must be a short-lived token (60 minutes)"),
        ({"scope": None}, "Empty or missing scope not allowed."),
    ],
)
def test_an_assertion_that_is_wrong_is_refused_in_googles_words(
    drive: FakeDrive, http: httpx.Client, claims: dict[str, Any], says: str
) -> None:
    status, _, description = asked(http, asserted(drive.service_account(), **claims))

    assert (status, description[: len(says)]) == (400, says)


def test_a_signature_of_another_key_is_refused(drive: FakeDrive, http: httpx.Client) -> None:
    key, other = drive.service_account(name="one"), drive.service_account(name="two")

    assert asked(http, asserted(key, signed_with=other)) == (400, "invalid_grant", "Invalid JWT Signature.")
    assert asked(http, {"grant_type": GRANT, "assertion": "no.jwt"})[2].startswith("Invalid JWT")


def test_an_old_key_is_refused_once_there_is_a_new_one(drive: FakeDrive, http: httpx.Client) -> None:
    old = drive.service_account()
    new = drive.service_account()

    assert asked(http, asserted(old))[2] == "Invalid JWT Signature."
    assert asked(http, asserted(new))[0] == 200


def test_a_token_ends_after_an_hour(drive: FakeDrive, http: httpx.Client) -> None:
    token = drive.access_token(ADA)
    drive.pass_time(timedelta(minutes=59))
    before = http.get("/drive/v3/files", headers=bearer(token))
    drive.pass_time(timedelta(minutes=2))
    after = http.get("/drive/v3/files", headers=bearer(token))

    error = after.json()["error"]
    assert (before.status_code, after.status_code) == (200, 401)
    assert (error["errors"][0]["reason"], error["status"]) == ("authError", "UNAUTHENTICATED")
    assert "invalid_token" in after.headers["www-authenticate"]


def test_a_method_needs_one_of_its_scopes(drive: FakeDrive, http: httpx.Client) -> None:
    made = drive.world.create(owner=ADA, name="a.txt", content=b"a")
    token = drive.access_token(ADA, scopes=["drive.metadata.readonly"])

    files, bytes_, drives = (
        http.get(path, headers=bearer(token)) for path in ("/drive/v3/files", f"/drive/v3/files/{made}?alt=media", "/drive/v3/drives")
    )

    error = drives.json()["error"]
    assert (files.status_code, bytes_.status_code, drives.status_code) == (200, 403, 403)
    assert (error["status"], error["errors"][0]["reason"]) == ("PERMISSION_DENIED", "insufficientPermissions")
    assert error["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_an_application_with_the_narrowest_scope_sees_no_file_it_did_not_make(drive: FakeDrive, http: httpx.Client) -> None:
    drive.world.create(owner=ADA, name="a.txt", content=b"a")
    token = drive.access_token(ADA, scopes=["drive.file"])

    assert http.get("/drive/v3/files", headers=bearer(token)).json()["files"] == []


def test_without_a_token_nobody_is_answered(http: httpx.Client) -> None:
    assert http.get("/drive/v3/files").status_code == 403
    assert http.get("/drive/v3/files", headers=bearer("made-up")).status_code == 401


def consent(http: httpx.Client, client: dict[str, Any], **more: str) -> dict[str, str]:
    """What comes back to the application by its address."""
    params = {
        "client_id": client["client_id"], "redirect_uri": "http://127.0.0.1:5/callback", "response_type": "code", "state": "s",
        "scope": SCOPES + "drive.readonly", "access_type": "offline", **more,
    }  # fmt: skip
    return dict(parse_qsl(urlsplit(http.get("/o/oauth2/v2/auth", params=params).headers["location"]).query))


def exchange(http: httpx.Client, client: dict[str, Any], **form: str) -> dict[str, Any]:
    named = {"client_id": client["client_id"], "client_secret": client["client_secret"], "redirect_uri": "http://127.0.0.1:5/callback"}
    return dict(http.post("/token", data={**named, **form}).json())


def test_a_person_consents_and_a_refresh_brings_no_new_refresh_token(drive: FakeDrive, http: httpx.Client) -> None:
    client = drive.application()["web"]
    drive.consent_as(ADA)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"verifier" * 8).digest()).rstrip(b"=").decode()

    back = consent(http, client, code_challenge=challenge, code_challenge_method="S256")
    first = exchange(http, client, grant_type="authorization_code", code=back["code"], code_verifier="verifier" * 8)
    again = exchange(http, client, grant_type="authorization_code", code=back["code"], code_verifier="verifier" * 8)
    refreshed = exchange(http, client, grant_type="refresh_token", refresh_token=first["refresh_token"])

    assert back["state"] == "s"
    assert first["scope"] == SCOPES + "drive.readonly"
    assert again["error"] == "invalid_grant"
    assert "refresh_token" not in refreshed
    assert http.get("/drive/v3/files", headers=bearer(refreshed["access_token"])).status_code == 200


def test_a_second_consent_brings_a_refresh_token_only_when_it_is_asked_for(drive: FakeDrive, http: httpx.Client) -> None:
    client = drive.application()["web"]
    drive.consent_as(ADA)

    given = [
        exchange(http, client, grant_type="authorization_code", code=consent(http, client, **more)["code"])
        for more in ({}, {}, {"prompt": "consent"})
    ]

    assert ["refresh_token" in each for each in given] == [True, False, True]


def test_who_refuses_is_sent_back_without_a_code(drive: FakeDrive, http: httpx.Client) -> None:
    drive.consent_as(None)

    assert consent(http, drive.application()["web"]) == {"state": "s", "error": "access_denied"}


def test_a_wrong_verifier_or_secret_gives_nothing(drive: FakeDrive, http: httpx.Client) -> None:
    client = drive.application()["web"]
    drive.consent_as(ADA)
    code = consent(http, client, code_challenge="x" * 43, code_challenge_method="S256")["code"]

    wrong = exchange(http, client, grant_type="authorization_code", code=code, code_verifier="y" * 43)
    stranger = exchange(http, {**client, "client_secret": "no"}, grant_type="refresh_token", refresh_token="any")

    assert (wrong["error"], stranger["error"]) == ("invalid_grant", "invalid_client")


def test_what_a_person_took_back_is_over(drive: FakeDrive, http: httpx.Client) -> None:
    held = drive.authorized_user(ADA)
    form = {"grant_type": "refresh_token", **{name: held[name] for name in ("client_id", "client_secret", "refresh_token")}}
    token = http.post("/token", data=form).json()["access_token"]

    drive.revoke(ADA)

    assert asked(http, form) == (400, "invalid_grant", "Token has been expired or revoked.")
    assert http.get("/drive/v3/files", headers=bearer(token)).status_code == 401


def test_no_secret_is_in_the_journal(drive: FakeDrive, http: httpx.Client) -> None:
    token = drive.access_token(ADA)
    http.get("/drive/v3/files", params={"access_token": token})
    http.post("/token", data=asserted(drive.service_account()))

    calls = drive.journal.entries()

    assert [call.call for call in calls] == ["files.list", "token"]
    assert calls[0].status == 200
    assert token not in repr(calls)
