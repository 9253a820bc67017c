"""The settings of one stream, each guess with its reason."""

from __future__ import annotations

import re
from typing import Final

from connector_pipelines.sources.rest_api.drafting.block import Block
from connector_pipelines.sources.rest_api.drafting.family import Drafted
from connector_pipelines.sources.rest_api.drafting.fields import (
    Field,
    columns,
    guess_changed,
    guess_created,
    guess_link,
    guess_text,
    guess_title,
    guess_tombstone,
)
from connector_pipelines.sources.rest_api.drafting.lists import flat_answer
from connector_pipelines.sources.rest_api.drafting.naming import words
from connector_pipelines.sources.rest_api.drafting.operations import Api
from connector_pipelines.sources.rest_api.drafting.pages import guess_paginator
from connector_pipelines.sources.rest_api.drafting.schemas import Shape

__all__ = ["draft_stream"]

_SINCE: Final = re.compile(
    r"(.*_)?(updated?|modified|changed|edited|last_?mod\w*)_?(at|on|date|time|timestamp)?_?(since|after|from|min|g[et]e?|gt|start|begin|newer_than)|(since|after|from|min|if)_(last_)?(updated?|modified|changed)(_at|_since|_on|_date|_time)?|(min|start)_(updated?|modified)\w*"
)
_UNTIL: Final = re.compile(
    r"(.*_)?(updated?|modified|changed|edited|last_?mod\w*)_?(at|on|date|time|timestamp)?_?(until|before|to|max|l[et]e?|lt|end|older_than)|(until|before|to|max)_(last_)?(updated?|modified|changed)(_at|_on|_date|_time)?"
)
_AFTER: Final = re.compile(r"(.*_)?(after|gt)(_.*)?")
_MILLIS_FROM: Final = 10**11


def draft_stream(stream: Drafted, api: Api) -> Block:
    block = Block()
    block.put("name", stream.name)
    block.put("path", stream.path)
    if stream.listed.selector:
        block.guess("record_selector", stream.listed.selector, stream.listed.why)
    _put_key(block, stream)
    _put_parent(block, stream)
    _put_changes(block, stream)
    _put_pages(block, stream, api)
    _put_detail(block, stream, api)
    _put_texts(block, stream)
    if found := columns(stream.listed.record, api.resolver):
        types = Block()
        for name, kind in found.items():
            types.put(name, kind)
        block.put("columns", types)
    return block


def _put_key(block: Block, stream: Drafted) -> None:
    if stream.why_key:
        block.guess("primary_key", [stream.key], stream.why_key)
    else:
        block.put("primary_key", [stream.key], "could not be told: no field looks like a key. Name the fields that together name a record")


def _put_parent(block: Block, stream: Drafted) -> None:
    if stream.parent is None:
        return
    parent = Block()
    parent.put("stream", stream.parent.name)
    parent.put("params", {stream.placeholder: stream.parent.key})
    block.guess("parent", parent, "by its address")


def _put_changes(block: Block, stream: Drafted) -> None:
    changed, created, gone = guess_changed(stream.fields), guess_created(stream.fields), guess_tombstone(stream.fields)
    since = _parameter(stream, _SINCE) or _told_since(stream)
    if changed and since:
        block.guess(
            "cursor", _cursor(stream, changed, since), f"{changed.path!r} says when, and the parameter {since!r} asks for what is newer"
        )
        if until := _parameter(stream, _UNTIL):
            window = Block()
            window.put("start", since)
            window.put("end", until)
            if (style := _format(changed)) != "iso":
                window.put("format", style)
            block.guess("window", window, "by the names of the parameters")
    elif changed and "$filter" in stream.operation.query and "." not in changed.path:
        block.guess("cursor", _filtered(changed), "`$filter` is how OData asks for what is newer; not every field can be filtered by")
    elif changed:
        if _format(changed) == "iso":
            block.guess("modified", changed.path, "by its name")
        block.advise(
            f"{changed.path!r} looks like the time of the last change, but the document names no parameter that asks for what is newer.",
            f"Where the API has one: cursor: {{field: {changed.path}, parameter: ITS-NAME}}. Without, the stream is read whole each time.",
        )
    else:
        block.advise("No field tells what is new: the stream is read whole each time and compared.")
    if created and _format(created) == "iso":
        block.guess("created", created.path, "by its name")
    if gone:
        tombstone = Block()
        tombstone.put("type", "tombstone")
        tombstone.put("field", gone.path)
        block.guess("deletions", tombstone, f"{gone.path!r} looks like a mark of what is gone; some APIs list such records only when asked")


def _cursor(stream: Drafted, changed: Field, since: str) -> Block:
    cursor = Block()
    cursor.put("field", changed.path)
    if (style := _format(changed)) != "iso":
        cursor.guess(
            "format", style, "by its type; epoch_s and epoch_ms are easily mistaken" if style.startswith("epoch") else "by its type"
        )
    cursor.put("parameter", since)
    asked = _style(stream.operation.query[since])
    if asked and asked != style:
        cursor.guess("request_format", asked, "by the type of the parameter")
    if _AFTER.fullmatch(words(since)):
        cursor.guess("inclusive", False, "by its name; then a little less is asked for")
    return cursor


def _filtered(changed: Field) -> Block:
    cursor = Block()
    cursor.put("field", changed.path)
    if (style := _format(changed)) != "iso":
        cursor.guess("format", style, "by its type")
    cursor.put("parameter", "$filter")
    cursor.put("template", f"{changed.path} ge {{cursor}}")
    return cursor


def _told_since(stream: Drafted) -> str | None:
    """A bare `since`, where its description says that it is about changes: it may as well be about when things were made."""
    shape = stream.operation.query.get("since")
    return "since" if shape is not None and re.search(r"updat|modif|chang", shape.description, re.IGNORECASE) else None


def _put_pages(block: Block, stream: Drafted, api: Api) -> None:
    paginator = guess_paginator(stream.operation, api.resolver, stream.key)
    if paginator is not None:
        block.put("paginator", paginator)
        return
    others = [name for name in stream.operation.query if re.search(r"page|limit|offset|cursor|token|size|count", words(name))]
    if others:
        block.advise(f"No way through pages could be told from {', '.join(others[:10])}: one answer is taken for all. See `paginator`.")
    else:
        block.advise("The document knows no pages here: one answer is taken for all. `connectors test` says where that looks wrong.")


def _put_detail(block: Block, stream: Drafted, api: Api) -> None:
    if stream.detail is None or "." in stream.key or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", stream.key):
        return
    block.put("detail", f"{stream.path}/{{{stream.key}}}")
    answer = api.resolver.shape(stream.detail.answer)
    if stream.key not in answer.properties:
        wrapped = [p for p, s in flat_answer(stream.detail, api.resolver).items() if p.endswith(f".{stream.key}") and s.type != "object"]
        if wrapped:
            block.guess("detail_selector", wrapped[0].rsplit(".", 1)[0], "the record lies there")


def _put_texts(block: Block, stream: Drafted) -> None:
    title, texts, link = guess_title(stream.fields), guess_text(stream.fields), guess_link(stream.fields)
    if title:
        block.guess("title", f"{{{{ {title.path} }}}}", "by its name")
    if body := [field for field in texts if title is None or field.path != title.path]:
        text = "\n".join(f"{{{{ {field.path} }}}}" for field in body)
        block.guess("body", text, "what people write in; without it, all text of a record is searched")
    if link:
        block.guess("link", f"{{{{ {link.path} }}}}", "by its name")


def _parameter(stream: Drafted, pattern: re.Pattern[str]) -> str | None:
    return next((name for name in stream.operation.query if pattern.fullmatch(words(name))), None)


def _format(field: Field) -> str:
    return _style(field.shape) or "iso"


def _style(shape: Shape) -> str:
    """Format of a cursor; empty where the type does not tell."""
    if shape.type in {"integer", "number"}:
        example = shape.example if isinstance(shape.example, int | float) else 0
        says = re.search(r"milli|\bms\b", shape.description, re.IGNORECASE)
        return "epoch_ms" if example > _MILLIS_FROM or says else "epoch_s"
    return "date" if shape.format == "date" else "iso" if shape.format == "date-time" else ""
