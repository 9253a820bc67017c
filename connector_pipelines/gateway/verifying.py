"""Whether a call is genuine: a signature over its raw bytes, or a token, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.webhooks import ByToken, HmacSignature, SignedTimestamp, pieces_of
from connector_pipelines.gateway.calls import Call, Refusal

__all__ = ["check_signature", "check_token", "key_of"]

MOST_CANDIDATES = 10
"""Signatures tried of one call; a sender that replaces its secret sends two."""

MOST_PARAMETERS = 100

_NUMBER = re.compile(r"[0-9]{1,16}")
_MILLISECONDS_FROM = 10**11
"""As seconds, that is the year 5138."""


def check_signature(settings: HmacSignature, keys: Sequence[bytes], call: Call, now: datetime) -> str | None:
    """Returns when the call was made, as it says, or None where it does not.

    Raises:
        Refusal: It is not signed, or not by any of `keys`, or not within the tolerance of `now`.
    """
    candidates = list(_parts(call, settings.header, settings.prefix, settings.separator))[:MOST_CANDIDATES]
    if not candidates:
        raise Refusal("unsigned")
    timestamp = _timestamp(settings.timestamp, call)
    message = _message(settings, call, timestamp)
    given = [digest for text in candidates if (digest := _digest(text, settings.encoding)) is not None]
    expected = [hmac.digest(key, message, settings.algorithm) for key in keys]
    # All of them, whichever matches: how long it takes says nothing.
    if not sum([hmac.compare_digest(ours, theirs) for ours in expected for theirs in given]):
        raise Refusal("forged")
    # Looked at last: that a time is too old is only true of what is genuine.
    if settings.timestamp is not None and timestamp is not None:
        made_at = _instant(timestamp)
        if made_at is None or abs(now - made_at) > settings.timestamp.tolerance:
            raise Refusal("replayed")
    return timestamp


def check_token(settings: ByToken, tokens: Sequence[bytes], call: Call) -> None:
    """Raises `Refusal` where the call carries none of `tokens`."""
    given = _token(settings, call)
    if not given:
        raise Refusal("unsigned")
    # Of their hashes: not even how long a token is can be told.
    ours = hashlib.sha256(given.encode("latin-1", errors="replace")).digest()
    if not sum([hmac.compare_digest(ours, hashlib.sha256(token).digest()) for token in tokens]):
        raise Refusal("forged")


def key_of(settings: HmacSignature, secret: str) -> bytes:
    """The key that a secret stands for.

    Raises:
        ConfigurationError: It is not in the encoding the settings name.
    """
    try:
        if settings.secret_encoding == "hex":  # noqa: S105 - an encoding
            return bytes.fromhex(secret)
        if settings.secret_encoding == "base64":  # noqa: S105 - an encoding
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        pass
    else:
        return secret.encode()
    # Out here, not in the except clause: that error may quote the secret, and Python keeps it on whatever is raised there.
    raise ConfigurationError(
        f"a webhook's secret is not {settings.secret_encoding} (not shown)", advice="correct `secret_encoding`, or the secret"
    )


def _parts(call: Call, header: str, prefix: str, separator: str | None) -> Iterator[str]:
    """What stands behind the prefix, in each part of the header that has it."""
    value = call.header(header)
    for part in () if value is None else value.split(separator) if separator is not None else (value,):
        part = part.strip()  # noqa: PLW2901 - spaces around a part mean nothing
        if part.startswith(prefix) and len(part) > len(prefix):
            yield part[len(prefix) :]


def _timestamp(settings: SignedTimestamp | None, call: Call) -> str | None:
    if settings is None:
        return None
    found = list(_parts(call, settings.header, settings.prefix, settings.separator))
    if not found:
        raise Refusal("unsigned")
    if len(found) > 1:
        raise Refusal("ambiguous")
    return found[0]


def _message(settings: HmacSignature, call: Call, timestamp: str | None) -> bytes:
    known = {
        "{body}": call.body,
        "{timestamp}": (timestamp or "").encode("latin-1"),
        "{method}": call.method.encode("latin-1"),
        "{url}": (settings.url or "").encode(),
    }
    message = b""
    for piece in pieces_of(settings.signed):
        if piece.startswith("{header:"):
            value = call.header(piece[len("{header:") : -1])
            if value is None:
                raise Refusal("unsigned")
            message += value.encode("latin-1")
        else:
            message += known.get(piece, piece.encode())
    return message


def _digest(text: str, encoding: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None


def _instant(timestamp: str) -> datetime | None:
    if _NUMBER.fullmatch(timestamp):
        number = int(timestamp)
        seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
        # Past the year 9999 there is no instant.
        return datetime.fromtimestamp(seconds, UTC) if seconds < 253_402_300_800 else None
    try:
        found = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _token(settings: ByToken, call: Call) -> str | None:
    if settings.place == "header":
        return call.header(settings.name)
    if settings.place == "bearer":
        scheme, _, token = (call.header("authorization") or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None
    try:
        pairs = parse_qsl(call.query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, encoding="latin-1")
    except ValueError as error:
        raise Refusal("malformed") from error
    found = [value for name, value in pairs if name == settings.name]
    if len(found) > 1:
        raise Refusal("ambiguous")
    return found[0] if found else None
