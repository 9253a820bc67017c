"""The control URL: what other processes do to the Drive, as JSON over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector_pipelines.testing._serving.forwarding import done, public_methods
from connector_pipelines.testing.fake_api.messages import Answer, Refusal, Request

__all__ = ["CONTROL", "Control"]

CONTROL: Final = "/__fake__/"
"""Below it lie the methods, as `world/create`: POST, with arguments as a JSON object. Not signed in, not limited, not in the journal."""


class Control:
    """Does what the public methods of some objects do, by the name of the object and the method.

    Args:
        targets: By name, each with the class whose methods are meant.
    """

    def __init__(self, targets: Mapping[str, tuple[object, type]]) -> None:
        self._targets = targets

    def answer(self, request: Request) -> Answer:
        name, _, method = request.path.removeprefix(CONTROL).partition("/")
        target, kind = self._targets.get(name, (None, object))
        if target is None or request.method != "POST" or method not in dict(public_methods(kind)):
            return Refusal(404, f"there is no {name}/{method}").answer
        try:
            return Answer(200, done(target, method, request.body or b"{}"), {"Content-Type": "application/json"})
        except (KeyError, TypeError, ValueError) as error:
            return Refusal(400, f"{type(error).__name__}: {error}").answer
