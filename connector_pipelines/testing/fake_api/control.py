"""The control URL: what other processes do to the company and its API, as JSON over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from connector_pipelines.testing.fake_api.faults import Fault
from connector_pipelines.testing.fake_api.limits import Quota, RateLimit
from connector_pipelines.testing.fake_api.messages import Answer, Refusal, Request, json_answer
from connector_pipelines.testing.fake_api.shapes import StreamShape
from connector_pipelines.testing.fake_api.sign_in import SignInModel

if TYPE_CHECKING:
    from connector_pipelines.testing.fake_api.api import FakeApi

__all__ = ["CONTROL", "Control"]

CONTROL: Final = "/__fake__/"
"""Below it lie the commands: POST, with arguments as a JSON object. Not signed in, not limited, not in the journal."""

_SIGN_IN: Final[TypeAdapter[SignInModel]] = TypeAdapter(SignInModel)


class Control:
    """Commands by name; each does what the method of that name does."""

    def __init__(self, api: FakeApi) -> None:
        company, journal = api.company, api.journal
        self._commands: Mapping[str, Callable[..., Any]] = {
            "add": lambda shape: api.add(StreamShape.model_validate(shape)),
            "put": lambda updated_at=None, **rest: company.put(
                updated_at=datetime.fromisoformat(updated_at) if updated_at else None, **rest
            ),
            "put_many": company.put_many,
            "fill": company.fill,
            "delete": company.delete,
            "restore": company.restore,
            "hard_delete": company.hard_delete,
            "touch": company.touch,
            "move": company.move,
            "attach": lambda content, **rest: company.attach(content=base64.b64decode(content), **rest),
            "detach": company.detach,
            "truth": company.truth,
            "clock": lambda now=None, step_s=None: self._clock(api, now, step_s),
            "signs_in": lambda ways: api.signs_in(*(_SIGN_IN.validate_python(way) for way in ways)),
            "limit": lambda rate=None, quota=None: api.limit(
                RateLimit.model_validate(rate) if rate else None, Quota.model_validate(quota) if quota else None
            ),
            "fault": lambda fault: api.faults.add(Fault.model_validate(fault)),
            "clear_faults": api.faults.clear,
            "skew": lambda seconds: api.skew(timedelta(seconds=seconds)),
            "journal": lambda path="*", method="*": [asdict(entry) for entry in journal.entries(path, method=method)],
            "clear_journal": journal.clear,
        }

    def answer(self, request: Request) -> Answer:
        command = self._commands.get(request.path.removeprefix(CONTROL))
        if command is None or request.method != "POST":
            return Refusal(404, f"commands are {', '.join(sorted(self._commands))}, by POST").answer
        try:
            return json_answer(command(**json.loads(request.body or b"{}")))
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            return Refusal(400, f"{type(error).__name__}: {error}").answer

    def _clock(self, api: FakeApi, now: str | None, step_s: float | None) -> None:
        if now is not None:
            api.company.clock.set(datetime.fromisoformat(now))
        if step_s is not None:
            api.company.clock.step(timedelta(seconds=step_s))
