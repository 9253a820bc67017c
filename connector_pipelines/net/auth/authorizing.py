"""A person signs in: the address to open, and what comes back from it, made into a stored token (RFC 6749, 4.1; RFC 7636)."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from connector_pipelines.core.errors import Forbidden, Malformed, Unauthenticated
from connector_pipelines.core.oauth import AuthorizationCode, OAuth2Auth
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth._answers import Asker, sign_in_again
from connector_pipelines.net.auth._resolver import Resolver, Secret
from connector_pipelines.net.auth._token_endpoint import TokenEndpoint
from connector_pipelines.net.protocols import TokenState, TokenStore
from connector_pipelines.telemetry import redact, scrub

__all__ = ["Authorization", "begin", "code_from", "code_pasted", "finish"]

STORE_WAIT_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One attempt at signing in.

    Attributes:
        url: To be opened by the person; holds no secret.
        state: What must come back with the code: it shows that the answer is to this attempt.
        verifier: Proves to the token endpoint that who brings the code is who asked for it.
    """

    connector: str
    auth: OAuth2Auth
    url: str
    redirect_url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


def begin(connector: str, auth: OAuth2Auth, redirect_url: str) -> Authorization:
    """A new attempt, whose answer goes to `redirect_url`. `auth.grant` is an `AuthorizationCode`."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    assert isinstance(auth.grant, AuthorizationCode)  # noqa: S101 - the caller's promise
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    for secret in (state, verifier):
        redact(secret, passing=True)
    # What the settings add comes first: it cannot take the place of what keeps the attempt safe.
    safe = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
    url = prepare_grant_uri(
        auth.grant.authorize_url,
        auth.client_id,
        "code",
        redirect_url,
        " ".join(auth.scopes),
        state,
        **{**auth.grant.authorize_params, **safe},
    )
    return Authorization(connector=connector, auth=auth, url=str(url), redirect_url=redirect_url, state=state, verifier=verifier)


def code_from(attempt: Authorization, query: Mapping[str, str]) -> str:
    """The code in what came back.

    Raises:
        Forbidden: It is not an answer to this attempt.
        Unauthenticated: The person, or the provider, said no.
    """
    if not hmac.compare_digest(query.get("state", "").encode(), attempt.state.encode()):
        raise Forbidden(
            "what came back is not the answer to this attempt: its `state` is another",
            advice="open the address that was printed last, and take what that leads to",
        )
    if error := query.get("error"):
        said = scrub(": ".join(text for text in (error, query.get("error_description", "")) if text))[:300]
        raise Unauthenticated(
            f"{attempt.connector!r} was not signed in: {''.join(c for c in said if c.isprintable())}",
            advice=sign_in_again(attempt.connector),
        )
    return _code(query.get("code", ""))


def code_pasted(attempt: Authorization, pasted: str) -> str:
    """The code in what a person pasted: the code alone, or the whole address that the browser was sent to. Raises as `code_from`."""
    pasted = pasted.strip()
    redact(pasted, passing=True)
    if "://" in pasted or pasted.startswith(("?", "code=", "state=")):
        query = urlsplit(pasted).query if "://" in pasted else pasted.lstrip("?")
        return code_from(attempt, dict(parse_qsl(query)))
    # Out of an address bar it is still encoded. It came without `state`, and PKCE is what binds it to this attempt.
    return _code(unquote(pasted))


def finish(
    attempt: Authorization, code: str, store: TokenStore, *, secret: Secret, outbound: Outbound, stop: threading.Event
) -> TokenState:
    """Exchange the code for a token, and store it.

    Raises:
        ConnectorError: As `TokenEndpoint.ask`.
    """
    asker = Asker(attempt.connector, attempt.auth)
    endpoint = TokenEndpoint(asker, secret=Resolver(secret), outbound=outbound, stop=stop)
    # Held meanwhile: a refresh of the old token that is under way must not come after the new one.
    with store.locked(within_s=STORE_WAIT_S, stop=stop) as locked:
        token = endpoint.ask("authorization_code", {"code": code, "redirect_uri": attempt.redirect_url, "code_verifier": attempt.verifier})
        token = replace(token, scopes=token.scopes or attempt.auth.scopes)
        saved = locked.save(token, settings=attempt.auth.fingerprint)
        who = "" if token.account else endpoint.who(token)
        return locked.save(replace(token, account=who), settings=attempt.auth.fingerprint) if who else saved


def _code(text: str) -> str:
    if not text:
        raise Malformed(
            "what came back holds no code", advice="take the whole address that the browser was sent to, from `http` to its end"
        )
    redact(text, passing=True)
    return text
