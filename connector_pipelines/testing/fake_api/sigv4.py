"""AWS Signature Version 4 from the server's side.

As the AWS General Reference describes it ("Signature Version 4 signing process", read 2026-11): the request is written in a
canonical form, hashed, and signed by a key derived from the secret, the day, the region and the service.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote

from connector_pipelines.testing.fake_api.messages import Request

__all__ = ["signature_is_right"]

_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w{64})"
)
_LATE: Final = timedelta(minutes=15)


def signature_is_right(request: Request, keys: Mapping[str, str], *, region: str, service: str, now: datetime) -> str | None:
    """The access key whose secret signed exactly this request within 15 minutes of `now`, or None."""
    found = _HEADER.fullmatch(request.headers.get("authorization", ""))
    at = request.headers.get("x-amz-date", "")
    if found is None or not _is_at(at, now):
        return None
    access_key, day, said_region, said_service, names, signature = found.groups()
    if access_key not in keys or (said_region, said_service, day) != (region, service, at[:8]) or "host" not in names.split(";"):
        return None
    canonical = _canonical(request, names, once=service == "s3")
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{keys[access_key]}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    return access_key if hmac.compare_digest(_hmac(key, text).hex(), signature) else None


def _canonical(request: Request, names: str, *, once: bool) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names.split(";"))
    return "\n".join(
        (
            request.method,
            # Encoded once by the client, and once more here; S3 alone does without.
            path if once else quote(path or "/", safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in pairs),
            headers,
            names,
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _is_at(at: str, now: datetime) -> bool:
    try:
        signed = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - signed) < _LATE


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
