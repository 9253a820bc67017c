"""Which kinds of source, sink and extractor there are, and the class behind each, imported when it is asked for.

A module `google_drive` of `connector_pipelines.sources` makes the kind `google_drive`; a leading underscore marks
a helper. A connector in another distribution declares itself::

    [project.entry-points."connector_pipelines.sources"]
    sharepoint_2013 = "acme_connectors.sharepoint:Source"

Sinks and extractors alike. A kind that is built in cannot be taken over; one that two distributions claim is
neither's. What is wrong with a plugin stands in its `Kind.error` and concerns no other.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, cast

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import Extractor, Sink, Source
from connector_pipelines.telemetry import scrub

__all__ = ["Kind", "Role", "extractor_type", "kinds", "sink_type", "source_type"]

Role = Literal["source", "sink", "extractor"]

_PROTOCOLS: dict[Role, type] = {"source": Source, "sink": Sink, "extractor": Extractor}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One thing a connector can talk to.

    Attributes:
        location: ``module:attribute`` of the class.
        distribution: Name of the installed distribution it came with, or None for one built in.
        error: Why it cannot be used, or None as far as is known: only an import tells for sure.
    """

    name: str
    role: Role
    location: str
    distribution: str | None = None
    error: str | None = None


def kinds(role: Role, *, check: bool = False) -> tuple[Kind, ...]:
    """Every kind by name, those with an error among them. Imports nothing unless `check`, and then each."""
    found = sorted((*_built_in(role), *_plugins(role)), key=lambda kind: (kind.name, kind.distribution or ""))
    return tuple(_checked(kind) for kind in found) if check else tuple(found)


def source_type(kind: str) -> type[Source]:
    """The class of a kind of source.

    Raises:
        ConfigurationError: No such kind, two claim it, or its module does not import or holds no source.
    """
    return cast("type[Source]", _type("source", kind))


def sink_type(kind: str) -> type[Sink]:
    """The class of a kind of sink. Raises as `source_type` does."""
    return cast("type[Sink]", _type("sink", kind))


def extractor_type(kind: str) -> type[Extractor]:
    """The class of a family of formats. Raises as `source_type` does."""
    return cast("type[Extractor]", _type("extractor", kind))


def _type(role: Role, name: str) -> type:
    claims = [kind for kind in kinds(role) if kind.name == name]
    usable = [kind for kind in claims if kind.error is None]
    if not claims:
        raise _unknown(role, name)
    if not usable:
        raise ConfigurationError(f"{role} {name!r} cannot be used: {claims[0].error}", advice="`connectors kinds` shows what is installed.")
    return _load(usable[0])


def _unknown(role: Role, name: str) -> ConfigurationError:
    known = sorted({kind.name for kind in kinds(role) if kind.error is None})
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return ConfigurationError(
        f"unknown kind of {role} {name!r}; {hint}known: {', '.join(known)}",
        advice="Correct the name, or install the package that brings it.",
    )


def _load(kind: Kind) -> type:
    module, _, attribute = kind.location.partition(":")
    try:
        found: object = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        # Whatever somebody else's module raises, or even exits with, the others must go on.
        reason = scrub(f"{type(error).__name__}: {error}")
        raise ConfigurationError(
            f"{kind.role} {kind.name!r} does not import from {kind.location}: {reason}", advice=_whose(kind)
        ) from error
    if missing := _missing(found, _PROTOCOLS[kind.role]):
        raise ConfigurationError(
            f"{kind.role} {kind.name!r}: {kind.location} is no {kind.role}, it has no {', '.join(missing)}", advice=_whose(kind)
        )
    return cast("type", found)


def _whose(kind: Kind) -> str:
    return f"Update or remove the distribution {kind.distribution}." if kind.distribution else "Reinstall connector-pipelines."


def _missing(found: object, protocol: type) -> list[str]:
    if not isinstance(found, type):
        return ["class"]
    members = {*vars(protocol), *protocol.__annotations__}
    return sorted(name for name in members if not name.startswith("_") and not hasattr(found, name))


def _checked(kind: Kind) -> Kind:
    if kind.error is not None:
        return kind
    try:
        _load(kind)
    except ConfigurationError as error:
        return replace(kind, error=str(error))
    return kind


def _built_in(role: Role) -> Iterator[Kind]:
    package = importlib.import_module(f"connector_pipelines.{role}s")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            yield Kind(name=module.name, role=role, location=f"{package.__name__}.{module.name}:{role.capitalize()}")


def _plugins(role: Role) -> Iterator[Kind]:
    points = _entry_points(f"connector_pipelines.{role}s", tuple(sys.path))
    built_in = {kind.name for kind in _built_in(role)}
    for point in points:
        claimants = sorted({_distribution(other) for other in points if other.name == point.name})
        error = None
        if not _NAME.fullmatch(point.name):
            error = f"{point.name!r} is not a name for a kind: lower-case letters, digits and underscores, beginning with a letter"
        elif point.name in built_in:
            error = f"the name {point.name!r} is taken by the {role} built in; the distribution must choose another"
        elif len(claimants) > 1:
            error = f"the name {point.name!r} is claimed by {' and '.join(claimants)}; uninstall all but one"
        yield Kind(name=point.name, role=role, location=point.value.replace(" ", ""), distribution=_distribution(point), error=error)


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else "?"


# Reading every installed distribution takes milliseconds, and a file of connectors asks for each of its kinds.
@cache
def _entry_points(group: str, _path: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=group))
