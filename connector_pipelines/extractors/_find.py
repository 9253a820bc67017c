"""Which extractor takes a media type?

The modules of this package, then installed entry points, which can add types but take none over::

    [project.entry-points."connector_pipelines.extractors"]
    acme_reports = "acme_connectors.reports:Extractor"
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import connector_pipelines.extractors as package

if TYPE_CHECKING:
    from connector_pipelines.core.protocols import Extractor

__all__ = ["Found", "find_extractor", "supported_media_types"]

_GROUP = "connector_pipelines.extractors"


@dataclass(frozen=True, slots=True)
class Found:
    """An extractor and the name it goes by."""

    name: str
    type: type[Extractor]


def find_extractor(media_type: str) -> Found | None:
    """The extractor that takes `media_type`, or None."""
    return _built_in().get(media_type) or _installed().get(media_type)


def supported_media_types() -> dict[str, tuple[str, ...]]:
    """Every media type some extractor takes, with its usual suffixes."""
    found = _installed() | _built_in()
    return {media_type: tuple(found[media_type].type.media_types[media_type]) for media_type in sorted(found)}


@cache
def _built_in() -> dict[str, Found]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))
    return _by_type(Found(name, import_module(f"{package.__name__}.{name}").Extractor) for name in names)


@cache
def _installed() -> dict[str, Found]:
    # Apart from the built-in ones: looking through all distributions takes longer than starting the worker.
    return _by_type(_plugins())


def _plugins() -> Iterator[Found]:
    for point in sorted(entry_points(group=_GROUP), key=lambda point: point.name):
        try:
            yield Found(point.name, point.load())
        except (ImportError, AttributeError) as error:
            sys.stderr.write(f"the extractor {point.name} ({point.value}) does not import: {error}\n")


def _by_type(extractors: Iterator[Found]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for one in extractors:
        for media_type in one.type.media_types:
            found.setdefault(media_type, one)
    return found
