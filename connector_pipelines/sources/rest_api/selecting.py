"""Which part of an answer are the records, and whether an answer looks as if it were one page of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.sources.rest_api import paths

__all__ = ["looks_paged", "select"]

_USUAL = ("data", "results", "items", "value", "records", "values", "entries", "objects", "list", "rows")
_NEXT = (
    "next", "next_page", "nextPage", "next_url", "nextUrl", "nextLink", "@odata.nextLink", "nextRecordsUrl", "next_cursor", "nextCursor",
    "nextPageToken", "next_page_token", "paging.next", "paging.next.after", "links.next", "_links.next", "meta.next", "meta.next_cursor",
    "pagination.next", "pagination.next_url", "response_metadata.next_cursor", "meta.pagination.next",
)  # fmt: skip
_MORE = ("has_more", "hasMore", "has_next", "hasNext", "more", "hasNextPage", "meta.has_more", "pagination.has_more", "pagination.hasNext")
_TOTAL = (
    "total",
    "total_count",
    "totalCount",
    "totalSize",
    "totalResults",
    "@odata.count",
    "meta.total",
    "meta.total_count",
    "pagination.total",
)


def select(body: Any, selector: str | None, what: str, *, missing_is_empty: bool = False) -> list[Any]:
    """The records in the body of an answer. What is no object becomes one, `{"value": …}`.

    Raises:
        ConfigurationError: There is no list where `selector` says; without one, none can be told.
    """
    found = _selected(body, selector, what, missing_is_empty=missing_is_empty)
    return [one if isinstance(one, dict) else {"value": one} for one in found if one is not None]


def looks_paged(body: Any, headers: Mapping[str, str], count: int) -> str | None:
    """What shows that there are more records than these `count`, or None."""
    if 'rel="next"' in headers.get("link", "") or "rel=next" in headers.get("link", ""):
        return "its `Link` header names a next page"
    if not isinstance(body, Mapping):
        return None
    for path in _NEXT:
        if isinstance(paths.find(body, path), (str, int)) and paths.find(body, path):
            return f"its field {path!r} names a next page"
    for path in _MORE:
        if paths.find(body, path) is True:
            return f"its field {path!r} says that there is more"
    for path in _TOTAL:
        total = paths.find(body, path)
        if isinstance(total, int) and not isinstance(total, bool) and total > count:
            return f"its field {path!r} says {total}, and it holds {count} records"
    return None


def _selected(body: Any, selector: str | None, what: str, *, missing_is_empty: bool) -> list[Any]:
    if body is None:
        return []  # 204, or an empty answer.
    if selector is None:
        return body if isinstance(body, list) else _only_list(body, what)
    found = list(paths.every(body, selector))
    if not found and ("*" in selector or missing_is_empty):
        return []
    if not found:
        raise ConfigurationError(
            f"{what}: the answer has no {selector!r}; {_fields(body)}",
            advice="Correct `record_selector`; where the API leaves it out when there are no records, set `missing_is_empty: true`.",
        )
    lists = [one for one in found if one is not None]
    if any(not isinstance(one, (list, dict)) for one in lists):
        raise ConfigurationError(f"{what}: {selector!r} of the answer holds no list", advice="Correct `record_selector`.")
    return [record for one in lists for record in (one if isinstance(one, list) else [one])]


def _only_list(body: Any, what: str) -> list[Any]:
    lists = {name: value for name, value in body.items() if isinstance(value, list)} if isinstance(body, dict) else {}
    of_objects = [name for name, value in lists.items() if value and isinstance(value[0], dict)]
    usual = [name for name in _USUAL if name in lists]
    chosen = of_objects if len(of_objects) == 1 else usual[:1] if usual and not set(of_objects) - set(usual[:1]) else list(lists)
    if len(chosen) != 1:
        raise ConfigurationError(
            f"{what}: which part of the answer are the records? It {_fields(body)}", advice="Say so by `record_selector`."
        )
    return lists[chosen[0]]


def _fields(body: Any) -> str:
    if not isinstance(body, dict):
        return f"is a {type(body).__name__}"
    names = ", ".join(str(name)[:40] for name in list(body)[:12])
    return f"has the fields {names}" if names else "has no fields"
