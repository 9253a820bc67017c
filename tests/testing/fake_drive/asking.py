"""Asks the routes of a fake Drive without a socket between; each answer that is no error is held against the discovery document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.routes import Routes
from connector_pipelines.testing.fake_drive.world import World
from tests.testing.fake_drive.schemas import faults_of_answer

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@elsewhere.org"
DRIVES: dict[str, Any] = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}

_METHODS = {
    "about": "about.get", "changes": "changes.list", "changes/startPageToken": "changes.getStartPageToken", "drives": "drives.list",
    "drives/*": "drives.get", "files": "files.list", "files/*": "files.get", "files/*/download": "files.download",
    "files/*/permissions": "permissions.list", "files/*/permissions/*": "permissions.get", "files/*/revisions": "revisions.list",
    "files/*/revisions/*": "revisions.get", "operations/*": "operations.get",
}  # fmt: skip


class Refused(Exception):
    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {error}")
        self.status = status
        self.reason = error["errors"][0]["reason"]
        self.location = error["errors"][0].get("location")
        self.message = error["message"]


class Asking:
    """A world of two people of one domain and a stranger.

    Attributes:
        calls: How many requests there were.
    """

    def __init__(self) -> None:
        self.world = World()
        for person in (ADA, BOB, EVE):
            self.world.add_user(person)
        self.routes = Routes(self.world)
        self.calls = 0

    def raw(self, path: str, user: str = ADA, *, method: str = "GET", headers: Mapping[str, str] | None = None, **params: Any) -> Answer:
        told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in params.items()}
        full = f"/drive/v3/{path}"
        request = Request(
            method=method, path=full, target=f"{full}?{urlencode(told)}", base="http://drive.test", params=told, headers=headers or {}
        )  # fmt: skip
        self.calls += 1
        return self.routes.answer(request, user)

    def __call__(self, path: str, user: str = ADA, *, method: str = "GET", headers: Mapping[str, str] | None = None, **params: Any) -> Any:
        """The JSON of an answer. Raises `Refused`."""
        answer = self.raw(path, user, method=method, headers=headers, **params)
        found = json.loads(answer.body)
        if answer.status != 200:
            assert found["error"]["code"] == answer.status
            raise Refused(answer.status, found["error"])
        parts = path.split("/")
        known = path if path in _METHODS else "/".join("*" if place % 2 else part for place, part in enumerate(parts))
        assert faults_of_answer(f"drive.{_METHODS[known]}", found) == []
        return found

    def pages(self, path: str, user: str = ADA, **params: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self(path, user, **params)
            yield page
            if "nextPageToken" not in page:
                return
            params["pageToken"] = page["nextPageToken"]

    def names(self, q: str = "", user: str = ADA, **params: Any) -> list[str]:
        """Of all files a query finds."""
        return [
            file["name"] for page in self.pages("files", user, q=q, fields="nextPageToken,files(name)", **params) for file in page["files"]
        ]

    def token(self, user: str = ADA, **params: Any) -> str:
        return str(self("changes/startPageToken", user, **params)["startPageToken"])

    def changes(self, token: str, user: str = ADA, **params: Any) -> list[dict[str, Any]]:
        """All since then, over all pages."""
        return [change for page in self.pages("changes", user, pageToken=token, **params) for change in page["changes"]]
