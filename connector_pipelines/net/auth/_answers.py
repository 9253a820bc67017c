"""What a token endpoint's answer means: a token, or one of our errors."""

from __future__ import annotations

import base64
import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Malformed,
    RateLimited,
    SubjectRefused,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.oauth import AuthorizationCode, JwtBearer, OAuth2Auth
from connector_pipelines.net.auth._google import google_advice, google_refusal, is_google
from connector_pipelines.net.auth._key_file import KeyFile
from connector_pipelines.net.protocols import Token
from connector_pipelines.telemetry import redact, scrub

__all__ = ["Answer", "Asker", "field_of", "is_of_the_client", "refusal", "sign_in_again", "token_of"]

_SECRETS = ("access_token", "refresh_token", "id_token")
_KNOWN = frozenset({*_SECRETS, "token_type", "expires_in", "scope", "error", "error_description", "error_uri"})
_WHO = ("email", "preferred_username", "upn", "name", "sub")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_CODE = re.compile(r"[A-Za-z0-9_.:/ -]{1,80}")
_SHOWN = 300
_EXTRA_SHORT = 2000

# RFC 6749, 5.2; the last ones are OpenID's and Microsoft's: a person has to look at something.
_ENDED = frozenset(
    {"invalid_grant", "access_denied", "interaction_required", "login_required", "consent_required", "account_selection_required"}
)
_PASSES = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a token: the connector's name, and how it signs in.

    Attributes:
        acts_for: The user as whom one client of the connector acts, of many; None where the whole connector is one and the same.
        key_file: Of Google, that `auth` was made of.
    """

    connector: str
    auth: OAuth2Auth
    acts_for: str | None = None
    key_file: KeyFile | None = None

    @property
    def is_google(self) -> bool:
        return self.key_file is not None or is_google(self.auth)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a token endpoint. `body` is its JSON object, empty where it is none; `host` is who answered."""

    status: int
    body: Mapping[str, Any]
    host: str
    retry_after_s: float | None = None


def token_of(answer: Answer) -> Token:
    """The token in an answer, masked in logs from here on.

    Raises:
        Malformed: There is none in it.
        ConfigurationError: It is of a kind that needs more than a header.
    """
    for name in _SECRETS:
        if isinstance(value := answer.body.get(name), str) and value:
            redact(value, passing=True)
    access, refresh = answer.body.get("access_token"), answer.body.get("refresh_token")
    if not isinstance(access, str) or not _TOKEN.fullmatch(access):
        raise Malformed(f"{answer.host} answered {answer.status} without an access token", advice="check `token_url`")
    kind = str(answer.body.get("token_type") or "bearer")
    if kind.lower() != "bearer":
        raise ConfigurationError(
            f"{answer.host} gave a token of type {kind[:40]!r}; only bearer tokens are known", advice="ask it for another"
        )
    return Token(
        access_token=SecretStr(access),
        refresh_token=SecretStr(refresh) if isinstance(refresh, str) and refresh else None,
        lifetime_s=_seconds(answer.body.get("expires_in")),
        scopes=_scopes(answer.body.get("scope")),
        account=_account(answer.body.get("id_token")),
        extra={
            name: value
            for name, value in answer.body.items()
            if name not in _KNOWN and isinstance(value, str) and len(value) < _EXTRA_SHORT
        },
    )


def refusal(asker: Asker, answer: Answer, *, interrupted: bool) -> ConnectorError:
    """The error that an answer without a token is.

    Args:
        interrupted: As `TokenState.interrupted`.
    """
    code = answer.body.get("error")
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else ""
    said = f"{answer.host} answered {answer.status}{_said(code, answer.body)}"
    if answer.status == 429:
        return RateLimited(f"{said}: it asks us to slow down", retry_after_s=answer.retry_after_s)
    if answer.status in {408, 425} or answer.status >= 500 or code in _PASSES:
        return Unavailable(f"a token could not be fetched: {said}", retry_after_s=answer.retry_after_s)
    if asker.is_google and isinstance(asker.auth.grant, JwtBearer) and (told := _by_google(asker, asker.auth.grant, said, code, answer)):
        return told
    if code in _ENDED:
        return _ended(asker, said, answer, interrupted=interrupted)
    if is_of_the_client(answer):
        return _client_refused(asker, said)
    return _misconfigured(asker, said, answer.status, code)


def is_of_the_client(answer: Answer) -> bool:
    """Whether it is the application that was refused, and not what it brought."""
    code = answer.body.get("error")
    return code in {"invalid_client", "unauthorized_client"} or (answer.status == 401 and not code)


def sign_in_again(connector: str) -> str:
    """The advice to do so."""
    return f"sign in: `connectors auth {shlex.quote(connector)}`"


def field_of(body: Any, path: str) -> str:
    """The text or number at a dotted path of a JSON object, or empty."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return str(body)[:200] if isinstance(body, str | int) and not isinstance(body, bool) else ""


def _by_google(asker: Asker, grant: JwtBearer, said: str, code: str, answer: Answer) -> ConnectorError | None:
    return google_refusal(
        said,
        code,
        _text(answer.body, "error_description"),
        grant=grant,
        acts_for=asker.acts_for,
        client_id=asker.key_file.client_id if asker.key_file else "",
        connector=asker.connector,
    )


def _ended(asker: Asker, said: str, answer: Answer, *, interrupted: bool) -> ConnectorError:
    grant = asker.auth.grant
    if isinstance(grant, AuthorizationCode):
        why = " (the answer to an earlier request was lost, and perhaps the next refresh token with it)" if interrupted else ""
        more = f"; {google_advice(_text(answer.body, 'error_description'), _text(answer.body, 'error_subtype'))}" if asker.is_google else ""
        return Unauthenticated(
            f"the sign-in of {asker.connector!r} has ended{why}: {said}", advice=f"{sign_in_again(asker.connector)}{more}"
        )
    if isinstance(grant, JwtBearer) and asker.acts_for is not None:
        return SubjectRefused(
            f"{grant.issuer!r} cannot act as {asker.acts_for!r}: {said}",
            advice="see at the provider whether that user exists, is not suspended, and lets the application act for them",
        )
    if isinstance(grant, JwtBearer):
        who = f"{grant.issuer!r} as {grant.subject!r}" if grant.subject else repr(grant.issuer)
        return Unauthenticated(
            f"the service account {who} was refused: {said}",
            advice="check issuer, subject, key and this machine's clock, and that the account may do this; then"
            f" `connectors auth {shlex.quote(asker.connector)}`",
        )
    return Unauthenticated(
        f"the application {asker.auth.client_id!r} was refused: {said}",
        advice=f"check it at the provider, then `connectors auth {shlex.quote(asker.connector)}`",
    )


def _client_refused(asker: Asker, said: str) -> ConnectorError:
    auth = asker.auth
    proof = auth.client_secret or (auth.client_signing.key if auth.client_signing else None)
    told = f"`client_id` and the secret {proof!r}" if proof else "`client_id`"
    return ConfigurationError(
        f"the application {auth.client_id!r} was refused (it proves itself by {auth.proof}): {said}",
        advice=f"check {told}: it may be wrong, expired, or expected by another `client_authentication`",
    )


def _misconfigured(asker: Asker, said: str, status: int, code: str) -> ConnectorError:
    if code == "invalid_scope":
        return ConfigurationError(f"the scopes of {asker.connector!r} were refused: {said}", advice="correct `scopes` of its `auth`")
    if 300 <= status < 400:
        return ConfigurationError(
            f"{said}: it leads elsewhere, and secrets do not follow a redirect", advice="write the address it leads to as `token_url`"
        )
    return ConfigurationError(f"no token for {asker.connector!r}: {said}", advice="check `token_url` and the other settings of its `auth`")


def _said(code: str, body: Mapping[str, Any]) -> str:
    # Not the body, but the one text that the standard has in it for developers; secrets of ours in it are known and masked.
    description, code = body.get("error_description"), scrub(code)
    text = scrub(" ".join(description.split()))[:_SHOWN] if isinstance(description, str) else ""
    told = ": ".join(part for part in (code, "".join(c for c in text if c.isprintable())) if part)
    return f" ({told})" if told else ""


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _seconds(said: object) -> float | None:
    """Some send a number as text, and some nothing."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        seconds = float(said)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _scopes(said: object) -> tuple[str, ...]:
    # RFC 6749 separates them by spaces; some by commas, some send a list.
    if isinstance(said, str):
        return tuple(said.replace(",", " ").split())
    return tuple(str(scope) for scope in said) if isinstance(said, list) else ()


def _account(id_token: object) -> str:
    """Who an `id_token` is about. It came from the token endpoint itself, so its signature adds nothing (OpenID Connect Core, 3.1.3.7)."""
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        return ""
    payload = id_token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return ""
    return next((who for name in _WHO if (who := field_of(claims, name))), "")
