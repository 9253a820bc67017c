"""The signed assertion of a service account (RFC 7523), looked at as Google does.

https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests, read 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connector_pipelines.testing.fake_drive.accounts import ServiceAccount
from connector_pipelines.testing.fake_drive.refusals import Refused, oauth_error

__all__ = ["read_assertion"]

_MOST_S: Final = 3600
_SKEW_S: Final = 300


def read_assertion(
    assertion: str, accounts: Mapping[str, ServiceAccount], *, audience: str, now: float
) -> tuple[ServiceAccount, Mapping[str, Any]]:
    """Who signed it, and its claims.

    Args:
        audience: The token endpoint.

    Raises:
        Refused: 400 `invalid_grant`.
    """
    claims = _unverified(assertion)
    account = accounts.get(str(claims.get("iss", "")))
    if account is None:
        raise Refused(oauth_error("invalid_grant", "Invalid grant: account not found"))
    _verify(assertion, account)
    if claims.get("aud") not in {audience, "https://oauth2.googleapis.com/token"}:
        raise _invalid(f"Failed audience check. The right audience is {audience}")
    if not _is_short_lived(claims, now):
        raise _invalid(
            "Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."
        )
    return account, claims


def _unverified(assertion: str) -> Mapping[str, Any]:
    try:
        claims = json.loads(jws.extract_compact(assertion.encode()).payload)
    except (JoseError, ValueError, UnicodeError):
        raise _invalid("Failed to parse the JWT.") from None
    if not isinstance(claims, dict):
        raise _invalid("Failed to parse the JWT.")
    return claims


def _verify(assertion: str, account: ServiceAccount) -> None:
    try:
        signed = jws.deserialize_compact(assertion, RSAKey.import_key(account.public_key), algorithms=["RS256"])
    except (JoseError, ValueError):
        raise Refused(oauth_error("invalid_grant", "Invalid JWT Signature.")) from None
    key_id = signed.headers().get("kid")
    if key_id is not None and key_id != account.key_id:
        raise Refused(oauth_error("invalid_grant", "Invalid JWT Signature."))


def _is_short_lived(claims: Mapping[str, Any], now: float) -> bool:
    begins, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        return False
    return begins <= now + _SKEW_S and ends > now and ends - begins <= _MOST_S


def _invalid(what: str) -> Refused:
    return Refused(oauth_error("invalid_grant", f"Invalid JWT: {what}"))
