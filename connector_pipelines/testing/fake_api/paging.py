"""One page of a list: which rows are on it, and what it says about the next."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector_pipelines.testing.fake_api.collection import Key, Row, View
from connector_pipelines.testing.fake_api.messages import Refusal
from connector_pipelines.testing.fake_api.shapes import (
    AllInOne,
    CursorToken,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Paginator,
    Quirks,
    SinceId,
)

__all__ = ["Page", "page_of"]


@dataclass(slots=True)
class Page:
    """Rows, and what else the answer says.

    Attributes:
        says: Values by dotted path of the body.
        next_params: Parameters of the request for the next page, where the answer names it by an address.
    """

    rows: Sequence[Row]
    says: dict[str, Any] = field(default_factory=dict)
    next_params: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Token:
    """Where a page begins: its number, from 1, and the place before it."""

    page: int = 1
    offset: int = 0
    key: Key | None = None

    def text(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.page, self.offset, self.key]).encode()).decode().rstrip("=")


def page_of(view: View, paginator: Paginator, quirks: Quirks, params: Mapping[str, str], sequence_of: Callable[[str], int | None]) -> Page:
    """The page that `params` ask for.

    Raises:
        Refusal: 400, they ask for none.
    """
    match paginator:
        case AllInOne():
            return Page(view.rows)
        case LinkHeader() | NextUrl() | CursorToken():
            return _tokened(view, paginator, quirks, params)
        case SinceId():
            return _since(view, paginator, params, sequence_of)
        case Offset():
            start = _number(params, paginator.param, paginator.first) - paginator.first
            return _counted(view, paginator, quirks, start, _size(paginator, params))
        case PageNumber():
            size = _size(paginator, params)
            start = (_number(params, paginator.param, paginator.first) - paginator.first) * size
            return _counted(view, paginator, quirks, start, size)


def _counted(view: View, paginator: Offset | PageNumber, quirks: Quirks, start: int, size: int) -> Page:
    if start < 0:
        raise Refusal(400, f"{paginator.param} is too low")
    total = max(0, len(view.rows) + quirks.total_off_by)
    page = Page(_with_duplicate(view, quirks, start, view.rows[start : start + size]))
    if paginator.total:
        page.says[paginator.total] = total
    if paginator.has_more:
        page.says[paginator.has_more] = start + size < len(view.rows)
    if isinstance(paginator, PageNumber) and paginator.pages:
        page.says[paginator.pages] = -(-total // size)
    return page


def _since(view: View, paginator: SinceId, params: Mapping[str, str], sequence_of: Callable[[str], int | None]) -> Page:
    after = params.get(paginator.param, "0")
    sequence = sequence_of(after) or (int(after) if after.isdigit() else None)
    if sequence is None:
        raise Refusal(400, f"{paginator.param} names no record")
    start, size = bisect_right(view.keys, (0, sequence)), _size(paginator, params)
    says = {paginator.has_more: start + size < len(view.rows)} if paginator.has_more else {}
    return Page(view.rows[start : start + size], says)


def _tokened(view: View, paginator: LinkHeader | NextUrl | CursorToken, quirks: Quirks, params: Mapping[str, str]) -> Page:
    here = _read_token(params.get(paginator.param), paginator.param)
    start = here.offset if paginator.by == "offset" or here.key is None else bisect_right(view.keys, tuple(here.key))
    size = _size(paginator, params)
    taken = 0 if here.page == quirks.empty_page else max(1, size // 2) if here.page == quirks.short_page else size
    end = min(start + taken, len(view.rows))
    following = _following(view, quirks, here, start, end)
    page = Page(_with_duplicate(view, quirks, start, view.rows[start:end]))
    _tell(page, paginator, params, following)
    return page


def _following(view: View, quirks: Quirks, here: _Token, start: int, end: int) -> _Token | None:
    if here.page == quirks.repeat_token_on:
        return here
    trailing = quirks.trailing_empty_page and end > start
    if end >= len(view.rows) and not trailing and here.page != quirks.empty_page:
        return None
    key = view.keys[end - 1] if end else here.key
    return _Token(here.page + 1, end, key)


def _tell(page: Page, paginator: LinkHeader | NextUrl | CursorToken, params: Mapping[str, str], following: _Token | None) -> None:
    if not isinstance(paginator, CursorToken):
        page.next_params = {**params, paginator.param: following.text()} if following else None
        return
    if paginator.has_more:
        page.says[paginator.has_more] = following is not None
    if paginator.header:
        page.headers = {paginator.header: following.text()} if following else {}
    elif following or paginator.end != "absent":
        page.says[paginator.path] = following.text() if following else (None if paginator.end == "null" else "")


def _with_duplicate(view: View, quirks: Quirks, start: int, rows: Sequence[Row]) -> Sequence[Row]:
    return [view.rows[start - 1], *rows] if quirks.duplicates and 0 < start <= len(view.rows) else rows


def _size(paginator: LinkHeader | NextUrl | CursorToken | Offset | PageNumber | SinceId, params: Mapping[str, str]) -> int:
    wanted = _number(params, paginator.size_param, paginator.size) if paginator.size_param else paginator.size
    if wanted < 1:
        raise Refusal(400, f"{paginator.size_param} is too low")
    return min(wanted, paginator.max_size)


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except ValueError:
        raise Refusal(400, f"{name} is not a number") from None


def _read_token(text: str | None, param: str) -> _Token:
    if text is None:
        return _Token()
    try:
        page, offset, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return _Token(int(page), int(offset), (int(key[0]), int(key[1])) if key else None)
    except (ValueError, TypeError, KeyError, binascii.Error):
        raise Refusal(400, f"{param} is not one of ours") from None
