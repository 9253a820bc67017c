"""How much a credential may ask, and what it is told when that is spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from connector_pipelines.testing.fake_api.messages import Refusal

__all__ = ["Limits", "Quota", "RateLimit"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RateLimit(_Model):
    """So many requests of a credential in a span that begins with the first."""

    requests: int = Field(ge=1)
    per_s: float = Field(gt=0)
    status: Literal[429, 503] = 429
    tells: Literal["seconds", "date", "nothing"] = Field("seconds", description="The form of `Retry-After` (RFC 9110, 10.2.3).")
    headers: Literal["none", "three", "one", "x"] = Field(
        "none",
        description="`three`: RateLimit-Limit, -Remaining, -Reset in seconds; `one`: RateLimit and RateLimit-Policy, as later drafts have it; `x`: X-RateLimit-*, with the reset as an epoch.",
    )
    lengthens: bool = Field(False, description="Whether a request while refused begins the span anew.")


class Quota(_Model):
    """So many requests of a credential in all; then 403 with a reason, as some providers say it instead of 429."""

    requests: int = Field(ge=0)
    reason: str = "userRateLimitExceeded"


class Limits:
    """Counts per credential. Used by several threads at once."""

    def __init__(self) -> None:
        self.rate: RateLimit | None = None
        self.quota: Quota | None = None
        self.skew = timedelta()
        self._lock = threading.Lock()
        self._spans: dict[str, tuple[float, int]] = {}
        self._asked: dict[str, int] = {}

    def set(self, rate: RateLimit | None, quota: Quota | None) -> None:
        """From now on; counts begin anew."""
        with self._lock:
            self.rate, self.quota = rate, quota
            self._spans.clear()
            self._asked.clear()

    def admit(self, credential: str) -> Mapping[str, str]:
        """Headers to answer with.

        Raises:
            Refusal: 429, 503 or 403.
        """
        with self._lock:
            self._spend(credential)
            return self._count(self.rate, credential) if self.rate else {}

    def _spend(self, credential: str) -> None:
        asked = self._asked[credential] = self._asked.get(credential, 0) + 1
        if self.quota and asked > self.quota.requests:
            raise Refusal(403, self.quota.reason)

    def _count(self, rate: RateLimit, credential: str) -> Mapping[str, str]:
        now = time.monotonic()
        began, count = self._spans.get(credential, (now, 0))
        if now - began >= rate.per_s:
            began, count = now, 0
        refused = count >= rate.requests
        if refused and rate.lengthens:
            began = now
        self._spans[credential] = (began, count + (not refused))
        left_s = began + rate.per_s - now
        told = self._told(rate, remaining=rate.requests - count - (not refused), reset_s=left_s)
        if refused:
            raise Refusal(rate.status, "rate limit exceeded", {**told, **self._retry_after(rate, left_s)})
        return told

    def _retry_after(self, rate: RateLimit, left_s: float) -> Mapping[str, str]:
        if rate.tells == "nothing":
            return {}
        if rate.tells == "seconds":
            return {"Retry-After": str(ceil(left_s))}
        # Up to the next whole second, or a client that obeys would come too early.
        until = datetime.now(UTC) + self.skew + timedelta(seconds=left_s + 1)
        return {"Retry-After": format_datetime(until.replace(microsecond=0), usegmt=True)}

    def _told(self, rate: RateLimit, *, remaining: int, reset_s: float) -> dict[str, str]:
        reset = ceil(reset_s)
        if rate.headers == "three":
            return {"RateLimit-Limit": str(rate.requests), "RateLimit-Remaining": str(remaining), "RateLimit-Reset": str(reset)}
        if rate.headers == "one":
            return {
                "RateLimit": f'"default";r={remaining};t={reset}',
                "RateLimit-Policy": f'"default";q={rate.requests};w={ceil(rate.per_s)}',
            }
        if rate.headers == "x":
            epoch = int(time.time() + self.skew.total_seconds()) + reset
            return {"X-RateLimit-Limit": str(rate.requests), "X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(epoch)}
        return {}
