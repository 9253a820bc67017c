"""What the service says no with, before it looks at any file: bodies as Google sends them.

Forms and reasons as in "Resolve errors" (https://developers.google.com/workspace/drive/api/guides/handle-errors, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector_pipelines.testing.fake_api.messages import Answer, json_answer

__all__ = ["Refused", "insufficient_scopes", "invalid_credentials", "no_credentials", "oauth_error", "refused"]

_STATUS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_JSON: Final = {"Content-Type": "application/json; charset=UTF-8"}


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.status))
        self.answer = answer


def refused(
    code: int,
    reason: str,
    message: str,
    *,
    domain: str = "global",
    short: str | None = None,
    location: tuple[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error of the API.

    Args:
        short: The message inside `errors`, where it is another.
        location: Type and name of what was wrong, such as ``("parameter", "pageToken")``.
        extra: What else stands in `error`.
    """
    inner = {"message": short or message, "domain": domain, "reason": reason}
    if location:
        inner |= {"location": location[1], "locationType": location[0]}
    error = {"code": code, "message": message, "errors": [inner], **(extra or {})}
    return json_answer({"error": error}, code, {**_JSON, **(headers or {})})


def invalid_credentials() -> Answer:
    """401 for a token that is wrong or over."""
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication "
        "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return refused(
        401, "authError", message, short="Invalid Credentials", location=("header", "Authorization"), extra={"status": _STATUS[401]},
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'},
    )  # fmt: skip


def no_credentials() -> Answer:
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API "
        "consumer identity to call this API."
    )
    return refused(403, "forbidden", message, extra={"status": _STATUS[403]})


def insufficient_scopes(call: str) -> Answer:
    """403 for a token that was not given for this method, which is a name such as `files.list`."""
    resource, _, verb = call.partition(" ")[0].partition(".")
    method = f"google.apps.drive.v3.Drive{resource.capitalize()}.{verb[:1].upper()}{verb[1:]}"
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": "drive.googleapis.com", "method": method},
    }
    return refused(
        403, "insufficientPermissions", "Request had insufficient authentication scopes.", short="Insufficient Permission",
        extra={"status": _STATUS[403], "details": [detail]},
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="insufficient_scope"'},
    )  # fmt: skip


def oauth_error(error: str, description: str, status: int = 400) -> Answer:
    """RFC 6749, 5.2."""
    return json_answer({"error": error, "error_description": description}, status, _JSON)
