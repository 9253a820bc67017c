"""What `auth:` may say, and what is refused before it gets anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.config import ConnectorConfig
from connector_pipelines.core.oauth import OAuth2Auth

_AUTH: TypeAdapter[Any] = TypeAdapter(Auth)
_CODE = {"type": "authorization_code", "authorize_url": "https://login.example.com/authorize"}
_OAUTH = {"type": "oauth2", "token_url": "https://login.example.com/token", "client_id": "app", "client_secret": "env:S", "grant": _CODE}
_ROBOT = {"type": "jwt_bearer", "issuer": "robot", "signing": {"key": "env:K"}}


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        ({"type": "basic"}, "give `username` or `username_secret`"),
        ({"type": "basic", "username": "a", "username_secret": "env:A"}, "one of them"),
        ({"type": "basic", "username": "a:b"}, "pattern"),
        ({"type": "bearer", "token": "eyJhbGciOi"}, "reference"),
        ({"type": "apikey", "key": "env:K", "name": "a b"}, "cannot be called 'a b'"),
        ({"type": "apikey", "key": "env:K", "name": "Host"}, "cannot be called 'Host'"),
        ({"type": "sigv4", "access_key": "env:A", "secret_key": "env:S", "region": "EU!", "service": "es"}, "region"),
        ({**_OAUTH, "token_url": "http://login.example.com/token"}, "`token_url` should begin with https://"),
        ({**_OAUTH, "grant": {**_CODE, "authorize_url": "http://login.example.com/"}}, "`authorize_url` should begin with https://"),
        ({**_OAUTH, "token_url": "https://user:pass@login.example.com/"}, "should hold no user or password"),
        ({**_OAUTH, "token_url": "https://login.example.com/#there"}, "without a fragment"),
        ({**_OAUTH, "token_url": "login.example.com"}, "an address such as"),
        ({**_OAUTH, "client_id": None}, "needs `client_id`"),
        ({**_OAUTH, "client_secret": None, "client_authentication": "client_secret_post"}, "goes with `client_secret`"),
        ({**_OAUTH, "client_authentication": "none"}, "goes with neither"),
        ({**_OAUTH, "client_authentication": "private_key_jwt"}, "goes with `client_signing`"),
        ({**_OAUTH, "scopes": ["two words"]}, "scopes"),
        ({**_OAUTH, "grant": {"type": "password"}}, "grant"),
        ({**_OAUTH, "pkce": False}, "pkce"),
        ({"type": "custom", "kind": "No Name"}, "kind"),
    ],
)  # fmt: skip
def test_what_cannot_work_or_is_not_safe_is_refused(auth: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ConnectorConfig.model_validate({"name": "CRM", "kind": "rest_api", "auth": auth, "endpoints": [{"slug": "deals"}]})
    assert problem in str(refused.value)
    assert "eyJhbGciOi" not in str(refused.value)
    assert "user:pass" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_tokens_may_travel_in_clear_on_this_machine_or_where_it_is_meant(host: str) -> None:
    _AUTH.validate_python({**_OAUTH, "token_url": f"http://{host}/token"})
    _AUTH.validate_python({**_OAUTH, "token_url": "http://login.corp/token", "allow_http": True})


@pytest.mark.parametrize(
    ("given", "proof"),
    [
        ({}, "client_secret_basic"),
        ({"client_secret": None}, "none"),
        ({"client_secret": None, "client_signing": {"key": "env:K"}}, "private_key_jwt"),
        ({"client_authentication": "client_secret_post"}, "client_secret_post"),
    ],
)
def test_how_the_application_proves_itself_follows_from_what_it_has(given: dict[str, Any], proof: str) -> None:
    assert _AUTH.validate_python({**_OAUTH, **given}).proof == proof


def test_a_service_account_needs_no_application() -> None:
    assert _AUTH.validate_python({"type": "oauth2", "token_url": "https://oauth2.example.com/token", "grant": _ROBOT}).client_id is None


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"client_secret": "env:OTHER"}, True),
        ({"client_authentication": "client_secret_post"}, True),
        ({"refresh_before": "1m"}, True),
        ({"client_id": "other"}, False),
        ({"token_url": "https://other.example.com/token"}, False),
        ({"scopes": ["write"]}, False),
        ({"grant": {"type": "client_credentials"}}, False),
    ],
)
def test_a_token_outlives_a_change_of_secrets_and_not_of_who_it_is_for(changed: dict[str, Any], same: bool) -> None:
    before, after = (OAuth2Auth.model_validate(given) for given in (_OAUTH, {**_OAUTH, **changed}))
    assert (before.fingerprint == after.fingerprint) is same


def test_what_is_stored_of_it_reads_back_the_same() -> None:
    for given in (_OAUTH, {"type": "oauth2", "token_url": "https://oauth2.example.com/token", "grant": _ROBOT, "refresh_before": "90s"}):
        auth = _AUTH.validate_python(given)
        assert _AUTH.validate_python(auth.model_dump(mode="json")) == auth


_EXAMPLES = re.findall(r"^```yaml\nauth:\n(.*?)^```", (Path(__file__).parents[2] / "docs/auth.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", _EXAMPLES)
def test_every_example_of_the_page_about_signing_in_is_right(example: str) -> None:
    auth = YAML(typ="safe").load(f"auth:\n{example}")["auth"]
    assert _AUTH.validate_python(auth).type == auth["type"]


def test_the_page_about_signing_in_shows_every_type() -> None:
    shown = {word for example in _EXAMPLES for word in re.findall(r"type: (\w+)", example)}
    types = {"apikey", "basic", "bearer", "certificate", "sigv4", "oauth2", "custom"}
    assert types | {"authorization_code", "client_credentials", "jwt_bearer"} <= shown
