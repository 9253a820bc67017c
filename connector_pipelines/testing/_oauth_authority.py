"""What an OAuth server knows and decides: clients, codes, tokens, and families of refresh tokens; the protocol is authlib's."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, ClassVar, Literal

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload, OAuth2Request
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge

__all__ = ["Authority", "Leeway", "OAuthClient", "Request"]

Leeway = Literal["none", "until_used", "always"]

_PROOFS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """An application registered at the server.

    Attributes:
        public_key: PEM, of what signs for `private_key_jwt` and for assertions.
        redirects: Addresses that codes are sent to; on 127.0.0.1 and localhost any port will do (RFC 8252, 7.3).
    """

    id: str = "app"
    secret: str = "app-secret"  # noqa: S105 - of a server for tests
    proof: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] = "client_secret_basic"
    public_key: str = ""
    redirects: tuple[str, ...] = ("http://127.0.0.1/callback",)

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        return self.redirects[0]

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(_without_port(redirect_uri) == _without_port(known) for known in self.redirects)

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret.encode(), self.secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - there is one endpoint
        return method == self.proof

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:  # noqa: ARG002 - all of them
        return True


@dataclass(slots=True, kw_only=True)
class _Code:
    client: OAuthClient
    person: str
    redirect: str
    scope: str
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect

    def get_scope(self) -> str:
        return self.scope


@dataclass(slots=True, kw_only=True)
class _Granted:
    """A token that was given. All that came of one sign-in are a family."""

    client: OAuthClient
    person: str | None
    scope: str
    access: str
    refresh: str | None
    family: str
    ends_at: float
    used: bool = False
    before: _Granted | None = None

    def check_client(self, client: OAuthClient) -> bool:
        return client.id == self.client.id

    def get_scope(self) -> str:
        return self.scope


class Request(OAuth2Request):  # type: ignore[misc]
    """A request as authlib reads it, from `form` (POST) or the query (GET)."""

    def __init__(self, method: str, url: str, headers: Message, values: Mapping[str, str]) -> None:
        super().__init__(method, url, headers=headers)
        self.payload = BasicOAuth2Payload(dict(values))
        self._values = dict(values)
        self.person: str | None = None
        self.reused = False

    @property
    def args(self) -> Mapping[str, str]:
        return self._values

    @property
    def form(self) -> Mapping[str, str]:
        return self._values


class Authority(AuthorizationServer):  # type: ignore[misc]
    """Everything behind the addresses. Its lock is held for each request.

    Args:
        token_url: Audience of assertions.
        told_lifetime: What `expires_in` says, of `lifetime_s`; None for nothing.
        rotates: Whether a refresh gives a new refresh token, and ends the old one.
        leeway: What becomes of a refresh token that was used. `none`: using it again ends the whole family. `until_used`: it may be
            used again until what it gave is used. `always`: it stays good, as at Microsoft.
        people: Who may sign in, and whom service accounts may speak for.
    """

    def __init__(
        self,
        clients: Iterable[OAuthClient],
        *,
        token_url: str,
        told_lifetime: Callable[[float], object],
        rotates: bool,
        leeway: Leeway,
        people: frozenset[str],
    ) -> None:
        super().__init__()
        self.clients = {client.id: client for client in clients}
        self.token_url, self.told_lifetime, self.rotates, self.leeway, self.people = token_url, told_lifetime, rotates, leeway, people
        self.lifetime_s = 3600.0
        self.codes: dict[str, _Code] = {}
        self.granted: list[_Granted] = []
        self.ended: set[str] = set()
        self.seen: set[str] = set()
        self.lock = threading.RLock()
        self.register_token_generator("default", self._generate)
        self.register_grant(_CodeGrant, [CodeChallenge(required=True)])
        for grant in (_RefreshGrant, _CredentialsGrant, _AssertionGrant):
            self.register_grant(grant)
        self.register_client_auth_method("private_key_jwt", _ClientAssertion(self))

    def query_client(self, client_id: str) -> OAuthClient | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Request) -> None:
        before: _Granted | None = getattr(request, "refresh_token", None)
        if before is not None:
            before.used = True
        person = getattr(request, "user", None)
        if person and "openid" in token.get("scope", "").split():
            token["id_token"] = _id_token(person, request.client)
        family = before.family if before else secrets.token_hex(8)
        refresh = token.get("refresh_token") or (before.refresh if before and not self.rotates else None)
        self.granted.append(
            _Granted(
                client=request.client, person=person, scope=token.get("scope", ""), access=token["access_token"],
                refresh=refresh, family=family, ends_at=time.monotonic() + self.lifetime_s, before=before,
            )
        )  # fmt: skip

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: object, headers: object) -> tuple[int, object, dict[str, str]]:
        return status, body, dict(headers or ())  # type: ignore[call-overload]

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def holder(self, access: str) -> str | None:
        """Who a good access token is of, the client's id where it is nobody's; None for any other token."""
        with self.lock:
            found = next((g for g in reversed(self.granted) if g.access == access), None)
            if found is None or found.family in self.ended or time.monotonic() >= found.ends_at:
                return None
            return found.person or found.client.id

    def by_refresh(self, refresh: str) -> _Granted | None:
        return next((g for g in reversed(self.granted) if g.refresh == refresh), None)

    def may_be_used(self, granted: _Granted) -> bool:
        if granted.family in self.ended:
            return False
        if not granted.used or not self.rotates or self.leeway == "always":
            return True
        # What it gave is the newest of its family, and was not used.
        newest = [g for g in self.granted if g.family == granted.family and g.before is granted]
        return self.leeway == "until_used" and bool(newest) and not any(g.used for g in newest)

    def _generate(self, *, scope: str = "", include_refresh_token: bool = True, **_: object) -> dict[str, object]:
        token: dict[str, object] = {"token_type": "Bearer", "access_token": secrets.token_urlsafe(24)}
        told = self.told_lifetime(self.lifetime_s)
        if told is not None:
            token["expires_in"] = told
        if include_refresh_token:
            token["refresh_token"] = secrets.token_urlsafe(24)
        return token | ({"scope": scope} if scope else {})


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = _PROOFS

    def save_authorization_code(self, code: str, request: Request) -> None:
        said = request.payload.data
        self.server.codes[code] = _Code(
            client=request.client, person=request.user, redirect=said.get("redirect_uri", ""), scope=request.scope or "",
            code_challenge=said.get("code_challenge"), code_challenge_method=said.get("code_challenge_method"),
        )  # fmt: skip

    def query_authorization_code(self, code: str, client: OAuthClient) -> _Code | None:
        found = self.server.codes.get(code)
        return found if found and found.client.id == client.id else None

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        self.server.codes = {code: each for code, each in self.server.codes.items() if each is not authorization_code}

    def authenticate_user(self, authorization_code: _Code) -> str:
        return authorization_code.person


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = _PROOFS

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802 - authlib's name
        return bool(self.server.rotates)

    def authenticate_refresh_token(self, refresh_token: str) -> _Granted | None:
        found: _Granted | None = self.server.by_refresh(refresh_token)
        if found is None or self.server.may_be_used(found):
            return found
        # Somebody has a copy: nobody can tell whose is the right one (RFC 9700, 4.14.2).
        self.request.reused = found.family not in self.server.ended
        self.server.ended.add(found.family)
        return None

    def authenticate_user(self, refresh_token: _Granted) -> str | None:
        return refresh_token.person

    def revoke_old_credential(self, refresh_token: _Granted) -> None:
        """Done in `save_token`."""


class _CredentialsGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = _PROOFS


class _AssertionGrant(JWTBearerGrant):  # type: ignore[misc]
    def resolve_issuer_client(self, issuer: str) -> OAuthClient | None:
        return self.server.query_client(issuer)  # type: ignore[no-any-return]

    def resolve_client_public_key(self, client: OAuthClient) -> Any:
        return _public(client)

    def authenticate_user(self, subject: str) -> str | None:
        return subject if subject in self.server.people else None

    def get_audiences(self) -> list[str]:
        return [self.server.token_url]

    def has_granted_permission(self, client: OAuthClient, user: str) -> bool:  # noqa: ARG002 - it may speak for all of them
        return True


class _ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]
    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority

    def get_audiences(self) -> list[str]:
        return [self._authority.token_url]

    def validate_jti(self, claims: Mapping[str, Any], jti: str) -> bool:  # noqa: ARG002 - they are unique by themselves
        fresh = jti not in self._authority.seen
        self._authority.seen.add(jti)
        return fresh

    def resolve_client_public_key(self, client: OAuthClient) -> Any:
        return _public(client)


def _id_token(person: str, client: OAuthClient) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    claims = {
        "iss": "https://login.example.com",
        "sub": secrets.token_hex(8),
        "aud": client.id,
        "email": person,
        "exp": int(time.time()) + 300,
    }
    return jwt.encode({"alg": "HS256"}, claims, OctKey.generate_key(256))


def _public(client: OAuthClient) -> Any:
    from joserfc.errors import InvalidKeyTypeError
    from joserfc.jwk import ECKey, RSAKey

    try:
        return RSAKey.import_key(client.public_key)
    except InvalidKeyTypeError:
        return ECKey.import_key(client.public_key)


def _without_port(url: str) -> tuple[str, str | None, str]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = "" if parts.hostname in {"127.0.0.1", "localhost"} else f":{parts.port}"
    return parts.scheme, f"{parts.hostname}{port}", parts.path
