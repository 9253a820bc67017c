"""The JSON key file of a Google service account, as its console gives it to download."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.telemetry import redact

__all__ = ["KeyFile", "key_file", "project_of"]

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_OF_PROJECT = re.compile(r"[^@]+@([a-z0-9.:-]+)\.iam\.gserviceaccount\.com")
_TIMES_ENCODED = 3
_ADVICE = "create a key of the type JSON for the service account in Google's console, and store the file's text as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """What signing in needs of it; whatever else it holds (`universe_domain` and such) is left alone.

    Attributes:
        client_id: The number by which the administrator of a domain lets the account act for others; empty where it is not told.
        project: Of the account, or empty.
        private_key: PEM.
    """

    client_email: str
    client_id: str
    project: str
    key_id: str | None = field(repr=False)
    token_uri: str
    private_key: SecretStr = field(repr=False)


def key_file(text: SecretStr, reference: str) -> KeyFile:
    """What the text says that `reference` stands for.

    Raises:
        ConfigurationError: It is no key file of a service account. Nothing of the text is shown.
    """
    found = _object(text.get_secret_value())
    if found is None:
        raise ConfigurationError(f"the secret {reference!r} is not the JSON of a key file", advice=_ADVICE)
    if "installed" in found or "web" in found:
        raise ConfigurationError(
            f"the secret {reference!r} is the file of an OAuth client, not of a service account",
            advice="a person signs in with it: `auth: {type: google, …}`; or create a key for a service account",
        )
    if (kind := found.get("type", "service_account")) != "service_account":
        known = (
            kind if kind in {"authorized_user", "external_account", "impersonated_service_account", "gdch_service_account"} else "another"
        )
        raise ConfigurationError(f"the secret {reference!r} is a file of the type {known}, expected service_account", advice=_ADVICE)
    if missing := [name for name in ("client_email", "private_key") if not _said(found, name)]:
        raise ConfigurationError(f"the key file {reference!r} has no {' and no '.join(missing)}", advice=_ADVICE)
    email, private_key = _said(found, "client_email"), _said(found, "private_key")
    redact(private_key)
    return KeyFile(
        client_email=email,
        client_id=_said(found, "client_id"),
        project=project_of(email) or _said(found, "project_id"),
        key_id=_said(found, "private_key_id") or None,
        token_uri=_said(found, "token_uri") or _TOKEN_URI,
        private_key=SecretStr(private_key),
    )


def project_of(client_email: str) -> str:
    """The project that the address of a service account names, or empty: those that Google makes by itself are named otherwise."""
    found = _OF_PROJECT.fullmatch(client_email)
    return found[1] if found else ""


def _object(text: str) -> Mapping[str, Any] | None:
    """The object in `text`; who pastes a key into a form often has it encoded once more."""
    found: Any = text
    for _ in range(_TIMES_ENCODED):
        if not isinstance(found, str):
            break
        try:
            found = json.loads(found.strip().removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _said(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
