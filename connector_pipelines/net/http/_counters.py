"""How many requests there were, how long they took, and what a log says of each: by endpoint, without anything secret."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Counters", "Trace", "template"]

_LATENCIES = 2048
_ENDPOINTS = 200
# What names one thing among many: a number, a UUID, a long or digit-ridden word.
_ID = re.compile(r"\d+|[0-9a-fA-F-]{16,}|(?=(?:[^/]*\d){4})[^/]+|[^/]{40,}")


@dataclass(slots=True, kw_only=True)
class Trace:
    """One request, its tries together.

    Attributes:
        status: Of the last answer; 0 where there was none.
        request_id: That the last try was sent with; empty for a host that is told none.
        received: Bytes of body, as they came.
    """

    method: str
    url: str
    status: int = 0
    request_id: str = ""
    retries: int = 0
    waited_s: float = 0.0
    took_s: float = 0.0
    received: int = 0


class Counters:
    """Of one client, or of several that share it. Used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._statuses: Counter[str] = Counter()
        self._endpoints: Counter[str] = Counter()
        self.requests = self.retries = self.received = 0
        self.waited_s = 0.0

    def add(self, trace: Trace) -> None:
        endpoint = f"{trace.method} {template(trace.url)}"
        with self._lock:
            self.requests += 1
            self.retries += trace.retries
            self.waited_s += trace.waited_s
            self.received += trace.received
            self._latencies.append(trace.took_s)
            self._statuses[f"{trace.status // 100}xx" if trace.status else "none"] += 1
            known = endpoint in self._endpoints or len(self._endpoints) < _ENDPOINTS
            self._endpoints[endpoint if known else "others"] += 1

    def add_bytes(self, count: int) -> None:
        """Of a body that is read after its request was counted."""
        with self._lock:
            self.received += count

    def summary(self) -> Mapping[str, int | float | Mapping[str, int]]:
        """JSON: totals, answers by class of status, requests by endpoint, and the time they took (ms, tries and pauses included)."""
        with self._lock:
            took = sorted(self._latencies)
            return {
                "requests": self.requests,
                "retries": self.retries,
                "waited_s": round(self.waited_s, 1),
                "received_bytes": self.received,
                "statuses": dict(self._statuses),
                "endpoints": dict(self._endpoints.most_common()),
                "p50_ms": _share(took, 0.50),
                "p95_ms": _share(took, 0.95),
            }


def template(url: str) -> str:
    """Host and path, ``{}`` for each part of the path that names one thing among many."""
    parts = urlsplit(url)
    path = "/".join("{}" if _ID.fullmatch(part) else part for part in parts.path.split("/"))
    return f"{parts.netloc.rpartition('@')[2]}{path}"


def _share(took: list[float], share: float) -> int:
    return round(took[min(len(took) - 1, int(len(took) * share))] * 1000) if took else 0
