"""Which streams there are, how they are called, and which lies below which."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from connector_pipelines.sources.rest_api.drafting.fields import Field, fields_of, guess_key
from connector_pipelines.sources.rest_api.drafting.lists import Listed, find_list
from connector_pipelines.sources.rest_api.drafting.naming import placeholder, singular, slug, words
from connector_pipelines.sources.rest_api.drafting.operations import Api, Operation

__all__ = ["Drafted", "Family", "find_streams"]

_NAME: Final = re.compile(r"\{([^}/]+)\}")
_MOST_STREAMS: Final = 200


@dataclass(slots=True)
class Drafted:
    """A stream to be.

    Attributes:
        key: Path of the field that names a record; `why_key` is empty where it could not be told.
        path: Below the base, with our own names in braces.
        detail: The operation that reads one record, or None.
        parent: The stream below whose records it is read.
        placeholder: The one that the key of the parent fills; others of `path` are filled for the parent already.
    """

    name: str
    operation: Operation
    listed: Listed
    fields: list[Field]
    key: str
    why_key: str
    path: str
    detail: Operation | None
    parent: Drafted | None = None
    placeholder: str = ""


@dataclass(slots=True)
class Family:
    """Streams, parents before children; and what reads a list and is no stream, with the reason."""

    streams: list[Drafted] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def find_streams(api: Api) -> Family:
    family = Family()
    by_path: dict[str, Drafted] = {}
    by_shape = {_shape_of(path): operation for path, operation in api.operations.items()}
    for operation in sorted(api.operations.values(), key=lambda o: (o.path.count("{"), o.path)):
        listed = find_list(operation, api.resolver)
        if listed is None:
            continue
        if len(family.streams) >= _MOST_STREAMS:
            family.left_out.append((operation.path, f"there are {_MOST_STREAMS} streams before it"))
            continue
        detail = by_shape.get(_shape_of(operation.path) + "/{}")
        drafted = _drafted(operation, listed, detail, api, {stream.name for stream in family.streams})
        reason = _with_parent(drafted, by_path)
        if reason:
            family.left_out.append((operation.path, reason))
            continue
        by_path[_shape_of(operation.path)] = drafted
        family.streams.append(drafted)
    return family


def _drafted(operation: Operation, listed: Listed, detail: Operation | None, api: Api, taken: set[str]) -> Drafted:
    name = _stream_name(operation.path, taken)
    fields = fields_of(listed.record, api.resolver)
    by = _NAME.findall(detail.path)[-1] if detail else None
    key, why = guess_key(fields, words(operation.path.rsplit("/", 1)[-1]), by)
    return Drafted(name, operation, listed, fields, key or "id", why, operation.path.lstrip("/"), detail)


def _stream_name(path: str, taken: set[str]) -> str:
    """The last word of the address, and as many before it as make it the only one."""
    parts = [slug(part, "records") for part in path.split("/") if part and not _NAME.search(part)] or ["records"]
    for count in range(1, len(parts) + 1):
        # What lies before a list is one of a list itself.
        name = "_".join([*(singular(part) for part in parts[-count:-1]), parts[-1]])[:55].strip("_")
        if name not in taken:
            return name
    return next(f"{parts[-1]}_{n}" for n in range(2, len(taken) + 3) if f"{parts[-1]}_{n}" not in taken)


def _with_parent(drafted: Drafted, by_path: dict[str, Drafted]) -> str:
    """Find what fills the placeholders; the reason where they cannot be filled."""
    names = _NAME.findall(drafted.operation.path)
    if not names:
        return ""
    before = _shape_of(drafted.operation.path).rpartition("/{}")[0]
    parent = by_path.get(before) or _by_name(names[-1], len(names), by_path)
    if parent is None:
        return f"no list was found that tells {{{names[-1]}}}; a fixed value can be written into the path"
    ours, given = list(map(placeholder, names)), _NAME.findall(parent.path)
    if by_path.get(before) is parent:
        # The same places, whatever each address calls them.
        ours[:-1] = given
    if unknown := set(ours[:-1]) - _given(parent):
        return f"no list was found that tells {{{', '.join(sorted(unknown))}}}"
    while ours[-1] in ours[:-1]:
        ours[-1] = f"{singular(parent.name)}_{ours[-1]}"[:50]
    waiting = iter(ours)
    drafted.path = _NAME.sub(lambda _: f"{{{next(waiting)}}}", drafted.operation.path).lstrip("/")
    drafted.parent, drafted.placeholder = parent, ours[-1]
    return ""


def _given(stream: Drafted | None) -> set[str]:
    """Placeholders that are filled below a record of the stream."""
    found = set[str]()
    while stream is not None:
        found.add(stream.placeholder)
        stream = stream.parent
    return found


def _shape_of(path: str) -> str:
    return _NAME.sub("{}", path)


def _by_name(name: str, depth: int, by_path: dict[str, Drafted]) -> Drafted | None:
    """``{project_id}`` is told by the list of projects, wherever that is."""
    wanted = words(name).removesuffix("_id").removesuffix("_uuid").removesuffix("_key")
    found = [s for s in by_path.values() if singular(words(s.operation.path.rsplit("/", 1)[-1])) == wanted and s.path.count("{") < depth]
    return found[0] if len(found) == 1 else None
