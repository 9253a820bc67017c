"""Reads a listing whole, and says whether it is proven that nothing was missed while its pages shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from connector_pipelines.sources.rest_api.api import Answer, Api, Ask
from connector_pipelines.sources.rest_api.pages import Page, Paging, pages
from connector_pipelines.sources.rest_api.paging import LinkHeaderPages, NextUrlPages, NumberedPages, OffsetPages, Paginator
from connector_pipelines.sources.rest_api.selecting import select

__all__ = ["Listed", "Listing", "Proof"]

Proof = Literal["trust", "overlap", "total", "two_passes"]

_PASSES: Final = 4
"""Readings of one listing after which it is left unproven: whoever changes faster than it is read is read again next time."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Records of one page, those that no earlier reading of this listing gave. `begins` a reading: the order starts anew."""

    records: list[dict[str, Any]] = field(repr=False)
    answer: Answer
    begins: bool = False


class Listing:
    """One listing of an API.

    Attributes:
        rejected: Whether the API refused the question by one of the statuses of `ask`.
        needs_to_exist: As of `Paging`. A listing below a record does not.
        problem: Why it is not proven that nothing was missed; None where it is, or where nobody asked for a proof.
        code: Of the error that `problem` is.
        advances: Whether each page so far proves itself, so that one may go on after it another time.
    """

    def __init__(
        self,
        api: Api,
        ask: Ask,
        *,
        paginator: Paginator,
        completeness: str = "trust",
        key: Callable[[Mapping[str, Any]], str | None],
        selector: str | None,
        missing_is_empty: bool = False,
    ) -> None:
        self._api, self._ask, self._paginator, self._completeness, self._key = api, ask, paginator, completeness, key
        self._selector, self._missing_is_empty = selector, missing_is_empty
        self.needs_to_exist = True
        self.rejected = False
        self.problem: str | None = None
        self.code = "unavailable"
        self.advances = False

    def __iter__(self) -> Iterator[Listed]:
        known: set[int] = set()
        before: set[int] | None = None
        for reading in range(_PASSES):
            named: set[int] = set()
            paging = Paging(overlap=self._overlaps, needs_to_exist=self.needs_to_exist)
            yield from self._read(paging, named, known, is_first=reading == 0)
            if self.rejected:
                return
            self.problem = self._unproven(paging, named, before)
            if self.problem is None or self._proof(paging) == "trust":
                return
            known |= named
            before = named
            self.advances = False

    def _read(self, paging: Paging, named: set[int], known: set[int], *, is_first: bool) -> Iterator[Listed]:
        begins, self._shifted = True, False
        listed = pages(self._api, self._ask, self._paginator, select=self._select, same=self._is_same, paging=paging)
        for page in listed:
            if page.answer.status in self._ask.statuses:
                self.rejected = True
                return
            self._shifted = self._shifted or page.shifted
            proof = self._proof(paging)
            self.advances = is_first and not self._shifted and proof in {"trust", "overlap"}
            fresh = page.records if proof == "trust" else self._noted(page, named, known)
            yield Listed(fresh, page.answer, begins)
            begins = False

    def _noted(self, page: Page, named: set[int], known: set[int]) -> list[dict[str, Any]]:
        fresh = []
        for record in page.records:
            key = self._key(record)
            mark = hash(key)
            if key is None or (mark not in named and mark not in known):
                fresh.append(record)
            if key is not None:
                named.add(mark)
        return fresh

    @property
    def _overlaps(self) -> bool:
        return isinstance(self._paginator, OffsetPages) and self._paginator.size > 1 and self._completeness == "auto"

    def _proof(self, paging: Paging) -> Proof:
        paginator, wanted = self._paginator, self._completeness
        if wanted in {"trust", "total", "two_passes"}:
            return wanted  # type: ignore[return-value]  # it is one of these three
        if isinstance(paginator, OffsetPages):
            return "overlap" if paging.overlap else "two_passes"
        if isinstance(paginator, NumberedPages):
            return "total" if paginator.total else "two_passes"
        is_linked = isinstance(paginator, (LinkHeaderPages, NextUrlPages))
        return "two_passes" if is_linked and paging.numbered else "trust"

    def _unproven(self, paging: Paging, named: set[int], before: set[int] | None) -> str | None:
        match self._proof(paging):
            case "trust":
                return self._one_of_several(paging)
            case "overlap":
                return "the pages shifted while they were read" if self._shifted else None
            case "total":
                if paging.total is None:
                    return "the API does not say how many records there are"
                agree = paging.totals_agree and paging.total == len(named)
                return None if agree else f"the API says that there are {paging.total} records, and named {len(named)}"
            case "two_passes":
                # A list that fits one page cannot shift.
                return None if before == named or paging.count == 1 else "two readings did not name the same records"

    def _one_of_several(self, paging: Paging) -> str | None:
        if paging.more_hint is None or self._completeness == "trust":
            return None
        self.code = "configuration"
        return f"the answer looks like one page of several: {paging.more_hint}. Give the stream a `paginator`, or `completeness: trust`"

    def _is_same(self, one: Any, other: Any) -> bool:
        return self._key(one) == self._key(other)

    def _select(self, answer: Answer) -> list[Any]:
        return select(answer.body, self._selector, self._ask.what, missing_is_empty=self._missing_is_empty)
