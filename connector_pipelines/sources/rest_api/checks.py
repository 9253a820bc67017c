"""Whether the streams of a description fit together: parents, placeholders, webhooks. What does not is a `ValueError` for pydantic to tell."""

from __future__ import annotations

from collections.abc import Mapping

from connector_pipelines.sources.rest_api.streams import StreamSettings
from connector_pipelines.sources.rest_api.templates import placeholders

__all__ = ["check_places", "check_stream", "lineage"]

Streams = Mapping[str, StreamSettings]


def lineage(stream: StreamSettings, streams: Streams) -> list[StreamSettings]:
    """The stream and those it lies below, the outermost last.

    Raises:
        ValueError: A parent is not there, or is the stream itself.
    """
    found = [stream]
    while (parent := found[-1].parent) is not None:
        if parent.stream not in streams:
            raise ValueError(f"the parent of stream {found[-1].name!r} is {parent.stream!r}; there are {', '.join(streams)}")
        if streams[parent.stream] in found:
            raise ValueError(f"the parents of stream {stream.name!r} lead back to {parent.stream!r}")
        found.append(streams[parent.stream])
    return found


def check_stream(stream: StreamSettings, streams: Streams) -> None:
    """Raises ValueError."""
    line = lineage(stream, streams)
    given = {name for one in line if one.parent for name in one.parent.params}
    told = {
        name for one in line if one.parent for name, field in one.parent.params.items() if field in streams[one.parent.stream].primary_key
    }
    keys = {key.rsplit(".", 1)[-1] for key in stream.primary_key}
    check_places(f"path of stream {stream.name!r}", stream.path, given)
    check_places(f"params of stream {stream.name!r}", dict(stream.params), given)
    check_places(f"detail of stream {stream.name!r}", stream.detail, keys | told)
    for files in stream.attachments:
        check_places(f"path of attachments {files.name!r}", files.path, keys | told)
        check_places(f"url_template of attachments {files.name!r}", files.url_template, keys | told | {"attachment_id"})
    if stream.parent is not None:
        _check_child(stream, line)


def check_places(what: str, template: object, known: set[str]) -> None:
    """Raises ValueError where a template has a placeholder that nothing fills."""
    if unknown := placeholders(template) - known:
        raise ValueError(f"{what} names {_braced(unknown)}; known there: {_braced(known)}")


def _check_child(stream: StreamSettings, line: list[StreamSettings]) -> None:
    assert stream.parent is not None  # noqa: S101 - asked by the caller
    own = set(stream.parent.params)
    if not own & (placeholders(stream.path) | placeholders(stream.params) | placeholders(stream.request_body)):
        raise ValueError(f"stream {stream.name!r} has a parent, and its address uses none of {_braced(own)}")
    if stream.cursor and stream.cursor.order == "ascending":
        raise ValueError(f"stream {stream.name!r} is read below each parent, so its cursor cannot be `order: ascending` over all of them")
    if not stream.parent.only_changed and len(line) > 2:
        raise ValueError(f"stream {stream.name!r}: `only_changed: false` is for streams below one that has no parent itself")
    if stream.deletions.type == "deleted_items":
        raise ValueError(f"stream {stream.name!r} is read below each parent: a list of deleted items does not tell which")


def _braced(names: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names)) or "none"
