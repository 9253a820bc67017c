"""What a private key signs for us: assertions (RFC 7523)."""

from __future__ import annotations

import base64
import time
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.oauth import JwtBearer, SigningKey
from connector_pipelines.net.auth._resolver import Secret
from connector_pipelines.telemetry import redact

__all__ = ["bearer_assertion", "client_assertion"]

CLIENT_ASSERTION_S = 300


def bearer_assertion(grant: JwtBearer, token_url: str, secret: Secret) -> str:
    """What proves a service account at `token_url`.

    Raises:
        ConfigurationError: The key cannot be used.
    """
    from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion

    signed = sign_jwt_bearer_assertion(
        _key(grant.signing, secret),
        grant.issuer,
        grant.audience or token_url,
        subject=grant.subject,
        expires_in=int(grant.lifetime.total_seconds()),
        claims=dict(grant.claims),
        header=_header(grant.signing, secret),
    )
    redact(signed, passing=True)
    return str(signed)


def client_assertion(client_id: str, signing: SigningKey, token_url: str, secret: Secret) -> str:
    """What proves the application itself at `token_url`. Raises as `bearer_assertion`."""
    from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign

    header = _header(signing, secret)
    signed = private_key_jwt_sign(
        _key(signing, secret),
        client_id,
        token_url,
        alg=signing.algorithm,
        claims={"exp": int(time.time()) + CLIENT_ASSERTION_S},
        header=header,
    )
    redact(signed, passing=True)
    return str(signed)


def _key(signing: SigningKey, secret: Secret) -> Any:
    from joserfc.jwk import ECKey, RSAKey

    kind: Any = ECKey if signing.algorithm.startswith("ES") else RSAKey
    pem = secret(signing.key).get_secret_value()
    try:
        key = kind.import_key(pem)
        usable = bool(key.is_private)
    except Exception:  # noqa: BLE001 - cryptography and joserfc raise a dozen kinds, and any may quote the key
        usable = False
    if not usable:
        wanted = "an elliptic curve" if signing.algorithm.startswith("ES") else "an RSA"
        raise ConfigurationError(
            f"the secret {signing.key!r} is not {wanted} private key in PEM without a password, as {signing.algorithm} needs",
            advice="store the whole text from BEGIN to END; `openssl pkey -in KEY -text` shows what it is",
        )
    return key


def _header(signing: SigningKey, secret: Secret) -> dict[str, Any]:
    header: dict[str, Any] = {"alg": signing.algorithm, "typ": "JWT"}
    if signing.key_id:
        header["kid"] = signing.key_id
    if signing.certificate:
        header |= _thumbprints(secret(signing.certificate), signing.certificate)
    return header


def _thumbprints(pem: SecretStr, reference: str) -> dict[str, str]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(pem.get_secret_value().encode())
    except ValueError as error:
        raise ConfigurationError(
            f"the secret {reference!r} is not a certificate in PEM", advice="store the whole text from BEGIN CERTIFICATE to END CERTIFICATE"
        ) from error
    # SHA-1 is what the field means (RFC 7515, 4.1.7): a name for the certificate, not what it is trusted by.
    named = {"x5t": hashes.SHA1(), "x5t#S256": hashes.SHA256()}  # noqa: S303
    return {name: base64.urlsafe_b64encode(certificate.fingerprint(kind)).rstrip(b"=").decode() for name, kind in named.items()}
