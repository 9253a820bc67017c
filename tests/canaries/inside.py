"""What is done within the process of the tests: every endpoint is synced, and all that is raised, logged, warned of and made is kept."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.pipeline.operations import sync
from connector_pipelines.pipeline.session import Services
from tests.secrets_world import told

__all__ = ["Heard", "error_of", "listening", "objects_below", "sync_all"]


@dataclass(slots=True)
class Heard:
    """`records` are of our loggers and of warnings of any other, as they are told; `errors` by what raised them."""

    records: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)


class _Keeping(logging.Handler):
    def __init__(self, kept: list[str]) -> None:
        super().__init__()
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"{record.name} {self.format(record)} {getattr(record.msg, 'fields', '')!r}")


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Hear every event of ours, and every warning."""
    ours, root, handler = logging.getLogger("connector_pipelines"), logging.getLogger(), _Keeping(heard.records)
    before = ours.level
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours.setLevel("DEBUG")
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            ours.setLevel(before)
            heard.warned += [str(one.message) for one in caught]


def sync_all(services: Services, slugs: Iterable[str], heard: Heard) -> None:
    """Sync each endpoint, whatever becomes of it, and look at all that was made for it."""

    def one(slug: str) -> None:
        try:
            with services.open(slug, f"test of {slug}") as session:
                try:
                    sync(session)
                finally:
                    heard.shown |= objects_below(session, f"session of {slug}")
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            heard.errors[slug] = "\n".join(told(error))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, slugs))


def error_of(attempt: Callable[[], object]) -> Exception:
    """What the attempt raises. Anything but an error of ours is a bug, and raised."""
    try:
        found = attempt()
    except ConnectorError as error:
        return error
    raise AssertionError(f"nothing was wrong: {type(found).__name__}")


def objects_below(root: object, name: str) -> dict[str, str]:
    """By its path, the repr of every object of ours that can be reached from `root` by attributes, and through lists and dicts."""
    found: dict[str, str] = {}
    seen: set[int] = set()
    waiting = [(name, root)]
    while waiting:
        path, one = waiting.pop()
        if id(one) in seen or isinstance(one, type) or path.count(".") > 12:
            continue
        seen.add(id(one))
        if type(one).__module__.startswith("connector_pipelines"):
            found[path] = f"{one!r} {one!s}"
        waiting += [(f"{path}.{key}", inner) for key, inner in _parts(one)]
    return found


def _parts(one: object) -> Iterator[tuple[str, Any]]:
    if isinstance(one, dict):
        yield from ((str(type(key).__name__), inner) for key, inner in list(one.items()))
    elif isinstance(one, (list, tuple, set, frozenset)):
        yield from (("[]", inner) for inner in list(one))
    elif type(one).__module__.startswith(("connector_pipelines", "functools")) or callable(one):
        yield from _attributes(one)


def _attributes(one: object) -> Iterator[tuple[str, Any]]:
    yield from list(getattr(one, "__dict__", {}).items())
    for kind in type(one).__mro__:
        for slot in getattr(kind, "__slots__", ()):
            if isinstance(slot, str) and hasattr(one, slot):
                yield slot, getattr(one, slot)
    for name in ("func", "args", "keywords", "__self__"):
        if hasattr(one, name) and not isinstance(getattr(one, name), type(sys)):
            yield name, getattr(one, name)
    for cell in getattr(one, "__closure__", None) or ():
        yield "closure", cell.cell_contents
