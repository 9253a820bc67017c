"""What is sent to a token endpoint, and what its answers mean: against a real OAuth server, which may be told to misbehave."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Malformed,
    RateLimited,
    ResourceError,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.oauth import OAuth2Auth
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth._memory import MemoryTokens
from connector_pipelines.telemetry import scrub
from connector_pipelines.testing.oauth_server import Fault, OAuthClient, OAuthServer
from tests.net.auth.world import access_of, code_auth, credentials_auth, made, sign_in_person


def _pair(key: Any) -> tuple[str, str]:
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


RSA_KEY, RSA_PUBLIC = _pair(rsa.generate_private_key(65537, 2048))
EC_KEY, EC_PUBLIC = _pair(ec.generate_private_key(ec.SECP256R1()))


def told(auth: OAuth2Auth, **secrets: str) -> str:
    """The access token that the settings lead to."""
    known = {"env:APP_SECRET": "app-secret", "env:RSA": RSA_KEY, "env:EC": EC_KEY} | {f"env:{n}": v for n, v in secrets.items()}
    sign_in = make_sign_in(auth, secret=lambda reference: SecretStr(known[reference]), connector="CRM")
    assert sign_in is not None
    return sign_in.headers("GET", "https://api.example.com/", b"")["authorization"].removeprefix("Bearer ")


@pytest.mark.parametrize("proof", ["client_secret_basic", "client_secret_post"])
def test_an_application_signs_in_as_itself_by_its_secret(proof: Any) -> None:
    with OAuthServer(OAuthClient(proof=proof)) as server:
        assert server.holder(told(credentials_auth(server, client_authentication=proof))) == "app"


def test_an_application_signs_in_as_itself_by_its_key() -> None:
    with OAuthServer(OAuthClient(proof="private_key_jwt", public_key=RSA_PUBLIC)) as server:
        auth = credentials_auth(server, client_secret=None, client_signing={"key": "env:RSA", "key_id": "first"})
        assert server.holder(told(auth)) == "app"


@pytest.mark.parametrize(("key", "algorithm", "public"), [("env:RSA", "RS256", RSA_PUBLIC), ("env:EC", "ES256", EC_PUBLIC)])
def test_a_service_account_signs_in_for_a_person_by_what_it_signs(key: str, algorithm: str, public: str) -> None:
    with OAuthServer(OAuthClient(id="robot", public_key=public)) as server:
        grant = {
            "type": "jwt_bearer", "issuer": "robot", "subject": "ada@example.com", "claims": {"scope": "read"},
            "signing": {"key": key, "algorithm": algorithm},
        }  # fmt: skip
        assert server.holder(told(OAuth2Auth.model_validate({"token_url": server.token_url, "grant": grant}))) == "ada@example.com"


def test_a_service_account_that_may_not_speak_for_somebody_is_refused_for_good() -> None:
    with OAuthServer(OAuthClient(id="robot", public_key=RSA_PUBLIC)) as server:
        grant = {"type": "jwt_bearer", "issuer": "robot", "subject": "eve@example.com", "signing": {"key": "env:RSA"}}
        with pytest.raises(Unauthenticated, match=r"'robot' as 'eve@example\.com' was refused") as refused:
            told(OAuth2Auth.model_validate({"token_url": server.token_url, "grant": grant}))
        assert "this machine's clock" in refused.value.advice


@pytest.mark.parametrize("pem", ["not a key", EC_KEY, RSA_PUBLIC])
def test_a_key_that_is_none_is_named_and_not_shown(pem: str) -> None:
    with OAuthServer(OAuthClient(id="robot", public_key=RSA_PUBLIC)) as server:
        grant = {"type": "jwt_bearer", "issuer": "robot", "signing": {"key": "env:OTHER"}}
        with pytest.raises(ConfigurationError, match="'env:OTHER' is not an RSA private key") as refused:
            told(OAuth2Auth.model_validate({"token_url": server.token_url, "grant": grant}), OTHER=pem)
        assert pem not in str(refused.value)
        assert refused.value.__context__ is None


@pytest.mark.parametrize("said", [3600, "3600", 3600.0])
def test_a_lifetime_may_be_a_number_or_a_text(said: object) -> None:
    with OAuthServer(told_lifetime=lambda _: said) as server:
        state = sign_in_person(server, code_auth(server), MemoryTokens())
        assert state.left_s == pytest.approx(3600, abs=30)


@pytest.mark.parametrize("said", [None, "", "soon", True, float("inf")])
def test_a_lifetime_that_is_not_told_is_none(said: object) -> None:
    with OAuthServer(told_lifetime=lambda _: said) as server:
        assert sign_in_person(server, code_auth(server), MemoryTokens()).left_s is None


def test_a_wrong_secret_of_the_application_is_the_operators_and_named() -> None:
    with OAuthServer() as server:
        with pytest.raises(ConfigurationError, match="'app' was refused") as refused:
            told(credentials_auth(server), APP_SECRET="mistaken-secret")
        assert "'env:APP_SECRET'" in refused.value.advice
        assert "mistaken-secret" not in f"{refused.value}{refused.value.advice}"


def test_a_secret_that_the_provider_repeats_in_its_answer_is_masked() -> None:
    with OAuthServer() as server:
        store = MemoryTokens()
        auth = code_auth(server)
        token = sign_in_person(server, auth, store).token
        assert token is not None
        assert token.refresh_token is not None
        repeated = token.refresh_token.get_secret_value()
        server.script(Fault(what="status", status=400, body={"error": "invalid_grant", "error_description": f"{repeated} is\nrevoked"}))

        with pytest.raises(Unauthenticated) as refused:
            made(auth, store).refused({"authorization": f"Bearer {token.access_token.get_secret_value()}"})

        assert "*** is revoked" in str(refused.value)
        assert scrub(token.access_token.get_secret_value()) == "***"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(what="status", status=500), Unavailable),
        (Fault(what="status", status=503, headers=(("Retry-After", "7"),)), Unavailable),
        (Fault(what="status", status=429, headers=(("Retry-After", "7"),)), RateLimited),
        (Fault(what="status", status=400, body={"error": "temporarily_unavailable"}), Unavailable),
        (Fault(what="cut"), Unavailable),
        (Fault(what="status", status=400, body={"error": "invalid_grant"}), Unauthenticated),
        (Fault(what="status", status=400, body={"error": "interaction_required"}), Unauthenticated),
        (Fault(what="status", status=401), ConfigurationError),
        (Fault(what="status", status=400, body={"error": "invalid_scope"}), ConfigurationError),
        (Fault(what="status", status=404, body="<html>"), ConfigurationError),
        (Fault(what="status", status=302, headers=(("Location", "https://elsewhere.example.com/"),)), ConfigurationError),
        (Fault(what="status", status=200, body="<html>welcome</html>"), Malformed),
        (Fault(what="status", status=200, body={"access_token": "line\nbreak"}), Malformed),
        (Fault(what="status", status=200, body={"access_token": "x", "token_type": "mac"}), ConfigurationError),
        (Fault(what="status", status=200, body={"ok": False, "error": "invalid_grant"}), Unauthenticated),
        (Fault(what="status", status=200, body=b"x" * (2 * 1024 * 1024)), ResourceError),
    ],
)  # fmt: skip
def test_every_answer_has_its_class_of_error_and_is_asked_for_once(fault: Fault, error: type[ConnectorError]) -> None:
    with OAuthServer() as server:
        server.script(fault)
        with pytest.raises(error) as met:
            told(credentials_auth(server))
        assert type(met.value) is error
        assert len(server.journal) == 1
        if dict(fault.headers).get("Retry-After"):
            assert getattr(met.value, "retry_after_s", None) == 7


def test_a_provider_that_is_not_there_is_unavailable() -> None:
    with OAuthServer() as server:
        auth = credentials_auth(server)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1 gave no token"):
        told(auth)


def test_a_wait_for_an_answer_ends_when_the_run_is_stopped() -> None:
    stop = threading.Event()
    held = Fault(what="hold")
    with OAuthServer() as server:
        server.script(held)
        sign_in = made(credentials_auth(server), None, stop=stop)
        threading.Thread(target=lambda: (server.wait_for(1), stop.set())).start()
        with pytest.raises(Unavailable, match="stopped"):
            access_of(sign_in)


def test_further_parameters_go_with_every_request_and_cannot_replace_what_matters() -> None:
    with OAuthServer() as server:
        told(credentials_auth(server, token_params={"audience": "api://crm", "scope": "other"}))
        assert server.journal[0].form == {"grant_type": "client_credentials", "audience": "api://crm", "scope": "read"}


def test_a_token_that_is_withdrawn_is_fetched_anew_when_it_is_refused() -> None:
    with OAuthServer() as server:
        store = MemoryTokens()
        auth = code_auth(server)
        sign_in_person(server, auth, store)
        sign_in = made(auth, store)
        first = access_of(sign_in)
        server.expire()

        again = sign_in.refused({"Authorization": f"Bearer {first}"})

        assert (server.holder(first), again, server.holder(access_of(sign_in))) == (None, True, "ada@example.com")


def test_a_person_who_withdraws_everything_has_to_sign_in_again() -> None:
    with OAuthServer() as server:
        store = MemoryTokens()
        auth = code_auth(server)
        sign_in_person(server, auth, store)
        server.end("ada@example.com")
        sign_in = made(auth, store, name="Sales CRM")

        with pytest.raises(Unauthenticated, match="has ended") as refused:
            sign_in.refused(sign_in.headers("GET", "https://api.example.com/", b""))
        assert refused.value.advice == "sign in: `connectors auth 'Sales CRM'`"


def test_a_secret_that_was_replaced_is_fetched_anew_when_it_is_refused() -> None:
    kept = {"env:APP_SECRET": "old-secret"}
    with OAuthServer() as server:
        sign_in = make_sign_in(
            credentials_auth(server), secret=lambda reference: SecretStr(kept[reference]), connector="CRM",
            forget=lambda reference: kept.update({reference: "app-secret"}),
        )  # fmt: skip
        assert sign_in is not None

        assert sign_in.headers("GET", "https://api.example.com/", b"")["authorization"].startswith("Bearer ")
        assert [asked.error for asked in server.journal] == ["invalid_client", ""]
