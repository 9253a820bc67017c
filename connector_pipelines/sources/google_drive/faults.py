"""Which of our errors a refusal of Drive is: by the reason in its body, since its statuses say little (a spent quota is a 403).

Reasons are those of "Resolve errors" (https://developers.google.com/workspace/drive/api/guides/handle-errors, read 2026-11) and of
google.rpc.ErrorInfo (https://cloud.google.com/apis/design/errors).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Forbidden,
    NotFound,
    PermanentError,
    RateLimited,
    SubjectRefused,
    TransientError,
    Unauthenticated,
    Unavailable,
)
from connector_pipelines.core.http import HttpResponse
from connector_pipelines.net.http import retry_after_s, seconds_until
from connector_pipelines.telemetry import scrub

__all__ = ["READ_SCOPE", "Abusive", "NotExportable", "PageTokenRejected", "Refiner", "TooLargeToExport", "plain_text"]

READ_SCOPE: Final = "https://www.googleapis.com/auth/drive.readonly"

# A quota of a day comes back at midnight in California. Somebody may raise it before, so it is looked at once an hour.
_HOUR_S: Final = 3600.0
_ENABLE: Final = "https://console.cloud.google.com/apis/library/drive.googleapis.com"
_CONSOLE: Final = re.compile(r"https://console\.(?:developers|cloud)\.google\.com/[\w./-]+(?:\?project=[\w.:-]{1,60})?")
_ADDRESS: Final = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*")
_TAG: Final = re.compile(r"<[^>]{0,500}>")
# Of a sentence such as "Rate Limit Exceeded. Retry after 2026-05-01T10:00:00.000Z".
_UNTIL: Final = re.compile(r"retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,79}")
_SHOWN_CHARACTERS: Final = 300
_PASSING: Final = frozenset({408, 425, 500, 502, 503, 504})


class Abusive(Forbidden):
    """Google takes the file for malware or spam, and gives it only to who answers for it."""


class TooLargeToExport(PermanentError):
    """`files.export` gives no more than 10 MB."""


class NotExportable(PermanentError):
    """There is no such format for this file."""


class PageTokenRejected(PermanentError):
    """The place in a listing or in a feed is none any more: to be begun anew."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Drive said.

    Attributes:
        what: Of what it said so, for messages.
        reason: Its own word, or empty where it said none: then it may not be Drive that answered.
        text: Its own sentence, which may be shown.
        location: The parameter it is about, or empty.
        console: Page of Google's console on which something is to be switched on, or empty.
        is_page: Whether the body is a page for people.
        after_s: Seconds it asks to wait, or None.
        user: Whom we act as, where that is not ourselves.
    """

    status: int
    what: str
    reason: str = ""
    text: str = ""
    location: str = ""
    console: str = ""
    is_page: bool = False
    after_s: float | None = None
    user: str | None = None

    def __str__(self) -> str:
        whose = f" as {self.user}" if self.user else ""
        said = f"Drive answered {self.status}{f' ({self.reason})' if self.reason else ''} to {self.what}{whose}"
        return f"{said}: {self.text}" if self.text else said


class Refiner:
    """The `refine` of one user's client.

    Args:
        project_bucket: Bucket that pauses where the project's quota is spent; None for the client's own.
        user: Whom we act as, for messages.
    """

    def __init__(self, *, project_bucket: str | None = None, user: str | None = None) -> None:
        self._project_bucket, self._user = project_bucket, user

    def __call__(self, answer: HttpResponse) -> ConnectorError:
        """The error it is."""
        refusal = refusal_of(answer, self._user)
        if refusal.status == 429 or refusal.reason in _SLOWER:
            return self._slower(refusal)
        return _BY_REASON.get(refusal.reason, _by_status)(refusal)

    def _slower(self, refusal: Refusal) -> ConnectorError:
        # "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'" has the reason of the project's.
        is_project = refusal.reason in _PROJECT and "per user" not in refusal.text
        after_s = max(refusal.after_s or 0.0, _HOUR_S) if refusal.reason in _DAILY else refusal.after_s
        advice = "Ask for more quota on the page of the Drive API in Google's console, or sync less often." if is_project else ""
        return RateLimited(str(refusal), advice=advice, retry_after_s=after_s, bucket=self._project_bucket if is_project else None)


def refusal_of(answer: HttpResponse, user: str | None = None) -> Refusal:
    """What an answer that is no success says."""
    error, is_page = _error_in(answer)
    details = [each for each in _list(error.get("details")) if isinstance(each, dict)]
    first = next((each for each in _list(error.get("errors")) if isinstance(each, dict)), {})
    info: dict[str, Any] = next((each for each in details if str(each.get("@type", "")).endswith("google.rpc.ErrorInfo")), {})
    message = str(error.get("message") or first.get("message") or "")
    # ErrorInfo is the finer one: insufficientPermissions may be the file's, ACCESS_TOKEN_SCOPE_INSUFFICIENT is the token's.
    reason = info.get("reason") if info.get("reason") in _BY_REASON else first.get("reason") or info.get("reason") or error.get("status")
    return Refusal(
        status=answer.status,
        what=_named(answer.url),
        reason=_word(reason),
        text=plain_text(message),
        location=_word(first.get("location")),
        console=_console(message, first, info, *details),
        is_page=is_page,
        after_s=_asked_s(answer.headers, message),
        user=user,
    )


def _error_in(answer: HttpResponse) -> tuple[dict[str, Any], bool]:
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        page = answer.content[:4096].lower()
        if b"automated queries" in page or b"unusual traffic" in page:
            return {"status": "automatedQueries"}, True
        return {}, b"<html" in page or b"<!doctype" in page
    # A batch answers with a list where it is refused as a whole.
    body = body[0] if isinstance(body, list) and body else body
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return {"status": error, "message": body.get("error_description")}, False
    return (error, False) if isinstance(error, dict) else ({}, False)


def _named(url: str) -> str:
    """The file or method, without what is the same for all."""
    return scrub(url.partition("/drive/v3/")[2] or url)


def plain_text(message: str) -> str:
    """Google's sentence, without what an address in it may carry."""
    plain = " ".join(_TAG.sub("", _ADDRESS.sub(r"\1", message)).split())
    # Cut last: half a secret is none that is known.
    return scrub(plain)[:_SHOWN_CHARACTERS]


def _console(*places: object) -> str:
    found = _CONSOLE.search(" ".join(place if isinstance(place, str) else json.dumps(place) for place in places))
    return found[0] if found and scrub(found[0]) == found[0] else ""


def _asked_s(headers: Mapping[str, str], message: str) -> float | None:
    """The longer of what the header and the sentence ask for."""
    asked = [] if (told := retry_after_s(headers)) is None else [told]
    if found := _UNTIL.search(message):
        asked.append(seconds_until(datetime.fromisoformat(found[1]).timestamp(), headers))
    return max(asked, default=None)


def _by_status(refusal: Refusal) -> ConnectorError:
    status = refusal.status
    if status in _PASSING or status >= 500:
        return Unavailable(str(refusal), retry_after_s=refusal.after_s)
    if status == 401:
        return _not_us(refusal)
    if status in {403, 451}:
        return Forbidden(str(refusal), advice="A proxy may have answered: this is not how Drive refuses." if refusal.is_page else "")
    if status in {404, 410}:
        return _gone(refusal)
    return _rejected(refusal)


def _gone(refusal: Refusal) -> ConnectorError:
    if refusal.reason:
        return NotFound(str(refusal))
    # Not in Drive's words: whoever answered so does not know our files, and nothing may be taken for gone.
    return Unavailable(
        f"{refusal} with a body that is not Drive's", advice="See that `api_url` is right, and what the proxy does with googleapis.com."
    )


def _rejected(refusal: Refusal) -> ConnectorError:
    if "pagetoken" in refusal.location.lower():
        return PageTokenRejected(str(refusal))
    if refusal.what.endswith("/export"):
        # "The requested conversion is not supported."
        return NotExportable(str(refusal))
    return PermanentError(str(refusal))


def _not_us(refusal: Refusal) -> ConnectorError:
    if refusal.user:
        # The token was good for others: this user is not.
        return SubjectRefused(str(refusal), advice="Take them out of `users`, if they left.")
    return Unauthenticated(str(refusal), advice="See who is signed in with `connectors auth status`, and sign in again.")


def _scope_missing(refusal: Refusal) -> ConnectorError:
    return ConfigurationError(
        str(refusal),
        advice=f"Give the sign-in the scope {READ_SCOPE}, in `auth` and, with delegation, in Google's admin console; sign in anew.",
    )


def _api_is_off(refusal: Refusal) -> ConnectorError:
    return ConfigurationError(str(refusal), advice=f"Enable the Google Drive API for the project: {refusal.console or _ENABLE}")


def _not_in_domain(refusal: Refusal) -> ConnectorError:
    # A policy may be of an organizational unit: then it is this user's, and others are in another.
    kind = SubjectRefused if refusal.user else ConfigurationError
    whose = f"the unit that {refusal.user} is in" if refusal.user else "the domain"
    advice = f"An administrator has to allow this application for {whose}: Google's admin console, Apps, Google Workspace, Drive and Docs."
    return kind(str(refusal), advice=advice)


def _of(kind: Callable[..., ConnectorError], advice: str = "") -> Callable[[Refusal], ConnectorError]:
    return partial(_told, kind, advice)


def _told(kind: Callable[..., ConnectorError], advice: str, refusal: Refusal) -> ConnectorError:
    return kind(str(refusal), advice=advice)


def _away(refusal: Refusal) -> ConnectorError:
    return Unavailable(str(refusal), retry_after_s=refusal.after_s)


def _downloads_spent(refusal: Refusal) -> ConnectorError:
    # Of this one file, by everybody together: nobody pauses for it, and Drive is not away.
    return TransientError(
        str(refusal),
        advice="Too many people downloaded this file today; it is tried again.",
        retry_after_s=max(refusal.after_s or 0.0, _HOUR_S),
    )


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _word(found: object) -> str:
    # Whoever repeats what they were asked with may do so anywhere, and a token is a word, too.
    return found if isinstance(found, str) and _WORD.fullmatch(found) and scrub(found) == found else ""


_DAILY: Final = frozenset({"dailyLimitExceeded", "dailyLimitExceededUnreg"})
_PROJECT: Final = _DAILY | {"rateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "automatedQueries"}
_SLOWER: Final = _PROJECT | {"userRateLimitExceeded", "userRateLimitExceededUnreg", "sharingRateLimitExceeded"}

_NOT_BY_US: Final = _of(Forbidden, "Share it with the account that reads, or let the endpoint leave it out.")
_NOT_BY_APP: Final = _of(
    Forbidden, f"Sign in with the scope {READ_SCOPE}: that of `drive.file` sees only files that were opened with the application."
)
_NO_BYTES: Final = _of(PermanentError, "It has no bytes of its own: it can only be exported, where its type has a format.")
_ABUSIVE: Final = _of(Abusive, "Its owner, or an organizer of its shared drive, can read it with `acknowledge_abuse: true`.")

_BY_REASON: Final[Mapping[str, Callable[[Refusal], ConnectorError]]] = {
    "accessNotConfigured": _api_is_off,
    "SERVICE_DISABLED": _api_is_off,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _scope_missing,
    "insufficientPermissions": _scope_missing,
    "insufficientScopes": _scope_missing,
    "authError": _not_us,
    "UNAUTHENTICATED": _not_us,
    "domainPolicy": _not_in_domain,
    "insufficientFilePermissions": _NOT_BY_US,
    "forbidden": _NOT_BY_US,
    "appNotAuthorizedToFile": _NOT_BY_APP,
    "appNotAuthorizedToChild": _NOT_BY_APP,
    "appNotAuthorizedToParent": _NOT_BY_APP,
    "cannotDownloadFile": _of(Forbidden, "Its owner forbids to download, print and copy it."),
    "cannotDownloadAbusiveFile": _ABUSIVE,
    "cannotDownloadAbusiveFileOwner": _ABUSIVE,
    "fileNotDownloadable": _NO_BYTES,
    "exportSizeLimitExceeded": _of(TooLargeToExport),
    "cannotExportFile": _of(NotExportable, "Its owner forbids it, or its type has no such format."),
    "fileNotExportable": _of(NotExportable),
    "downloadQuotaExceeded": _downloads_spent,
    "backendError": _away,
    "internalError": _away,
    "transientError": _away,
    "notFound": _of(NotFound),
    "invalid": _rejected,
    "invalidParameter": _rejected,
    "badRequest": _rejected,
}  # fmt: skip
