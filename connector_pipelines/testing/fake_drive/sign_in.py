"""Google's side of OAuth: tokens for service accounts, and for applications that people consented to.

As in "Using OAuth 2.0 for Server to Server Applications" and "… for Web Server Applications"
(https://developers.google.com/identity/protocols/oauth2/service-account, …/oauth2/web-server, read 2026-11). The texts of errors
are those that clients look for. Google says of a suspended person what it says of one who never was.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from connector_pipelines.testing.fake_api.messages import Answer, Request, json_answer
from connector_pipelines.testing.fake_drive.accounts import Accounts, Application, ServiceAccount, scope_names
from connector_pipelines.testing.fake_drive.assertion import read_assertion
from connector_pipelines.testing.fake_drive.grants import Consent, Grant, Grants
from connector_pipelines.testing.fake_drive.methods import SCOPE_PREFIX
from connector_pipelines.testing.fake_drive.refusals import Refused, invalid_credentials, no_credentials, oauth_error
from connector_pipelines.testing.fake_drive.service_time import ServiceTime
from connector_pipelines.testing.fake_drive.world import World

__all__ = ["SIGN_IN_PATHS", "SignIn"]

_AUTHORIZE: Final = "/o/oauth2/v2/auth"
_TOKEN: Final = "/token"  # noqa: S105 - a path
_REVOKE: Final = "/revoke"
SIGN_IN_PATHS: Final = frozenset({_AUTHORIZE, _TOKEN, _REVOKE})

_NOT_DELEGATED: Final = (
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."
)
_GONE: Final = "Token has been expired or revoked."


class SignIn:
    """Answers below `SIGN_IN_PATHS`, and says who shows a token.

    Args:
        world: Says who is there, and who is suspended.

    Attributes:
        person: Who consents to whatever an application asks, until another is named; None refuses.
    """

    def __init__(self, url: str, time: ServiceTime, world: World) -> None:
        self.accounts = Accounts(url)
        self.grants = Grants(time)
        self.person: str | None = None
        self.token_url = url + _TOKEN
        self.authorize_url = url + _AUTHORIZE
        self._time = time
        self._world = world
        self._were_here: set[str] = set()

    def answer(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
        try:
            if request.path == _AUTHORIZE:
                return self._consented(request.params)
            if request.path == _REVOKE:
                return self._revoked({**request.params, **form})
            return self._given(form, request)
        except Refused as refusal:
            return refusal.answer

    def who(self, request: Request) -> Grant:
        """What the token of a request is good for.

        Raises:
            Refused: 401 for a token that is not, 403 where none is shown.
        """
        shown = request.headers.get("authorization", "")
        token = shown[7:] if shown[:7].lower() == "bearer " else request.params.get("access_token", "")
        if not token:
            raise Refused(invalid_credentials() if shown else no_credentials())
        grant = self.grants.of_access(token)
        if grant is None:
            raise Refused(invalid_credentials())
        return grant

    def refresh_token(self, person: str, application: Application, scopes: frozenset[str]) -> str:
        """As after a consent, without the dance."""
        return self.grants.refresh(Grant(user=person, client=application.id, project=application.project, scopes=scopes))

    def access_token(self, person: str, project: str, scopes: frozenset[str]) -> str:
        """As after a consent to an application of the project."""
        return self.grants.access(Grant(user=person, client="app", project=project, scopes=scopes))

    def _given(self, form: Mapping[str, str], request: Request) -> Answer:
        kind = form.get("grant_type", "")
        if request.method != "POST" or not kind:
            return oauth_error("invalid_request", "Required parameter is missing: grant_type")
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._for_assertion(form.get("assertion", ""))
        if kind not in {"authorization_code", "refresh_token"}:
            return oauth_error("unsupported_grant_type", f"Invalid grant_type: {kind}")
        application = self._application(form, request.headers)
        return self._for_code(form, application) if kind == "authorization_code" else self._for_refresh(form, application)

    def _for_assertion(self, assertion: str) -> Answer:
        account, claims = read_assertion(assertion, self.accounts.service_accounts, audience=self.token_url, now=self._time.now())
        scopes = scope_names(str(claims.get("scope", "")).split())
        if not scopes:
            return oauth_error("invalid_scope", "Empty or missing scope not allowed.")
        user = self._impersonated(account, str(claims.get("sub") or account.email), scopes)
        grant = Grant(user=user, client=account.email, project=account.project, scopes=scopes)
        return _told(self.grants.access(grant), self.grants.lifetime_s)

    def _impersonated(self, account: ServiceAccount, subject: str, scopes: frozenset[str]) -> str:
        if subject == account.email:
            return subject
        if "@" not in subject:
            raise Refused(oauth_error("invalid_grant", "Not a valid email or user ID."))
        # One scope that was not delegated spoils all of them.
        if not scopes <= account.delegation:
            raise Refused(oauth_error("unauthorized_client", _NOT_DELEGATED, 401))
        self._check_standing(subject)
        return subject

    def _check_standing(self, person: str) -> None:
        if self._world.is_active(person):
            self._were_here.add(person)
        elif person in self._were_here and person not in self._world.state.users:
            raise Refused(oauth_error("invalid_grant", "The account has been deleted"))
        else:
            raise Refused(oauth_error("invalid_grant", "Invalid email or User ID"))

    def _consented(self, params: Mapping[str, str]) -> Answer:
        application = self.accounts.applications.get(params.get("client_id", ""))
        redirect = params.get("redirect_uri", "")
        if application is None or _without_port(redirect) not in map(_without_port, application.redirects):
            return oauth_error("invalid_client" if application is None else "redirect_uri_mismatch", "Access blocked", 401)
        back = {"state": params["state"]} if "state" in params else {}
        if self.person is None or params.get("response_type") != "code":
            return _redirect(redirect, {**back, "error": "access_denied" if self.person is None else "unsupported_response_type"})
        scopes = scope_names(params.get("scope", "").split())
        grant = Grant(user=self.person, client=application.id, project=application.project, scopes=scopes)
        # Who consented before gets no second refresh token, unless asked to consent again.
        asks_again = "consent" in params.get("prompt", "").split()
        offline = params.get("access_type") == "offline" and (asks_again or not self.grants.has_consent(grant.user, grant.client))
        challenge = (params.get("code_challenge_method", "plain"), params["code_challenge"]) if "code_challenge" in params else None
        code = self.grants.code(Consent(grant=grant, redirect=redirect, challenge=challenge, offline=offline))
        return _redirect(redirect, {**back, "code": code, "scope": params.get("scope", "")})

    def _for_code(self, form: Mapping[str, str], application: Application) -> Answer:
        consent = self.grants.take_code(form.get("code", ""))
        if consent is None or consent.grant.client != application.id:
            return oauth_error("invalid_grant", "Malformed auth code." if not form.get("code") else "Bad Request")
        if form.get("redirect_uri") != consent.redirect:
            return oauth_error("redirect_uri_mismatch", "Bad Request")
        if consent.challenge and not _proves(form.get("code_verifier", ""), *consent.challenge):
            return oauth_error("invalid_grant", "Invalid code verifier.")
        more = {"refresh_token": self.grants.refresh(consent.grant)} if consent.offline else {}
        return self._for_consent(consent.grant, more)

    def _for_refresh(self, form: Mapping[str, str], application: Application) -> Answer:
        grant = self.grants.of_refresh(form.get("refresh_token", ""))
        if grant is None or grant.client != application.id or not self._world.is_active(grant.user):
            return oauth_error("invalid_grant", _GONE)
        # Never a new refresh token: who keeps what came last must not keep nothing.
        return self._for_consent(grant, {})

    def _for_consent(self, grant: Grant, more: Mapping[str, Any]) -> Answer:
        scope = " ".join(sorted(SCOPE_PREFIX + scope if scope.startswith("drive") else scope for scope in grant.scopes))
        return _told(self.grants.access(grant), self.grants.lifetime_s, {**more, "scope": scope})

    def _revoked(self, form: Mapping[str, str]) -> Answer:
        known = self.grants.of_refresh(form.get("token", "")) or self.grants.of_access(form.get("token", ""))
        if known is None:
            return oauth_error("invalid_token", _GONE)
        self.grants.revoke(lambda grant: (grant.user, grant.client) == (known.user, known.client))
        return json_answer({})

    def _application(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Application:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        said, _, basic = headers.get("authorization", "").partition(" ")
        if said.lower() == "basic":
            name, secret = _basic(basic)
        application = self.accounts.applications.get(name)
        if application is None:
            raise Refused(oauth_error("invalid_client", "The OAuth client was not found.", 401))
        if not hmac.compare_digest(application.secret.encode(), secret.encode()):
            raise Refused(oauth_error("invalid_client", "Unauthorized", 401))
        return application


def _told(access: str, lifetime_s: float, more: Mapping[str, Any] | None = None) -> Answer:
    # 3599, not 3600: a second is counted for the way.
    told = {"access_token": access, "expires_in": max(0, int(lifetime_s) - 1), "token_type": "Bearer", **(more or {})}
    return json_answer(told, 200, {"Cache-Control": "no-cache, no-store, max-age=0, must-revalidate"})


def _redirect(to: str, params: Mapping[str, str]) -> Answer:
    return Answer(302, b"", {"Location": f"{to}{'&' if '?' in to else '?'}{urlencode(params)}"})


def _proves(verifier: str, method: str, challenge: str) -> bool:
    """RFC 7636, 4.6."""
    if method == "S256":
        verifier = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(verifier.encode(), challenge.encode())


def _basic(text: str) -> tuple[str, str]:
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _without_port(url: str) -> str:
    """On loopback any port will do (RFC 8252, 7.3)."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name = host.partition(":")[0]
    return f"{scheme}://{name if name in {'127.0.0.1', 'localhost'} else host}{slash}{path}"
