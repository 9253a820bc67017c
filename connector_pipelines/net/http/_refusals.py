"""Which of our errors an answer is that is no success, and what may be shown of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Forbidden,
    NotFound,
    PermanentError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.http import HttpResponse
from connector_pipelines.telemetry import scrub

__all__ = ["PASSING", "refusal", "told_code"]

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that time heals."""

_DEEPEST = 5
_CODE_KEYS = ("error", "errors", "code", "errorCode", "error_code", "reason", "status", "category", "type", "title")
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,79}")
_DIGITS = re.compile(r"\d")


def refusal(what: str, answer: HttpResponse, *, trusted: bool, after_s: float | None) -> ConnectorError:
    """The error.

    Args:
        what: The method and the address, as far as they may be shown.
        trusted: Whether it is of a host that gets our credentials.
        after_s: What ``Retry-After`` asks for.
    """
    status = answer.status
    said = f"{what} answered {status}{_reason(answer)}"
    if status == 429 or (status == 503 and after_s is not None):
        return RateLimited(f"{said}: it asks us to slow down", retry_after_s=after_s)
    if status in PASSING or status >= 500:
        return Unavailable(said, retry_after_s=after_s)
    return _for_good(said, status, trusted=trusted)


def told_code(answer: HttpResponse) -> str:
    """The provider's own code for what is wrong, where its JSON says one that cannot be anything else; else empty.

    STYLE says that no body is shown. A code is what a person searches the provider's pages for: a word of letters, few digits,
    at a place where codes are.
    """
    if "json" not in answer.headers.get("content-type", "") or len(answer.content) > 256 * 1024:
        return ""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return ""
    return next((code for code in _codes(body, 0) if scrub(code) == code), "")


def _for_good(said: str, status: int, *, trusted: bool) -> ConnectorError:
    if status == 401 and trusted:
        return Unauthenticated(f"{said}: who we are was refused", advice="see who is signed in with `connectors auth status`")
    if status in {401, 403, 451}:
        return Forbidden(f"{said}: this is refused to us", advice="" if trusted else "the request went without our sign-in")
    if status in {404, 410}:
        return NotFound(said)
    if status == 407:
        return ConfigurationError(f"{said}: the proxy wants a sign-in", advice="put user and password into the URL of HTTPS_PROXY")
    return PermanentError(said)


def _reason(answer: HttpResponse) -> str:
    code = told_code(answer)
    return f" ({code})" if code else ""


def _codes(body: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(body, str):
        if depth and _TOKEN.fullmatch(body) and len(_DIGITS.findall(body)) < 6:
            yield body
    elif isinstance(body, list):
        yield from _codes(body[0], depth + 1) if body else ()
    elif isinstance(body, dict):
        # What is inside first: {"status": "error", "errors": [{"reason": "userRateLimitExceeded"}]}
        nested = [key for key in _CODE_KEYS if isinstance(body.get(key), dict | list)]
        plain = [key for key in _CODE_KEYS if isinstance(body.get(key), str) and (depth or key not in {"status", "type", "title"})]
        for key in (*nested, *plain):
            yield from _codes(body[key], depth + 1)
