"""Calls of somebody's webhook as this company would make them: signed, or carrying a token; doubled, forged and late on demand."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

__all__ = ["Forgery", "Notifier"]

Forgery = Literal["signature", "body", "timestamp", "unsigned"]
"""What is wrong with a call: another's signature; a body or a time other than was signed; nothing signed at all, and no token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Tells a webhook, by POST of JSON. Used by several threads at once.

    Attributes:
        secret: Signs ``timestamp.body`` (HMAC-SHA256, hex); empty: nothing is signed.
        token: Sent as it is; empty: none is.
    """

    url: str
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    signature_header: str = "X-Signature"
    signature_prefix: str = "sha256="
    timestamp_header: str = "X-Timestamp"
    token_header: str = "X-Webhook-Token"  # noqa: S105 - a name
    delivery_header: str = "X-Delivery-Id"
    _connections: threading.local = field(default_factory=threading.local, repr=False)

    def send(self, payload: Any, *, delivery_id: str | None = None, forgery: Forgery | None = None, age_s: float = 0) -> int:
        """Tell it; the status of the answer.

        Args:
            delivery_id: The same again makes a duplicate. None: a new one.
            age_s: How long ago it was signed.
        """
        body = json.dumps(payload).encode()
        headers = self.headers(body, delivery_id=delivery_id, forgery=forgery, age_s=age_s)
        return self.send_raw(body + b" " if forgery == "body" else body, headers)

    def headers(
        self, body: bytes, *, delivery_id: str | None = None, forgery: Forgery | None = None, age_s: float = 0
    ) -> Mapping[str, str]:
        """Those of a call with this body."""
        at = int(time.time() - age_s)
        headers = {"Content-Type": "application/json", self.delivery_header: delivery_id or uuid.uuid4().hex}
        if forgery == "unsigned":
            return headers
        if self.token:
            headers[self.token_header] = "not-" + self.token if forgery == "signature" else self.token
        if self.secret:
            key = "another's" if forgery == "signature" else self.secret
            signature = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            headers[self.timestamp_header] = str(at + 1 if forgery == "timestamp" else at)
            headers[self.signature_header] = self.signature_prefix + signature
        return headers

    def send_raw(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Tell it exactly this; the status of the answer."""
        parts = urlsplit(self.url)
        connection = self._connection(parts.scheme, parts.netloc)
        try:
            connection.request("POST", f"{parts.path}?{parts.query}" if parts.query else parts.path, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            # The next call begins with another connection.
            connection.close()
            raise
        return answer.status

    def send_many(self, payloads: Sequence[Any], *, connections: int = 4, copies: int = 1) -> Counter[int]:
        """Tell all of them at full speed, each so many times under one delivery id; how often each status came."""

        def told(payload: Any) -> list[int]:
            delivery_id = uuid.uuid4().hex
            return [self.send(payload, delivery_id=delivery_id) for _ in range(copies)]

        with ThreadPoolExecutor(connections) as pool:
            return Counter(status for statuses in pool.map(told, payloads) for status in statuses)

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        known: http.client.HTTPConnection | None = getattr(self._connections, "connection", None)
        if known is None:
            make = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            known = self._connections.connection = make(netloc, timeout=30)
        return known
