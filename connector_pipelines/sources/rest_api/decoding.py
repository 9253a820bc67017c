"""JSON in and out, with every number as it was written: an id of thirty digits and an amount with its zeros stay what they are.

By msgspec: 1.0 µs to read and 0.5 µs to write a record of 500 bytes, against 1.8 and 5.2 by `json`, which cannot write a
`Decimal` at all; orjson is as fast, and turns both into floats (2026-05, one core).
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import msgspec

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.http import HttpResponse

__all__ = ["decode", "encode", "fingerprint", "short_hash"]

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def decode(answer: HttpResponse) -> Any:
    """The body of an answer.

    Raises:
        Malformed: It is no JSON.
    """
    if not answer.content.strip():
        return None
    try:
        return _DECODER.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # `json` forgives half a surrogate pair and bytes that are not UTF-8: one bad text shall not stop the other records.
    try:
        return _mended(json.loads(answer.content.decode("utf-8-sig", errors="replace"), parse_float=Decimal, parse_constant=lambda _: None))
    except (ValueError, RecursionError):
        pass
    kind = answer.headers.get("content-type", "no media type")
    # Out here: the error of a parser may carry the body.
    raise Malformed(
        f"{answer.url} answered {answer.status} with {len(answer.content)} bytes of {kind}, expected JSON",
        advice="check the address: a sign-in page and a proxy answer in HTML",
    )


def encode(record: Any) -> bytes:
    """UTF-8, without spaces, fields in alphabetical order: the same bytes for the same fields, in whatever order they came."""
    return _ENCODER.encode(record)


def fingerprint(content: bytes) -> str:
    """128 bits in hex."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def short_hash(*texts: str) -> str:
    """64 bits in hex."""
    return hashlib.blake2b("\0".join(texts).encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(name): _mended(inner) for name, inner in value.items()}
    return [_mended(inner) for inner in value] if isinstance(value, list) else value
