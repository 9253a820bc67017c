"""Page tokens nobody can read or make up."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from connector_pipelines.testing.fake_drive.errors import invalid_page_token

__all__ = ["seal", "unseal"]


def seal(kind: str, *parts: Any) -> str:
    body = json.dumps([kind, *parts], separators=(",", ":")).encode()
    return "~!!~" + base64.urlsafe_b64encode(_proof(body) + _hidden(body)).decode().rstrip("=")


def unseal(kind: str, token: str) -> list[Any]:
    """The parts. Raises `DriveError`: 400: no token of ours, or one for something else."""
    try:
        padded = token.removeprefix("~!!~") + "=" * (-len(token.removeprefix("~!!~")) % 4)
        raw = base64.urlsafe_b64decode(padded)
        body = _hidden(raw[8:])
        found: list[Any] = json.loads(body) if raw[:8] == _proof(body) else []
    except ValueError:
        found = []
    if not found or found[0] != kind:
        raise invalid_page_token()
    return found[1:]


def _proof(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8, key=b"fake drive").digest()


def _hidden(body: bytes) -> bytes:
    # To be unreadable is all it is for; the same turns it back.
    return bytes(each ^ (0x5A + place * 7) % 256 for place, each in enumerate(body))
