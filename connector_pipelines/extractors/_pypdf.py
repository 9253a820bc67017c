"""What does pypdf make of a PDF that pdfium cannot make enough of?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import InputFile

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

__all__ = ["SecondOpinion"]

_T = TypeVar("_T")
_SHOWS_TEXT = re.compile(rb"[)\]>]\s*(?:T[jJ]|['\"])")  # ISO 32000-1, table 109
_MOST_PAGES = 100_000
# Besides its own errors, pypdf answers damaged files with nearly every one that Python has.
_FAULTS = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class SecondOpinion:
    """pypdf on one file, opened on first use. A page that fails is one without text."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._opened: PdfReader | None = None

    def page_count(self) -> int:
        """How many pages exist.

        Raises:
            Malformed: pypdf cannot read the file either, or finds no pages.
        """
        try:
            count = _guarded(lambda: len(self._reader().pages))
        except Malformed as error:
            raise Malformed(f"pypdf: {error}") from error
        if not count:
            raise Malformed("pypdf: no pages")
        return min(count, _MOST_PAGES)

    def text(self, number: int) -> str:
        """The text of a page, counted from 1."""
        try:
            return _guarded(lambda: self._page(number).extract_text())
        except Malformed:
            return ""

    def text_if_shown(self, number: int) -> str:
        """The text of a page, if its content has any operator that shows text."""
        return self.text(number) if self._shows_text(number) else ""

    def _shows_text(self, number: int) -> bool:
        try:
            content = _guarded(lambda: self._page(number).get_contents())
            return content is not None and bool(_SHOWS_TEXT.search(_guarded(content.get_data)))
        except Malformed:
            return False

    def _page(self, number: int) -> PageObject:
        return self._reader().pages[number - 1]

    def _reader(self) -> PdfReader:
        if self._opened is None:
            import logging

            from pypdf import PdfReader

            logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs a line for each oddity it met, thousands for some files
            reader = PdfReader(self._file.path, strict=False)
            if reader.is_encrypted and not any(reader.decrypt(password) for password in ("", *self._file.passwords)):
                raise Malformed("it is encrypted")
            self._opened = reader
        return self._opened


def _guarded(call: Callable[[], _T]) -> _T:
    from pypdf.errors import PyPdfError

    try:
        return call()
    except (PyPdfError, *_FAULTS) as error:
        raise Malformed(" ".join(f"{error}".split())[:120] or type(error).__name__) from error
