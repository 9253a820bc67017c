"""What is Google's own in signing in: a key file, made into what the grant `jwt_bearer` takes, and what its refusals mean.

Facts: https://developers.google.com/identity/protocols/oauth2/service-account ("JWT error codes") and
https://developers.google.com/identity/protocols/oauth2#expiration, both read in November 2026.
"""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, SubjectRefused, Unauthenticated
from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.core.oauth import JwtBearer, OAuth2Auth, SigningKey
from connector_pipelines.net.auth._key_file import KeyFile, key_file
from connector_pipelines.net.auth._resolver import Secret

__all__ = ["google_advice", "google_refusal", "grant_of", "is_google", "signing_secret"]

LIFETIME = timedelta(hours=1)
"""Of what is signed: the longest that Google takes."""

_HOSTS = frozenset({"accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com"})
_DELEGATION = "Google's Admin console, Security > Access and data control > API controls > Manage domain-wide delegation"
_ACCOUNTS = "Google Cloud console, IAM & Admin > Service Accounts"
_DELAY = "it takes minutes, and up to a day, to count everywhere"


def is_google(auth: OAuth2Auth) -> bool:
    """Whether the tokens of `auth` are of Google."""
    return urlsplit(auth.token_url).hostname in _HOSTS


def grant_of(auth: GoogleServiceAccountAuth, file: KeyFile, subject: str | None) -> OAuth2Auth:
    """How to ask for a token with the key in `file`, which `signing_secret` gives for `auth.key`.

    Raises:
        ConfigurationError: The file names no usable address, or no scopes are named.
    """
    if not auth.scopes:
        raise ConfigurationError(
            f"the service account {file.client_email!r} would ask for nothing: this kind names no scopes",
            advice="name them in `scopes` of its `auth`, such as https://www.googleapis.com/auth/drive.readonly",
        )
    grant = JwtBearer(
        issuer=file.client_email,
        subject=subject or auth.subject,
        claims={"scope": " ".join(auth.scopes)},
        lifetime=LIFETIME,
        signing=SigningKey(key=auth.key, key_id=file.key_id),
    )
    try:
        return OAuth2Auth(grant=grant, token_url=file.token_uri)
    except ValidationError:
        # Out below: that error has the value, and in a file full of secrets anything may stand there.
        pass
    raise ConfigurationError(
        f"`token_uri` of the key file {auth.key!r} is no address beginning with https://", advice="download the key anew"
    )


def signing_secret(secret: Secret, reference: str) -> Secret:
    """A `Secret` that gives the private key alone for the reference of a whole key file."""

    def resolve(asked: str) -> SecretStr:
        found = secret(asked)
        return key_file(found, asked).private_key if asked == reference else found

    return resolve


def google_refusal(
    said: str, code: str, description: str, *, grant: JwtBearer, acts_for: str | None, client_id: str, connector: str
) -> ConnectorError | None:
    """What a service account was refused for; None where Google says nothing of its own.

    Args:
        said: Who answered what, for messages.
        acts_for: The user that one client of the connector acts as; None where the whole connector acts as `grant.subject`, or as itself.
        client_id: The number of the service account, or empty.
    """
    account, subject = grant.issuer, grant.subject
    if code == "invalid_grant" and (of_key := _of_the_key(account, said, description)):
        return of_key
    if code == "invalid_grant" or (code == "invalid_request" and "impersonation" in description.lower()):
        return _of_the_user(account, said, subject, acts_for, connector)
    if code in {"unauthorized_client", "access_denied"} and subject:
        who = f"its client ID {client_id}" if client_id else "its client ID (the number, not the address)"
        return ConfigurationError(
            f"the service account {account!r} may not act as {subject!r}: {said}",
            advice=f"in {_DELEGATION}, add {who} with exactly these scopes: {grant.claims.get('scope', '')}; {_DELAY}",
        )
    if code in {"disabled_client", "deleted_client", "invalid_client"}:
        return ConfigurationError(
            f"the service account {account!r} was refused: {said}",
            advice=f"see in {_ACCOUNTS} whether it, and its key, are there and enabled",
        )
    if code in {"admin_policy_enforced", "org_internal"}:
        return ConfigurationError(
            f"a policy of the organization keeps {account!r} out: {said}",
            advice="an administrator trusts the application in Google's Admin console, Security > API controls > Manage app access",
        )
    return None


def google_advice(description: str, subtype: str) -> str:
    """What to look for at Google where the sign-in of a person has ended, beside signing in again."""
    if "rapt" in subtype or "reauth" in description.lower():
        return (
            "the organization asks people to sign in anew after some hours; an administrator exempts the application in Google's Admin"
            " console, Security > Access and data control > Google Cloud session control (trusted apps)"
        )
    return (
        "if that comes back every 7 days, the application is in `Testing`: publish it in Google Cloud console, Google Auth Platform >"
        " Audience. Google also ends sign-ins that were not used for 6 months, and the oldest of more than 100 of a user and client"
    )


def _of_the_key(account: str, said: str, description: str) -> ConnectorError | None:
    if re.search(r"invalid jwt.*signature", description, re.IGNORECASE):
        return Unauthenticated(
            f"the key of the service account {account!r} was refused: {said}",
            advice=f"it was deleted or disabled, or is of another account: create one in {_ACCOUNTS} > Keys, and store it where `key` points",
        )
    if re.search(r"invalid jwt", description, re.IGNORECASE):
        return ConfigurationError(
            f"what the service account {account!r} signed was refused: {said}",
            advice="set the clock of this machine: it is wrong by minutes",
        )
    if "account not found" in description.lower():
        return Unauthenticated(
            f"there is no service account {account!r} any more: {said}",
            advice=f"see in {_ACCOUNTS}; one that was deleted can be restored for 30 days",
        )
    return None


def _of_the_user(account: str, said: str, subject: str | None, acts_for: str | None, connector: str) -> ConnectorError | None:
    if subject is None:
        return None
    advice = f"see in Google's Admin console, Directory > Users, whether {subject!r} is spelled so, exists and is not suspended"
    told = f"{account!r} cannot act as {subject!r}: {said}"
    if acts_for is None:
        return Unauthenticated(told, advice=f"{advice}; or name another user as `subject` of the `auth` of {connector!r}")
    return SubjectRefused(told, advice=f"{advice}; take them off the list of users where they left")
