"""Runs one test of a suite by hand, as pytest would, on something that is broken in one known way."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from connector_pipelines.core.errors import ConnectorError

CAUGHT = (AssertionError, pytest.fail.Exception, ConnectorError)


def run(contract: type, test: str, fixtures: Callable[[], Mapping[str, object]]) -> None:
    """Every case of a parametrised test, each with fixtures of its own; the first that fails, raises."""
    method = getattr(contract(), test)
    for case in _cases(method):
        given = {**fixtures(), **case}
        method(**{name: given[name] for name in inspect.signature(method).parameters})


def _cases(method: Any) -> Iterator[dict[str, object]]:
    marks = [mark for mark in getattr(method, "pytestmark", ()) if mark.name == "parametrize"]
    if not marks:
        yield {}
    for mark in marks:
        names, values = mark.args[0], mark.args[1]
        for value in values:
            yield {names: value} if isinstance(names, str) else dict(zip(names, value, strict=True))
