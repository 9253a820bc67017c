"""What befalls answers on the way, as scripted."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector_pipelines.testing._serving.script import Script
from connector_pipelines.testing.fake_api.messages import Answer, Request

__all__ = ["Cut", "Delivery", "Drip", "Fault", "Faults", "Garbage", "Gzip", "HtmlPage", "Reset", "Stall", "Status"]

_SIGN_IN_PAGE: Final = (
    b"<!doctype html><html><head><title>Sign in</title></head><body><form method=post><input name=user></form></body></html>"
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Status(_Model):
    """Another answer altogether."""

    type: Literal["status"] = "status"
    status: int
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = '{"error": "scripted"}'


class Cut(_Model):
    """The connection ends after so many bytes of the body; the headers promise all of it."""

    type: Literal["cut"] = "cut"
    after_bytes: int = Field(0, ge=0)


class Reset(_Model):
    """The connection is reset (RST) instead of an answer."""

    type: Literal["reset"] = "reset"


class Stall(_Model):
    """Nothing comes for so long; then the answer."""

    type: Literal["stall"] = "stall"
    seconds: float = Field(gt=0)


class Garbage(_Model):
    """200 with half of the JSON, as whole."""

    type: Literal["garbage"] = "garbage"


class HtmlPage(_Model):
    """200 with the sign-in page of somebody in between."""

    type: Literal["html"] = "html"


class Gzip(_Model):
    """Encoded although nobody asked; `broken`: it says so and is not. `bomb_bytes`: so many zeros instead of the answer."""

    type: Literal["gzip"] = "gzip"
    broken: bool = False
    bomb_bytes: int = 0


class Drip(_Model):
    """The body comes in pieces, with pauses."""

    type: Literal["drip"] = "drip"
    piece_bytes: int = Field(1, ge=1)
    pause_s: float = Field(0.01, ge=0)


Action = Annotated[Status | Cut | Reset | Stall | Garbage | HtmlPage | Gzip | Drip, Field(discriminator="type")]


class Fault(_Model):
    """Which requests, and what happens to them."""

    action: Action
    path: str = Field("*", description="Pattern, with `*` and `?`.")
    method: str = "*"
    params: dict[str, str] = Field(default_factory=dict, description="Parameters that must be so; the value is a pattern.")
    skip: int = Field(0, ge=0, description="How many that match are let pass first.")
    times: int | None = Field(1, description="How often; None: always.")
    share: float = Field(1.0, gt=0, le=1, description="Of those that match, by chance; the seed is fixed.")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the answer is sent. `cut_after` is bytes of the body."""

    cut_after: int | None = None
    reset: bool = False
    stall_s: float = 0.0
    piece_bytes: int | None = None
    pause_s: float = 0.0


class Faults:
    """The script of an API. Used by several threads at once."""

    def __init__(self) -> None:
        self._script: Script[Fault] = Script()
        self.add = self._script.add
        self.clear = self._script.clear

    def for_request(self, request: Request) -> Action | None:
        found = self._script.next(lambda fault: _matches(fault, request))
        return found.action if found else None


def befall(answer: Answer, action: Action) -> tuple[Answer, Delivery]:
    """What is sent instead, and how."""
    match action:
        case Cut():
            return answer, Delivery(cut_after=action.after_bytes)
        case Reset():
            return answer, Delivery(reset=True)
        case Stall():
            return answer, Delivery(stall_s=action.seconds)
        case Drip():
            return answer, Delivery(piece_bytes=action.piece_bytes, pause_s=action.pause_s)
        case _:
            return _instead(answer, action), Delivery()


def _matches(fault: Fault, request: Request) -> bool:
    if not (fnmatchcase(request.path, fault.path) and fnmatchcase(request.method, fault.method)):
        return False
    return all(fnmatchcase(request.params.get(name, ""), pattern) for name, pattern in fault.params.items())


def _instead(answer: Answer, action: Status | Garbage | HtmlPage | Gzip) -> Answer:
    match action:
        case Status():
            return Answer(action.status, action.body.encode(), {"Content-Type": "application/json", **action.headers})
        case Garbage():
            return replace(answer, status=200, body=answer.body[: max(1, len(answer.body) // 2)])
        case HtmlPage():
            return Answer(200, _SIGN_IN_PAGE, {"Content-Type": "text/html; charset=utf-8"})
        case Gzip():
            return _encoded(answer, action)


def _encoded(answer: Answer, action: Gzip) -> Answer:
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    if action.broken:
        return replace(answer, headers=headers)
    plain = bytes(action.bomb_bytes) if action.bomb_bytes else answer.body
    return replace(answer, body=gzip.compress(plain, mtime=0), headers=headers)
