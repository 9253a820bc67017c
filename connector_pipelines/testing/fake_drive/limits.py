"""How much a user or a project may ask, and the ways in which they are told to wait.

403 with `userRateLimitExceeded` or `rateLimitExceeded`, or 429; mostly without a time, sometimes with `Retry-After`, and sometimes
with the time inside the message (https://developers.google.com/workspace/drive/api/guides/limits, …/handle-errors, read 2026-11).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from math import ceil
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector_pipelines.testing.fake_api.messages import Answer
from connector_pipelines.testing.fake_drive.grants import Grant
from connector_pipelines.testing.fake_drive.refusals import Refused, refused
from connector_pipelines.testing.fake_drive.service_time import ServiceTime

__all__ = ["Limit", "Limits", "Pause", "Per", "Tells", "Throttle", "Throttled"]

Per = Literal["user", "project"]
Tells = Literal["nothing", "seconds", "date", "message"]
"""`seconds` and `date` are the forms of `Retry-After` (RFC 9110, 10.2.3); `message` hides it in the text."""

_USER: Final = (
    "User Rate Limit Exceeded. Rate of requests for user exceed configured project quota, you may consider re-evaluating expected "
    "per-user traffic to the API and adjust project quota limits accordingly."
)
_PROJECT: Final = "Rate Limit Exceeded"


class _Telling(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    per: Per = "user"
    status: Literal[403, 429] = 403
    tells: Tells = "nothing"
    reason: str = Field("", description="Default: userRateLimitExceeded for a user's 403, rateLimitExceeded otherwise.")


class Limit(_Telling):
    """So many requests of a user (all of them: of a project) in a span that begins with the first."""

    requests: int = Field(ge=0)
    per_s: float = Field(gt=0)
    lengthens: bool = Field(False, description="Whether a request while refused begins the span anew.")


class Throttle(_Telling):
    """A fault: this request is refused, and all others of its user or project until the time is over."""

    type: Literal["throttle"] = "throttle"
    wait_s: float = Field(1.0, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Somebody was asked to wait.

    Attributes:
        who: Address of the user, or name of the project.
        ends_at: Seconds since 1970.
        told: Whether they were told until when.
    """

    per: Per
    who: str
    ends_at: float
    told: bool


class Throttled(Refused):
    """A refusal that asks for a pause."""

    def __init__(self, answer: Answer, pause: Pause) -> None:
        super().__init__(answer)
        self.pause = pause


class Limits:
    """Counts per user and per project. Used by several threads at once."""

    def __init__(self, time: ServiceTime) -> None:
        self._time = time
        self._lock = threading.Lock()
        self._limits: tuple[Limit, ...] = ()
        self._spans: dict[tuple[Limit, str], tuple[float, int]] = {}
        self._closed: dict[tuple[Per, str], tuple[Throttle, float]] = {}

    def set(self, *limits: Limit) -> None:
        """These and no other from now on; counts begin anew, and pauses are over."""
        with self._lock:
            self._limits = limits
            self._spans.clear()
            self._closed.clear()

    def throttle(self, throttle: Throttle, grant: Grant) -> Throttled:
        """Refuse a request, and others like it until the time is over."""
        who = _who(throttle, grant)
        with self._lock:
            ends_at = self._time.now() + throttle.wait_s
            self._closed[throttle.per, who] = throttle, ends_at
        return self._refusal(throttle, who, ends_at)

    def admit(self, grant: Grant) -> None:
        """Count a request.

        Raises:
            Throttled: 403 or 429.
        """
        if not self._limits and not self._closed:
            return
        with self._lock:
            self._check_closed("user", grant.user)
            self._check_closed("project", grant.project)
            for limit in self._limits:
                self._count(limit, _who(limit, grant))

    def _check_closed(self, per: Per, who: str) -> None:
        throttle, ends_at = self._closed.get((per, who), (None, 0.0))
        if throttle is None:
            return
        if self._time.now() < ends_at:
            raise self._refusal(throttle, who, ends_at)
        del self._closed[per, who]

    def _count(self, limit: Limit, who: str) -> None:
        now = self._time.now()
        began, count = self._spans.get((limit, who), (now, 0))
        if now - began >= limit.per_s:
            began, count = now, 0
        is_over = count >= limit.requests
        if is_over and limit.lengthens:
            began = now
        self._spans[limit, who] = began, count + (not is_over)
        if is_over:
            raise self._refusal(limit, who, began + limit.per_s)

    def _refusal(self, telling: _Telling, who: str, ends_at: float) -> Throttled:
        is_user = telling.per == "user"
        reason = telling.reason or ("userRateLimitExceeded" if is_user and telling.status == 403 else "rateLimitExceeded")
        message, headers = _USER if is_user else _PROJECT, {}
        if telling.tells == "seconds":
            # Rounded up, or a client that obeys would come too early.
            headers = {"Retry-After": str(ceil(ends_at - self._time.now()))}
        elif telling.tells == "date":
            headers = {"Retry-After": formatdate(ceil(ends_at), usegmt=True)}
        elif telling.tells == "message":
            message = f"User-rate limit exceeded.  Retry after {_stamp(ends_at)}"
        answer = refused(telling.status, reason, message, domain="usageLimits", headers=headers)
        return Throttled(answer, Pause(per=telling.per, who=who, ends_at=ends_at, told=telling.tells != "nothing"))


def _who(telling: _Telling, grant: Grant) -> str:
    return grant.user if telling.per == "user" else grant.project


def _stamp(at: float) -> str:
    # Milliseconds, rounded up.
    at = ceil(at * 1000) / 1000
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
