"""What text is in a picture: a scan, a photograph of a sign, a screenshot?

Only where text is recognised; elsewhere pictures are skipped, since there is nothing else in them to be found by.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Recognising, Section, Untaken
from connector_pipelines.extractors._ocr import Picture, Recogniser
from connector_pipelines.extractors._scans import Scans

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Extractor"]

_MOST_PIXELS = 200_000_000  # of one picture in memory; A0 at 300 dpi has 140 million
_RECOGNISED_PIXELS = 25_000_000
_SMALL_PIXELS = 1_000_000  # of a screenshot or a clipping, whose letters are a few pixels high
_USUAL_DPI = 300
_FORMATS = {
    "image/png": ("PNG",),
    "image/jpeg": ("JPEG", "MPO"),
    "image/tiff": ("TIFF",),
    "image/bmp": ("BMP",),
    "image/webp": ("WEBP",),
    "image/gif": ("GIF",),
}
# EXIF 2.32, 4.6.4 and 4.6.5
_EXIF = 0x8769
_TAGS = {"title": 0x010E, "maker": 0x010F, "model": 0x0110, "author": 0x013B, "software": 0x0131}
_TAKEN = 0x9003
# What Pillow answers damaged files with.
_FAULTS = (OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError, AttributeError, struct.error, zlib.error)


class Extractor:
    """One section for each picture with text; only TIFF has several pages, of the others the first frame counts."""

    version: ClassVar[str] = "1"
    recognises: ClassVar[bool] = True
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        "image/png": (".png",),
        "image/jpeg": (".jpg", ".jpeg"),
        "image/tiff": (".tif", ".tiff"),
        "image/bmp": (".bmp",),
        "image/webp": (".webp",),
        "image/gif": (".gif",),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        with Recogniser(file.ocr) as recogniser:
            scans = Scans(file.ocr, recogniser)
            if scans.off:
                yield Untaken("no_ocr")
                return
            yield from _extract(file, scans)


def _extract(file: InputFile, scans: Scans) -> Iterator[Finding]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is ours, below
    with _guarded(file), Image.open(file.path, formats=_FORMATS.get(file.media_type)) as image:
        facts, is_first, has_text = _facts(image), True, False
        for number in _frames(image):
            text = yield from _frame_text(image, number, scans)
            is_first, has_text = False, has_text or bool(text)
            yield Section(text, Place(page=number if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1 else None))
        if is_first:
            raise Malformed("not a readable picture: there is no frame in it")
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    details = {**facts.details, **({"pages": pages} if pages > 1 else {}), **scans.details()}
    warnings = tuple(scans.warnings(pages)) or (() if has_text else ("no text was found in the picture",))
    yield Facts(title=facts.title, details=details, warnings=warnings)
    yield from scans.shortfalls()


def _frames(image: Image) -> Iterator[int]:
    """Numbers from 1; the picture stands at that frame."""
    number = 1
    yield number
    while image.format == "TIFF":
        try:
            image.seek(number)
        except EOFError:
            return
        number += 1
        yield number


def _frame_text(image: Image, number: int, scans: Scans) -> Generator[Recognising, None, str]:
    if image.width * image.height > _MOST_PIXELS:
        raise ResourceError(
            f"a picture of {image.width} × {image.height} pixels, at most {_MOST_PIXELS:,} are read",
            limit=f"pixels={_MOST_PIXELS}",
            advice="save it smaller",
        )
    return (yield from scans.read(number, lambda: _picture(image)))


def _picture(image: Image) -> Picture:
    """The frame in grey, upright, of a size Tesseract reads well."""
    from PIL import ImageOps

    grey = _grey(_on_white(ImageOps.exif_transpose(image)))
    pixels = grey.width * grey.height
    factor = 2.0 if pixels < _SMALL_PIXELS else min(1.0, (_RECOGNISED_PIXELS / pixels) ** 0.5)
    if factor != 1.0:
        grey = grey.resize((max(1, round(grey.width * factor)), max(1, round(grey.height * factor))))
    return Picture(grey.tobytes(), grey.width, grey.height, grey.width, _USUAL_DPI)


def _on_white(image: Image) -> Image:
    """Black letters on nothing would be black on black."""
    from PIL import Image as Images

    if image.mode not in {"LA", "La", "PA", "RGBA", "RGBa"} and "transparency" not in image.info:
        return image
    opaque = image.convert("RGBA")
    ground = Images.new("RGBA", opaque.size, "white")
    ground.alpha_composite(opaque)
    return ground


def _grey(image: Image) -> Image:
    if image.mode.startswith("I"):  # 16 bits: converting would cut off what is brighter than 255
        return image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("L")


def _facts(image: Image) -> Facts:
    details: dict[str, str | int | float | bool] = {"width": image.width, "height": image.height}
    tags: dict[str, str] = {}
    with suppress(*_FAULTS):  # a picture is not unreadable because what is said about it is
        exif = image.getexif()
        tags = {name: _said(exif.get(tag)) for name, tag in _TAGS.items()}
        tags["taken"] = _said(exif.get_ifd(_EXIF).get(_TAKEN))
    if camera := " ".join(part for part in (tags.pop("maker", ""), tags.pop("model", "")) if part):
        details["camera"] = camera
    title = tags.pop("title", "") or _said(image.info.get("Title"))
    return Facts(title=title or None, details=details | {name: value for name, value in tags.items() if value})


def _said(value: object) -> str:
    return " ".join(value.replace("\0", " ").split())[:1000] if isinstance(value, str) else ""


@contextmanager
def _guarded(file: InputFile) -> Iterator[None]:
    from PIL import UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:  # its message names the path here
        raise Malformed(f"not a readable picture: it does not begin as {file.media_type} does") from error
    except _FAULTS as error:
        reason = " ".join(f"{error}".split())[:120] or type(error).__name__
        raise Malformed(f"not a readable picture: {reason}") from error
