"""How the real one says no (https://developers.google.com/workspace/drive/api/guides/handle-errors, read November 2026)."""

from __future__ import annotations

from typing import Any

import msgspec

from connector_pipelines.testing.fake_api.messages import Answer

__all__ = ["DriveError", "bad_parameter", "drive_not_found", "invalid_page_token", "not_found", "not_permitted"]


class DriveError(Exception):
    """Ends a request.

    Args:
        location: Name of the parameter or header it is about, or empty.
        headers: Beside the content type, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        location: str = "",
        location_type: str = "parameter",
        domain: str = "global",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        detail: dict[str, Any] = {"message": message, "domain": domain, "reason": reason}
        if location:
            detail |= {"location": location, "locationType": location_type}
        self._body = {"error": {"code": status, "message": message, "errors": [detail]}}
        self._headers = headers or {}

    @property
    def answer(self) -> Answer:
        return Answer(self.status, msgspec.json.encode(self._body), {"Content-Type": "application/json; charset=UTF-8", **self._headers})


def not_found(file_id: str) -> DriveError:
    """Not there, or not for this user: the real one does not tell which."""
    return DriveError(404, "notFound", f"File not found: {file_id}.", location="fileId")


def drive_not_found(drive_id: str) -> DriveError:
    return DriveError(404, "notFound", f"Shared drive not found: {drive_id}", location="driveId")


def bad_parameter(name: str, message: str = "Invalid Value", reason: str = "invalid") -> DriveError:
    return DriveError(400, reason, message, location=name)


def invalid_page_token() -> DriveError:
    return bad_parameter("pageToken")


def not_permitted() -> DriveError:
    return DriveError(403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file.")
