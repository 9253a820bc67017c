"""Who our application is to the other side: what connectors that share its limits have in common."""

from __future__ import annotations

import hashlib
import re

from connector_pipelines.core.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth, SigV4Auth, auth_in_full
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.core.oauth import JwtBearer, OAuth2Auth
from connector_pipelines.net.auth._key_file import key_file, project_of
from connector_pipelines.net.auth._resolver import Secret
from connector_pipelines.telemetry import get_logger

__all__ = ["application_of"]

_GOOGLE_CLIENT = re.compile(r"(\d+)-[a-z0-9]+\.apps\.googleusercontent\.com")
_SHOWN = 8


def application_of(auth: Auth, secret: Secret) -> str:
    """A name that is the same for all connectors with the same application, and holds no secret; empty where there is none to tell.

    Of Google that is the project, which its limits are for: its id for a service account, its number for an OAuth client. Of a key or a
    token it is the beginning of its hash. Where a secret cannot be had just now, there is no name: whoever needs the secret says why.
    """
    auth = auth_in_full(auth, lambda: ())
    try:
        return _name(auth, secret)
    except ConnectorError as error:
        get_logger(__name__).warning("application_not_known", problem=str(error))
        return ""


def _name(auth: Auth, secret: Secret) -> str:
    if isinstance(auth, GoogleServiceAccountAuth):
        file = key_file(secret(auth.key), auth.key)
        return file.project or file.client_email
    if isinstance(auth, OAuth2Auth):
        return _of_oauth(auth)
    if isinstance(auth, BasicAuth) and auth.username is not None:
        return auth.username
    proof = _proof(auth)
    # Too short to try guesses against.
    return hashlib.sha256(b"application\0" + secret(proof).get_secret_value().encode()).hexdigest()[:_SHOWN] if proof else ""


def _of_oauth(auth: OAuth2Auth) -> str:
    if isinstance(auth.grant, JwtBearer):
        return project_of(auth.grant.issuer) or auth.client_id or auth.grant.issuer
    found = _GOOGLE_CLIENT.fullmatch(auth.client_id or "")
    return found[1] if found else auth.client_id or ""


def _proof(auth: Auth) -> str | None:
    match auth:
        case ApiKeyAuth():
            return auth.key
        case BearerAuth():
            return auth.token
        case SigV4Auth():
            return auth.access_key
        case BasicAuth():
            return auth.username_secret
    return None
