"""What an answer says about when to come back: `Retry-After`, and the headers about quotas."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connector_pipelines.net.protocols import Answered

__all__ = ["answered", "retry_after_s", "seconds_until"]

# A number of seconds above this is an instant: no quota is given anew in more than a year, and 1971 is over.
_YEAR_S = 366 * 86400
# draft-ietf-httpapi-ratelimit-headers-08 and later: RateLimit: "default";r=50;t=30
_REMAINING = re.compile(r";\s*r=(\d{1,15})")
_RESET = re.compile(r";\s*t=(\d{1,15})")
_NUMBER = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)")


def retry_after_s(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait as ``Retry-After`` says (RFC 9110, 10.2.3), or None where it does not.

    A date is read against the answer's own ``Date``: the clocks need not agree.
    """
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    if found := re.fullmatch(r"(\d{1,15})(?:\.\d+)?", said):
        # Some send fractions; rounded up, as cutting it short is what must not be.
        return float(found[1]) + (1.0 if "." in said else 0.0)
    until = _instant(said)
    return None if until is None else seconds_until(until, headers, now=now)


def seconds_until(instant: float, headers: Mapping[str, str], *, now: float | None = None) -> float:
    """How long until then (in seconds since 1970), by the clock of whoever answered with these headers; 0 where it is over."""
    return max(0.0, instant - _server_now(headers, now))


def answered(headers: Mapping[str, str], *, throttled: bool, after_s: float | None, now: float | None = None) -> Answered:
    """What the limiter is to know. `now` is seconds since 1970; None: the clock's."""
    remaining, reset = _quota(headers)
    if reset is not None and reset > _YEAR_S:
        # X-RateLimit-Reset as an instant, in seconds or milliseconds.
        reset = seconds_until(reset / 1000 if reset > 1e11 else reset, headers, now=now)
    return Answered(throttled=throttled, retry_after_s=after_s, remaining=remaining, reset_s=reset)


def _quota(headers: Mapping[str, str]) -> tuple[int | None, float | None]:
    """The scarcest of the policies that the answer names."""
    if told := headers.get("ratelimit"):
        if policies := [(int(left[1]), _second(_RESET, item)) for item in told.split(",") if (left := _REMAINING.search(item))]:
            return min(policies, key=lambda policy: policy[0])
        found = dict(pair.strip().partition("=")[::2] for pair in told.split(","))  # drafts 03 to 06: limit=100, remaining=50, reset=5
        return _whole(found.get("remaining")), _seconds(found.get("reset"))
    for prefix in ("ratelimit-", "x-ratelimit-", "x-rate-limit-"):
        remaining = _whole(headers.get(f"{prefix}remaining"))
        if remaining is not None:
            return remaining, _reset(headers.get(f"{prefix}reset"))
    return None, None


def _reset(said: str | None) -> float | None:
    seconds = _seconds(said)
    return seconds if seconds is not None or not said else _iso(said)


def _iso(said: str) -> float | None:
    try:
        return datetime.fromisoformat(said).astimezone(UTC).timestamp()
    except ValueError:
        return _instant(said)


def _second(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return float(found[1]) if found else None


def _seconds(said: str | None) -> float | None:
    # Of several, as proxies and gateways each add one, the first.
    found = _NUMBER.match(said or "")
    return float(found[1]) if found and not re.match(r"\s*\d{4}-\d", said or "") else None


def _whole(said: str | None) -> int | None:
    seconds = _seconds(said)
    return None if seconds is None else int(seconds)


def _instant(said: str) -> float | None:
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _server_now(headers: Mapping[str, str], now: float | None) -> float:
    return _instant(headers.get("date", "")) or (time.time() if now is None else now)
