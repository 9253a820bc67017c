"""One request: who asks, for what, and which parts of the answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.errors import DriveError, bad_parameter, not_found
from connector_pipelines.testing.fake_drive.items import Item
from connector_pipelines.testing.fake_drive.masks import Mask, invalid, mask_of, wants
from connector_pipelines.testing.fake_drive.state import State
from connector_pipelines.testing.fake_drive.viewer import Viewer

__all__ = ["JSON", "Question", "refuse_without"]

JSON: Final = {"Content-Type": "application/json; charset=UTF-8"}


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    state: State
    request: Request
    viewer: Viewer

    @property
    def email(self) -> str:
        return self.viewer.email

    def text(self, name: str, default: str = "") -> str:
        return self.request.params.get(name, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.request.params.get(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false"}:
            raise bad_parameter(name, f"Invalid boolean value: '{value}'.", "invalidParameter")
        return value.lower() == "true"

    @property
    def all_drives(self) -> bool:
        return self.flag("supportsAllDrives") or self.flag("supportsTeamDrives")

    @property
    def drive_items(self) -> bool:
        return self.flag("includeItemsFromAllDrives") or self.flag("includeTeamDriveItems")

    @property
    def drive_id(self) -> str:
        return self.text("driveId") or self.text("teamDriveId")

    def page_size(self, default: int, most: int) -> int:
        """What is above the most is the most; what is below 1 is refused."""
        value = self.request.params.get("pageSize", str(default))
        if not value.lstrip("-").isdigit() or int(value) < 1:
            raise bad_parameter("pageSize", f"Invalid value '{value}'. Values must be within the range: [1, {most}]", "invalidParameter")
        return min(int(value), most)

    def mask(self, default: Mask, known: frozenset[str]) -> Mask:
        """Parts of the answer at its top; `default` where none were named."""
        fields = self.request.params.get("fields")
        if fields is None:
            return default
        mask = mask_of(fields)
        for name in mask:
            if name not in known and name != "*":
                raise invalid(name)
        return mask

    def item(self, file_id: str, *, all_drives: bool | None = None) -> tuple[Item, str]:
        """The item and the caller's role.

        Args:
            all_drives: Whether items of shared drives are seen. None: as the request says; methods that have no parameter for it see them.

        Raises:
            DriveError: 404: it is not there, not for the caller, in a shared drive where `supportsAllDrives` was not said, or
                reached by a link only whose resource key was not shown.
        """
        item, role = self.state.seen(self.email, file_id, all_drives=self.all_drives if all_drives is None else all_drives)
        key = item.extras.resource_key
        if key is None or self.state.access.role(self.email, item, by_link=False, by_domain=False) is not None:
            return item, role
        shown = self.request.headers.get("x-goog-drive-resource-keys", "")
        if f"{item.id}/{key}" not in {each.strip() for each in shown.split(",")}:
            raise not_found(file_id)
        return item, role

    def answer(self, told: Mapping[str, Any]) -> Answer:
        return Answer(200, msgspec.json.encode(told), JSON)

    def chosen(self, told: Mapping[str, Any], mask: Mask) -> Answer:
        """Of simple values, those the mask names."""
        return self.answer({name: value for name, value in told.items() if wants(mask, name) and value is not None})


def refuse_without(question: Question, name: str) -> str:
    """The value of a parameter that must be there. Raises `DriveError`."""
    value = question.text(name)
    if not value:
        raise DriveError(400, "required", f"Required parameter: {name}", location=name)
    return value
