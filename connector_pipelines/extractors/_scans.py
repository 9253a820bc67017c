"""What is on the pages of a file that are pictures, and what is to be said of those that were not read?"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from connector_pipelines.core.types import Ocr, Recognising, Shortfall
from connector_pipelines.extractors._ocr import Picture, Recogniser, why_off

__all__ = ["Scans"]

_ADVICE = "raise the limit under `extraction.ocr` of the endpoint, then `connectors failures retry`"


class Scans:
    """The scanned pages of one file, read one by one within the limits of `ocr`."""

    def __init__(self, ocr: Ocr, recogniser: Recogniser) -> None:
        self._ocr, self._recogniser = ocr, recogniser
        self._off: str | None = None
        self._met = 0
        self._read = 0
        self._confidences: list[int] = []
        self._illegible: list[int] = []
        self._left: list[int] = []
        self._limit = ""

    @property
    def off(self) -> str:
        """Why nothing is recognised, or empty. Looked up when first needed."""
        if self._off is None:
            self._off = why_off(self._ocr)
        return self._off

    def read(self, number: int, draw: Callable[[], Picture | None]) -> Generator[Recognising, None, str]:
        """The text of a page that is a picture; empty where it has none or was not read."""
        self._met += 1
        if self.off:
            return ""
        if limit := self._recogniser.spent():
            return self._leave(number, limit)
        if not self._recogniser.has_begun:
            yield Recognising()
        picture = draw()
        found = self._recogniser.recognise(picture) if picture else None
        if found is None:
            return self._leave(number, self._recogniser.spent() or f"ocr.page_time_limit={self._ocr.page_time_s:g}s")
        self._read += 1
        if found.is_illegible:
            self._illegible.append(number)
        if found.text:
            self._confidences.append(found.confidence)
        return found.text

    def details(self) -> dict[str, str | int | float | bool]:
        """`ocr_pages`, the mean `ocr_confidence` of those with text, and how many stay `pages_unread`; nothing where no page is a picture."""
        found: dict[str, str | int | float | bool] = {}
        if self._read:
            found["ocr_pages"] = self._read
        if self._confidences:
            found["ocr_confidence"] = round(sum(self._confidences) / len(self._confidences))
        if unread := self._met - self._read:
            found["pages_unread"] = unread
        return found

    def warnings(self, pages: int) -> Iterator[str]:
        """One sentence for each way in which pages were not read, of so many `pages` in all."""
        if self._met and self.off:
            yield f"{self._met} of {pages} pages are pictures; text recognition is {self.off}"
        if self._illegible:
            yield f"what was recognised on {_named(self._illegible)} is too uncertain to keep"
        if self._left:
            yield self._missing()

    def shortfalls(self) -> Iterator[Shortfall]:
        """At most one: the pages left out because a limit was met."""
        if self._left:
            yield Shortfall(message=self._missing(), advice=_ADVICE, limit=self._limit)

    def _leave(self, number: int, limit: str) -> str:
        self._left.append(number)
        self._limit = limit
        return ""

    def _missing(self) -> str:
        return f"text of {_named(self._left)} was not recognised: {self._limit} was met"


def _named(numbers: Sequence[int]) -> str:
    """As in ``page 3`` or ``pages 1–3, 40–500``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    shown = ", ".join("–".join(map(str, run)) for run in runs[:20]) + (" …" if len(runs) > 20 else "")
    return f"page{'s' * (len(numbers) > 1)} {shown}"
