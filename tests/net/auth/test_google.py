"""A service account of Google by its key file: what is signed, for whom, and what Google's refusals mean."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from joserfc import jws
from pydantic import SecretStr, TypeAdapter, ValidationError

from connector_pipelines.core.auth import Auth, NoAuth, auth_in_full
from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Forbidden, SubjectRefused, Unauthenticated
from connector_pipelines.core.google import GoogleAuth
from connector_pipelines.core.oauth import AuthorizationCode, OAuth2Auth
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth._answers import Answer, Asker, refusal
from connector_pipelines.net.auth.application import application_of
from connector_pipelines.testing.oauth_server import Fault, OAuthServer
from tests.net.auth.google_world import EMAIL, PRIVATE_KEY, READ, SUBJECT, google_server, key_text, robot, signed_in
from tests.net.auth.world import access_of, code_auth

_AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)
NOT_DELEGATED = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."
)


def claims(server: OAuthServer, number: int = -1) -> dict[str, Any]:
    """What was signed for a token, header and claims."""
    parts = jws.extract_compact(server.journal[number].form["assertion"].encode())
    return {**parts.headers(), **json.loads(parts.payload)}


def refused(error: str, description: str, *, subject: str | None = SUBJECT, auth: Any = None, status: int = 400) -> ConnectorError:
    """What such an answer of Google's is raised as."""
    with google_server() as server:
        server.script(*[Fault(what="status", status=status, body={"error": error, "error_description": description})] * 2)
        with pytest.raises(ConnectorError) as raised:
            access_of(signed_in(key_text(server.token_url), auth=auth, subject=subject))
        return raised.value


def test_a_key_file_signs_in_as_the_user_it_is_to_act_for() -> None:
    with google_server() as server:
        token = access_of(signed_in(key_text(server.token_url), auth=robot(subject=SUBJECT)))
        assert server.holder(token) == SUBJECT

        told = claims(server)
    assert (told["alg"], told["kid"], told["iss"], told["aud"], told["sub"], told["scope"]) == (
        "RS256", "1f3a", EMAIL, server.token_url, SUBJECT, READ,
    )  # fmt: skip
    assert told["exp"] - told["iat"] <= 3600
    assert abs(told["iat"] - time.time()) < 60


def test_what_is_signed_is_what_the_library_of_google_signs() -> None:
    from google.oauth2 import service_account

    with google_server() as server:
        text = key_text(server.token_url)
        access_of(signed_in(text, auth=robot(scopes=[READ, "email"]), subject=SUBJECT))
        theirs = service_account.Credentials.from_service_account_info(json.loads(text), scopes=[READ, "email"], subject=SUBJECT)
        parts = jws.extract_compact(theirs._make_authorization_grant_assertion())

        ours = claims(server)
    theirs_told = {**parts.headers(), **json.loads(parts.payload)}
    # Theirs names the one token endpoint of Google as the audience, ours the one of the file: in a real file they are the same.
    changing = {"iat", "exp", "jti", "aud"}
    assert {k: v for k, v in ours.items() if k not in changing} == {k: v for k, v in theirs_told.items() if k not in changing}
    assert theirs_told["exp"] - theirs_told["iat"] == ours["exp"] - ours["iat"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_key_that_was_encoded_once_more_and_one_of_another_universe_are_read_all_the_same(times: int) -> None:
    with google_server() as server:
        text = key_text(server.token_url, universe_domain="example-universe.test", something_new={"a": [1]})
        for _ in range(times):
            text = json.dumps(text)
        assert server.holder(access_of(signed_in(f"\ufeff {text}\n", subject=SUBJECT))) == SUBJECT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PRIVATE_KEY, "is not the JSON of a key file"),
        ("", "is not the JSON of a key file"),
        ("[1]", "is not the JSON of a key file"),
        ("[" * 100_000, "is not the JSON of a key file"),
        (json.dumps({"installed": {"client_secret": "planted-1234567"}}), "of an OAuth client, not of a service account"),
        (key_text("https://x.test/token", type="authorized_user"), "of the type authorized_user, expected service_account"),
        (key_text("https://x.test/token", type="planted-1234567"), "of the type another, expected service_account"),
        (key_text("https://x.test/token", private_key=None, client_email=5), "has no client_email and no private_key"),
        (key_text("http://x.test/planted-1234567"), "`token_uri` of the key file 'env:DRIVE_KEY' is no address"),
        (key_text("https://x.test/token", private_key="planted-1234567"), "is not an RSA private key in PEM"),
    ],
)
def test_what_is_no_key_file_is_told_by_its_reference_and_nothing_of_it_is_shown(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as raised:
        access_of(signed_in(text))

    shown = f"{raised.value} {raised.value.advice} {raised.value.__context__!r} {raised.value.__cause__!r}"
    assert "env:DRIVE_KEY" in shown
    assert "planted-1234567" not in shown
    assert "PRIVATE KEY-----" not in shown


def test_scopes_are_the_kinds_where_none_are_named_and_asking_for_nothing_is_told() -> None:
    with google_server() as server:
        text = key_text(server.token_url)
        kinds = auth_in_full(robot(scopes=[]), lambda: ("https://www.googleapis.com/auth/kind",))
        found = make_sign_in(kinds, secret=lambda _: SecretStr(text), connector="Drive", subject=SUBJECT)
        assert found is not None
        found.headers("GET", "https://x.test/", b"")

        assert claims(server)["scope"] == "https://www.googleapis.com/auth/kind"
        with pytest.raises(ConfigurationError, match="would ask for nothing"):
            access_of(signed_in(text, auth=robot(scopes=[]), subject=SUBJECT))
    assert auth_in_full(robot(), lambda: ("never",)) == robot()
    assert robot().fingerprint != robot(scopes=["email"]).fingerprint != robot(subject=SUBJECT).fingerprint


def test_a_user_who_left_or_was_suspended_fails_alone() -> None:
    error = refused("invalid_grant", "Invalid email or User ID")

    assert type(error) is SubjectRefused
    assert isinstance(error, Forbidden)
    assert (error.code, error.stops_connector) == ("subject_refused", False)
    assert f"{EMAIL!r} cannot act as {SUBJECT!r}" in str(error)
    assert "Directory > Users" in error.advice


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ("invalid_grant", "Account has been deleted"),
        ("invalid_grant", "Not a valid email"),
        ("invalid_grant", ""),
        ("invalid_request", "Invalid impersonation &quot;sub&quot; field: ann"),
    ],
)
def test_whatever_else_is_wrong_with_a_user_is_that_users(error: str, description: str) -> None:
    assert type(refused(error, description)) is SubjectRefused


@pytest.mark.parametrize(
    ("error", "description", "kind", "advice"),
    [
        (
            "unauthorized_client",
            NOT_DELEGATED,
            ConfigurationError,
            "add its client ID 104050607080901020304 with exactly these scopes: " + READ,
        ),
        ("access_denied", "Requested client not authorized.", ConfigurationError, "Manage domain-wide delegation"),
        ("invalid_grant", "Invalid JWT Signature.", Unauthenticated, "create one in Google Cloud console"),
        ("invalid_grant", "Invalid grant: account not found", Unauthenticated, "restored for 30 days"),
        ("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)", ConfigurationError, "set the clock"),
        ("disabled_client", "The OAuth client was disabled.", ConfigurationError, "there and enabled"),
        ("admin_policy_enforced", "", ConfigurationError, "Manage app access"),
        ("invalid_scope", "Invalid OAuth scope or ID token audience provided.", ConfigurationError, "correct `scopes`"),
    ],
)
def test_what_is_wrong_with_the_account_its_key_or_its_rights_is_the_connectors(
    error: str, description: str, kind: type[ConnectorError], advice: str
) -> None:
    found = refused(error, description, status=401 if error == "unauthorized_client" else 400)

    assert type(found) is kind
    assert advice in found.advice


def test_where_the_whole_connector_acts_as_one_user_their_leaving_stops_it() -> None:
    found = refused("invalid_grant", "Invalid email or User ID", subject=None, auth=robot(subject=SUBJECT))

    assert type(found) is Unauthenticated
    assert "name another user as `subject` of the `auth` of 'Drive'" in found.advice


def test_a_key_that_was_replaced_is_read_anew_when_the_old_one_is_refused() -> None:
    with google_server() as server:
        kept = {"env:DRIVE_KEY": key_text(server.token_url, private_key_id="old")}
        server.script(Fault(what="status", status=400, body={"error": "invalid_grant", "error_description": "Invalid JWT Signature."}))
        found = make_sign_in(
            robot(), secret=lambda reference: SecretStr(kept[reference]), connector="Drive", subject=SUBJECT,
            forget=lambda reference: kept.update({reference: key_text(server.token_url, private_key_id="new")}),
        )  # fmt: skip
        assert found is not None
        found.headers("GET", "https://x.test/", b"")

        assert [claims(server, number)["kid"] for number in (0, 1)] == ["old", "new"]


def test_a_user_is_asked_for_once_and_not_again_with_the_same_key() -> None:
    with google_server() as server:
        server.script(Fault(what="status", status=400, body={"error": "invalid_grant", "error_description": "Invalid JWT Signature."}))
        with pytest.raises(Unauthenticated):
            access_of(signed_in(key_text(server.token_url), subject=SUBJECT))

        assert len(server.journal) == 1


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "none"},
        {"type": "apikey", "key": "env:K"},
        {"type": "oauth2", "token_url": "https://x.test/t", "client_id": "app", "grant": {"type": "client_credentials"}},
        {"type": "google", "client_id": "app", "client_secret": "env:K"},
    ],
)
def test_a_sign_in_that_cannot_act_for_others_says_so_at_once(auth: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"is to act as '{SUBJECT}', and its sign-in, .*, cannot act for others") as raised:
        make_sign_in(_AUTH.validate_python(auth), secret=lambda _: SecretStr("k"), connector="Drive", subject=SUBJECT)

    assert "type: google_service_account" in raised.value.advice


def test_any_service_account_acts_for_users_and_one_who_is_refused_fails_alone() -> None:
    grant = {"type": "jwt_bearer", "issuer": EMAIL, "subject": "all@example.com", "signing": {"key": "env:K"}}
    with google_server(SUBJECT) as server:
        auth = OAuth2Auth.model_validate({"token_url": server.token_url, "grant": grant})

        def token(subject: str) -> str:
            found = make_sign_in(auth, secret=lambda _: SecretStr(PRIVATE_KEY), connector="Desk", subject=subject)
            assert found is not None
            return found.headers("GET", "https://x.test/", b"")["authorization"].removeprefix("Bearer ")

        assert server.holder(token(SUBJECT)) == SUBJECT
        with pytest.raises(SubjectRefused, match=r"cannot act as 'eve@example\.com'"):
            token("eve@example.com")


def test_a_person_of_google_is_asked_for_a_refresh_token_and_for_who_they_are() -> None:
    auth = GoogleAuth(client_id="1-a.apps.googleusercontent.com", client_secret="env:GOOGLE_SECRET")

    found = auth_in_full(auth, lambda: (READ,))

    assert isinstance(found, OAuth2Auth)
    assert isinstance(found.grant, AuthorizationCode)
    assert found.grant.authorize_params == {"access_type": "offline", "prompt": "consent"}
    assert found.scopes == (READ, "openid", "email")
    assert (found.token_url, found.grant.authorize_url) == (
        "https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/v2/auth",
    )  # fmt: skip
    assert auth_in_full(NoAuth(), lambda: (READ,)) == NoAuth()


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({"error_description": "Token has been expired or revoked."}, "every 7 days, the application is in `Testing`"),
        ({"error_description": "reauth related error (invalid_rapt)", "error_subtype": "invalid_rapt"}, "Google Cloud session control"),
    ],
)
def test_a_sign_in_of_a_person_that_google_ended_says_where_to_look(body: dict[str, str], advice: str) -> None:
    auth = GoogleAuth(client_id="app", client_secret="env:S").in_full()
    answer = Answer(400, {"error": "invalid_grant", **body}, "oauth2.googleapis.com")

    found = refusal(Asker("Drive", auth), answer, interrupted=False)

    assert isinstance(found, Unauthenticated)
    assert found.advice.startswith("sign in: `connectors auth Drive`; ")
    assert advice in found.advice
    with OAuthServer() as server:
        assert refusal(Asker("Drive", code_auth(server)), answer, interrupted=False).advice == "sign in: `connectors auth Drive`"


@pytest.mark.parametrize(
    ("auth", "name"),
    [
        ({"type": "google_service_account", "key": "env:KEY"}, "acme-drive"),
        ({"type": "google", "client_id": "123456-ab1.apps.googleusercontent.com", "client_secret": "env:K"}, "123456"),
        (
            {"type": "oauth2", "token_url": "https://x.test/t", "client_id": "8f1c", "grant": {"type": "client_credentials"}},
            "8f1c",
        ),
        (
            {
                "type": "oauth2", "token_url": "https://x.test/t",
                "grant": {"type": "jwt_bearer", "issuer": EMAIL, "signing": {"key": "env:K"}},
            },
            "acme-drive",
        ),
        ({"type": "basic", "username": "reporting", "password": "env:K"}, "reporting"),
        ({"type": "none"}, ""),
        ({"type": "apikey", "key": "env:GONE"}, ""),
    ],
)  # fmt: skip
def test_the_application_has_a_name_that_is_no_secret(auth: dict[str, Any], name: str) -> None:
    known = {"env:KEY": key_text("https://x.test/token"), "env:K": "planted-1234567"}

    def secret(reference: str) -> SecretStr:
        if reference not in known:
            raise ConfigurationError(f"there is no {reference}")
        return SecretStr(known[reference])

    assert application_of(_AUTH.validate_python(auth), secret) == name


def test_connectors_with_one_key_have_one_application_wherever_the_key_is_kept() -> None:
    known = {"env:A": "planted-1234567", "vault:kv/a#key": "planted-1234567", "env:B": "planted-7654321"}
    names = {
        reference: application_of(_AUTH.validate_python({"type": "apikey", "key": reference}), lambda asked: SecretStr(known[asked]))
        for reference in known
    }

    assert names["env:A"] == names["vault:kv/a#key"] != names["env:B"]
    assert len(names["env:A"]) == 8


def test_addresses_of_google_that_would_send_secrets_in_clear_are_refused() -> None:
    with pytest.raises(ValidationError, match="https://"):
        auth_in_full(GoogleAuth(client_id="a", client_secret="env:S", token_url="http://x.test/token"), lambda: ())
