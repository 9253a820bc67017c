"""From the first page to the last: each paginator's way to the next one, and what shows that an API goes round in circles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from connector_pipelines.core.errors import ConfigurationError, NotFound, PermanentError, Unavailable
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.api import Answer, Api, Ask
from connector_pipelines.sources.rest_api.paging import (
    CursorPages,
    KeysetPages,
    LinkHeaderPages,
    NextUrlPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    Paginator,
)
from connector_pipelines.sources.rest_api.selecting import looks_paged

__all__ = ["Page", "Paging", "pages"]

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[^,;=]+(?:=(?:\"[^\"]*\"|[^,;]*))?)*)")
_REL_NEXT = re.compile(r";\s*rel\s*=\s*(?:\"[^\"]*\bnext\b[^\"]*\"|next\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing.

    Attributes:
        records: Its objects, but for those of the page before that it repeats.
        shifted: Whether it should have begun with the last record of the page before, and did not.
    """

    records: list[Any] = field(repr=False)
    answer: Answer
    shifted: bool = False


@dataclass(slots=True, kw_only=True)
class Paging:
    """What one pass over pages has found out so far.

    Attributes:
        numbered: Pages are told apart by a number, so that they shift when records come and go.
        total: How many records there are, as the API said last; None where it does not.
        totals_agree: Whether it said the same on every page.
        more_hint: Why it looks as if there were more pages than were asked for, or None.
        needs_to_exist: Whether it is a fault of the settings where there is no such listing.
    """

    overlap: bool = False
    numbered: bool = False
    total: int | None = None
    totals_agree: bool = True
    more_hint: str | None = None
    received: int = 0
    count: int = 0
    needs_to_exist: bool = True


def pages(
    api: Api, ask: Ask, paginator: Paginator, *, select: Callable[[Answer], list[Any]], same: Callable[[Any, Any], bool], paging: Paging
) -> Iterator[Page]:
    """Every page of a listing, asked for one after the other.

    Args:
        select: The records of an answer.
        same: Whether two records are the same one, perhaps in different versions.

    Raises:
        ConfigurationError: The first page cannot be had; the pages go round in circles; they are more than `max_pages`.
        Unavailable: A later page cannot be had: the place in the listing was lost.
    """
    asked: set[int] = set()
    before: list[Any] = []
    following: Ask | None = _first(ask, paginator)
    while following is not None:
        answer = _asked(api, following, paging)
        if answer.status in ask.statuses:
            yield Page([], answer)
            return
        records = select(answer)
        paging.count += 1
        page = _without_overlap(records, before, answer, same) if paging.overlap and before else Page(records, answer)
        paging.received += len(page.records)
        _note_total(paging, paginator, answer)
        following = _next(ask, following, page, paginator, paging=paging, last=(records or [None])[-1])
        ends = following is None and isinstance(paginator, (CursorPages, LinkHeaderPages, NextUrlPages))
        _check_round(ask, before, records, may_repeat=paging.overlap or ends)
        if following is not None:
            _check_new(following, asked, ask, paginator, paging)
        before = records or before
        yield page


def _first(ask: Ask, paginator: Paginator) -> Ask:
    if isinstance(paginator, NoPages):
        return ask
    if paginator.size_parameter is not None:
        ask = ask.plus(paginator.size_parameter, paginator.size, paginator.place)
    if isinstance(paginator, (OffsetPages, NumberedPages)):
        ask = ask.plus(paginator.parameter, paginator.start, paginator.place)
    return ask


def _asked(api: Api, ask: Ask, paging: Paging) -> Answer:
    if paging.count == 0:
        return api.ask_first(ask) if paging.needs_to_exist else api.ask(ask)
    try:
        return api.ask(ask)
    except (NotFound, PermanentError) as error:
        raise Unavailable(f"{ask.what}: a page after the first cannot be had, the place was lost: {error}") from error


def _next(first: Ask, asked: Ask, page: Page, paginator: Paginator, *, paging: Paging, last: Any) -> Ask | None:
    match paginator:
        case NoPages():
            paging.more_hint = looks_paged(page.answer.body, page.answer.headers, paging.received)
            return None
        case LinkHeaderPages() | NextUrlPages():
            return _linked(first, asked, page.answer, paginator, paging)
        case CursorPages():
            return _after_token(first, page.answer, paginator)
        case OffsetPages():
            return _after_offset(first, page, paginator, paging)
        case NumberedPages():
            paging.numbered = True
            return _after_number(first, page, paginator, paging)
        case KeysetPages():
            return _after_key(first, page, last, paginator)


def next_link(header: str) -> str | None:
    """The target of `rel="next"` in a `Link` header, or None."""
    return next((url for url, parameters in _LINK.findall(header) if _REL_NEXT.search(parameters)), None)


def _linked(first: Ask, asked: Ask, answer: Answer, paginator: LinkHeaderPages | NextUrlPages, paging: Paging) -> Ask | None:
    header = answer.headers.get("link", "")
    link = next_link(header) if isinstance(paginator, LinkHeaderPages) else paths.find(answer.body, paginator.path)
    if not link:
        return None
    if not isinstance(link, str):
        raise ConfigurationError(f"{first.what}: the address of the next page is no text", advice="Correct `path` of the paginator.")
    url = urljoin(answer.url, link)
    paging.numbered = paging.numbered or _is_numbered(asked, url)
    return first.at(url)


def _is_numbered(asked: Ask, url: str) -> bool:
    """Whether two addresses of pages differ in a small number only: the next one is a count of pages or records."""
    before = {**{name: str(value) for name, value in asked.params.items()}, **dict(parse_qsl(urlsplit(asked.url).query))}
    after = dict(parse_qsl(urlsplit(url).query))
    changed = [name for name, value in after.items() if before.get(name) != value]
    return bool(changed) and all(after[name].isdecimal() and len(after[name]) <= 7 for name in changed)


def _after_token(first: Ask, answer: Answer, paginator: CursorPages) -> Ask | None:
    token = answer.headers.get(paginator.header.lower()) if paginator.header else paths.find(answer.body, paginator.path or "")
    if token in {None, "", False} or not _says_more(answer, paginator.more, default=True):
        return None
    if not isinstance(token, (str, int)):
        raise ConfigurationError(f"{first.what}: the token of the next page is no text", advice="Correct `path` of the paginator.")
    return _first(first, paginator).plus(paginator.parameter, token, paginator.place)


def _after_offset(first: Ask, page: Page, paginator: OffsetPages, paging: Paging) -> Ask | None:
    more = _says_more(page.answer, paginator.more)
    reached = paging.total is not None and paging.received >= paging.total
    if (not page.records and not more) or reached or more is False:
        return None
    if not page.records:
        raise Unavailable(f"{first.what}: the API says that there are more pages, and gives an empty one")
    if paging.received == 1:
        # A page of one that overlaps brings nothing new, and a server may give no more than one at a time.
        paging.overlap = False
    # One record less than would be next: the page is to begin with the last of this one.
    offset = paginator.start + paging.received - (1 if paging.overlap else 0)
    return _first(first, paginator).plus(paginator.parameter, offset, paginator.place)


def _after_number(first: Ask, page: Page, paginator: NumberedPages, paging: Paging) -> Ask | None:
    said = paths.find(page.answer.body, paginator.total_pages) if paginator.total_pages else None
    more = _says_more(page.answer, paginator.more)
    if isinstance(said, int) and not isinstance(said, bool):
        is_last = paging.count >= said
    elif more is not None:
        is_last = not more
    else:
        is_last = not page.records or (paging.total is not None and paging.received >= paging.total)
    return None if is_last else _first(first, paginator).plus(paginator.parameter, paginator.start + paging.count, paginator.place)


def _after_key(first: Ask, page: Page, last: Any, paginator: KeysetPages) -> Ask | None:
    if last is None or _says_more(page.answer, paginator.more) is False:
        return None
    value = paths.find(last, paginator.field)
    if value is None:
        raise ConfigurationError(
            f"{first.what}: the last record of a page has no {paginator.field!r} to go on from", advice="Correct `field` of the paginator."
        )
    said = value if paginator.template == "{value}" else paginator.template.replace("{value}", str(value))
    return _first(first, paginator).plus(paginator.parameter, said, paginator.place)


def _says_more(answer: Answer, path: str | None, *, default: bool | None = None) -> bool | None:
    said = paths.find(answer.body, path) if path else None
    return default if said is None else str(said).lower() not in {"", "false", "0", "no"}


def _without_overlap(records: list[Any], before: list[Any], answer: Answer, same: Callable[[Any, Any], bool]) -> Page:
    if records and same(records[0], before[-1]):
        return Page(records[1:], answer)
    return Page(records, answer, shifted=True)


def _note_total(paging: Paging, paginator: Paginator, answer: Answer) -> None:
    path = getattr(paginator, "total", None)
    said = paths.find(answer.body, path) if path else None
    if isinstance(said, str) and said.isdecimal():
        said = int(said)
    if isinstance(said, int) and not isinstance(said, bool):
        paging.totals_agree = paging.totals_agree and paging.total in {None, said}
        paging.total = said


def _check_round(ask: Ask, before: list[Any], records: list[Any], *, may_repeat: bool) -> None:
    # Asked for again on purpose, the only record of a list comes alone twice; so it does on the last page of an API whose pages each
    # begin with the last record of the one before.
    if records and records == before and not (may_repeat and len(records) == 1):
        raise ConfigurationError(
            f"{ask.what}: the API gives the same page again and again",
            advice="It does not know the parameter of the paginator: correct it.",
        )


def _check_new(following: Ask, asked: set[int], ask: Ask, paginator: Paginator, paging: Paging) -> None:
    mark = hash((following.url, repr(sorted(following.params.items())), repr(following.body)))
    if mark in asked:
        raise ConfigurationError(
            f"{ask.what}: the API names a page as the next that was read before, after {paging.count} pages",
            advice="Correct the paginator; where it is right, tell the maker of the API.",
        )
    asked.add(mark)
    bound = getattr(paginator, "max_pages", 1)
    if paging.count >= bound:
        raise ConfigurationError(f"{ask.what}: there are more than max_pages={bound} pages", advice="Raise `max_pages`, or `size`.")
