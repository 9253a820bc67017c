"""What befalls requests and answers on the way, as scripted: by method, path, user and count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector_pipelines.testing._serving.script import Script
from connector_pipelines.testing.fake_api.faults import Cut, Delivery, Drip, Garbage, Gzip, HtmlPage, Reset, Stall, Status
from connector_pipelines.testing.fake_api.faults import befall as befall_any
from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.limits import Throttle
from connector_pipelines.testing.fake_drive.methods import SIGN_IN_CALLS
from connector_pipelines.testing.fake_drive.refusals import refused

__all__ = [
    "BackendError", "Corrupted", "Denied", "Fault", "FaultAction", "Faults", "IgnoredRange", "Truncated", "WrongChecksums", "asked", "befall",
]  # fmt: skip

_MESSAGES: Final[Mapping[int, str]] = {500: "Internal Error", 502: "Bad Gateway", 503: "Backend Error", 504: "Deadline exceeded"}
_CHECKSUMS: Final = ("md5Checksum", "sha1Checksum", "sha256Checksum")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackendError(_Model):
    """5xx with a body as Google's."""

    type: Literal["backend_error"] = "backend_error"
    status: Literal[500, 502, 503, 504] = 503


class Denied(_Model):
    """403 with a reason, such as `downloadQuotaExceeded` or `domainPolicy`."""

    type: Literal["denied"] = "denied"
    reason: str
    message: str = "The request was denied."
    status: int = 403


class IgnoredRange(_Model):
    """200 with the whole of it, to a request for a range."""

    type: Literal["ignored_range"] = "ignored_range"


class WrongChecksums(_Model):
    """Metadata whose checksums are those of something else."""

    type: Literal["wrong_checksums"] = "wrong_checksums"


class Corrupted(_Model):
    """As many bytes as there should be, of which one is another."""

    type: Literal["corrupted"] = "corrupted"
    at: int = Field(0, ge=0)


class Truncated(_Model):
    """The first so many bytes, and headers that say that this is all."""

    type: Literal["truncated"] = "truncated"
    keep_bytes: int = Field(0, ge=0)


FaultAction = Annotated[
    Status | Cut | Reset | Stall | Garbage | HtmlPage | Gzip | Drip | BackendError | Denied | IgnoredRange | WrongChecksums | Corrupted
    | Truncated | Throttle,
    Field(discriminator="type"),
]  # fmt: skip


class Fault(_Model):
    """Which requests, and what happens to them."""

    action: FaultAction
    call: str = Field(
        "*",
        description="Pattern, with `*` and `?`, of the method's name: `files.list`, `files.get media`. Sign-in is met by its own alone: `token`.",
    )
    path: str = Field("*", description="Pattern of the path.")
    user: str = Field("*", description="Pattern of the address of who asks.")
    params: dict[str, str] = Field(default_factory=dict, description="Parameters that must be so; the value is a pattern.")
    skip: int = Field(0, ge=0, description="How many that match are let pass first.")
    times: int | None = Field(1, description="How often; None: always.")
    share: float = Field(1.0, gt=0, le=1, description="Of those that match, by chance; the seed is fixed.")

    @model_validator(mode="after")
    def _consistent(self) -> Fault:
        if isinstance(self.action, Throttle) and self.call in SIGN_IN_CALLS:
            raise ValueError(f"a fault of {self.call}: there is no user yet to throttle; a `Status` says 429, too")
        return self


class Faults:
    """The script. Used by several threads at once."""

    def __init__(self) -> None:
        self._script: Script[Fault] = Script()
        self.add = self._script.add
        self.clear = self._script.clear

    def for_request(self, request: Request, *, call: str, user: str) -> FaultAction | None:
        found = self._script.next(lambda fault: _matches(fault, request, call, user))
        return found.action if found else None


def asked(request: Request, action: FaultAction | None) -> Request:
    """What is answered instead of what was asked."""
    if isinstance(action, IgnoredRange):
        return replace(request, headers={name: value for name, value in request.headers.items() if name != "range"})
    return request


def befall(answer: Answer, action: FaultAction) -> tuple[Answer, Delivery]:
    """What is sent instead of an answer, and how."""
    if isinstance(action, BackendError | Denied | WrongChecksums | Corrupted | Truncated):
        return _instead(answer, action), Delivery()
    if isinstance(action, IgnoredRange | Throttle):
        return answer, Delivery()
    return befall_any(answer, action)


def _instead(answer: Answer, action: BackendError | Denied | WrongChecksums | Corrupted | Truncated) -> Answer:
    match action:
        case BackendError(status=status):
            return refused(status, "backendError", _MESSAGES[status])
        case Denied():
            return refused(action.status, action.reason, action.message)
        case WrongChecksums():
            return replace(answer, body=_with_wrong_checksums(answer.body))
        case Corrupted():
            return replace(answer, body=_corrupted(answer.body, action.at))
        case Truncated():
            return replace(answer, body=answer.body[: action.keep_bytes])


def _matches(fault: Fault, request: Request, call: str, user: str) -> bool:
    if call in SIGN_IN_CALLS and fault.call != call:
        return False
    if not (fnmatchcase(call, fault.call) and fnmatchcase(request.path, fault.path) and fnmatchcase(user, fault.user)):
        return False
    return all(fnmatchcase(request.params.get(name, ""), pattern) for name, pattern in fault.params.items())


def _corrupted(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :] if at < len(body) else body


def _with_wrong_checksums(body: bytes) -> bytes:
    return json.dumps(_wrong(json.loads(body))).encode()


def _wrong(value: Any) -> Any:
    if isinstance(value, list):
        return [_wrong(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: each[::-1] if name in _CHECKSUMS else _wrong(each) for name, each in value.items()}
