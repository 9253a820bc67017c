"""Keys of service accounts as Google's console gives them, and sign-ins by them."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth._oauth import OAuth2SignIn
from connector_pipelines.net.protocols import TokenStore
from connector_pipelines.testing.oauth_server import OAuthClient, OAuthServer

__all__ = ["EMAIL", "PRIVATE_KEY", "READ", "SUBJECT", "google_server", "key_text", "robot", "signed_in"]

EMAIL = "robot@acme-drive.iam.gserviceaccount.com"
READ = "https://www.googleapis.com/auth/drive.readonly"
SUBJECT = "ann@example.com"

_KEY = rsa.generate_private_key(65537, 2048)
PRIVATE_KEY = _KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
_PUBLIC_KEY = _KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def google_server(*people: str, **given: Any) -> OAuthServer:
    """One that knows the service account, which may speak for `people`."""
    return OAuthServer(OAuthClient(id=EMAIL, public_key=_PUBLIC_KEY), people=people or (SUBJECT,), **given)


def key_text(token_uri: str, **more: Any) -> str:
    """The JSON key file; None leaves a field out."""
    file = {
        "type": "service_account", "project_id": "acme-drive", "private_key_id": "1f3a", "private_key": PRIVATE_KEY, "client_email": EMAIL,
        "client_id": "104050607080901020304", "token_uri": token_uri, "universe_domain": "googleapis.com",
    } | more  # fmt: skip
    return json.dumps({name: value for name, value in file.items() if value is not None})


def robot(**more: Any) -> GoogleServiceAccountAuth:
    return GoogleServiceAccountAuth.model_validate({"key": "env:DRIVE_KEY", "scopes": [READ], **more})


def signed_in(
    text: str, *, auth: GoogleServiceAccountAuth | None = None, subject: str | None = None, tokens: TokenStore | None = None
) -> OAuth2SignIn:
    """With `text` as the secret."""
    found = make_sign_in(auth or robot(), secret=lambda _: SecretStr(text), connector="Drive", subject=subject, tokens=tokens)
    assert isinstance(found, OAuth2SignIn)
    return found
