from __future__ import annotations

import pytest
from PIL import Image

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import Ocr, Untaken
from connector_pipelines.extractors._pool import ExtractionPool
from connector_pipelines.extractors._sniff import sniff
from connector_pipelines.extractors.image import Extractor
from tests import scans
from tests.extractors.conftest import MakeFile, read

SIGN = "Anchor B7 holds 120 tons"
BYTES = "application/octet-stream"


@pytest.mark.parametrize(
    ("kind", "mode", "media_type"),
    [
        ("PNG", "L", "image/png"),
        ("PNG", "1", "image/png"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "I;16", "image/png"),
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("TIFF", "L", "image/tiff"),
        ("BMP", "RGB", "image/bmp"),
        ("WEBP", "RGB", "image/webp"),
        ("GIF", "P", "image/gif"),
    ],
)
def test_text_in_a_picture_is_recognised(pool: ExtractionPool, make_file: MakeFile, kind: str, mode: str, media_type: str) -> None:
    drawn = scans.picture(SIGN, mode="L" if mode == "I;16" else mode)
    if mode == "I;16":
        drawn = drawn.convert("I").point(lambda value: value * 257).convert("I;16")

    found = pool.extract(make_file("IMG_0001", scans.encoded(drawn, kind), BYTES))

    assert found
    assert not isinstance(found, Untaken)
    assert (found.media_type, found.extractor) == (media_type, "image")
    assert [(section.text, section.place.page) for section in found.sections] == [(SIGN, None)]
    assert (found.facts.details["width"], found.facts.details["height"]) == drawn.size


def test_each_page_of_a_tiff_is_a_section(make_file: MakeFile) -> None:
    pages = [scans.picture(text) for text in (SIGN, "Second page", "Third page")]
    data = scans.encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])

    found = read(Extractor(), make_file("fax.tif", data, "image/tiff"))

    assert [(s.place.page, s.text) for s in found.sections] == [(1, SIGN), (2, "Second page"), (3, "Third page")]
    assert found.facts.details["pages"] == 3


def test_of_what_moves_the_first_frame_counts(make_file: MakeFile) -> None:
    frames = [scans.picture(SIGN), scans.picture("Never seen")]
    data = scans.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert read(Extractor(), make_file("a.gif", data, "image/gif")).text == SIGN


def test_what_the_camera_wrote_is_facts_and_turns_the_picture(make_file: MakeFile) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x010E], exif[0x0112] = "Canon", "R5", "Anchor head", 6
    exif.get_ifd(0x8769)[0x9003] = "2026:03:01 09:30:00"
    lying = scans.picture(SIGN).rotate(90, expand=True)

    found = read(Extractor(), make_file("a.jpg", scans.encoded(lying, "JPEG", exif=exif), "image/jpeg"))

    assert found.text == SIGN
    assert found.facts.title == "Anchor head"
    assert found.facts.details["camera"] == "Canon R5"
    assert found.facts.details["taken"] == "2026:03:01 09:30:00"


def test_a_picture_without_text_says_so(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.png", scans.encoded(Image.new("L", (400, 300), 200), "PNG"), "image/png"))

    assert found.sections == []
    assert found.facts.warnings == ("no text was found in the picture",)


def test_without_recognition_a_picture_is_skipped_with_the_reason(pool: ExtractionPool, make_file: MakeFile) -> None:
    file = make_file("a.png", scans.encoded(scans.picture(SIGN), "PNG"), "image/png", ocr=Ocr(is_on=False))

    assert pool.extract(file) == Untaken("no_ocr")
    assert pool.extract(make_file("a.txt", b"still here", "text/plain"))


@pytest.mark.parametrize("keep", [8, 40, 900])
def test_a_damaged_picture_is_malformed_and_its_message_names_no_path(make_file: MakeFile, keep: int) -> None:
    file = make_file("a.png", scans.encoded(scans.picture(SIGN), "PNG")[:keep], "image/png")

    with pytest.raises(Malformed, match=r"not a readable picture: .") as raised:
        read(Extractor(), file)

    assert str(file.path.parent) not in str(raised.value)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(make_file: MakeFile) -> None:
    data = scans.encoded(Image.new("1", (20_000, 15_000)), "PNG")
    assert len(data) < 100_000

    with pytest.raises(ResourceError) as raised:
        read(Extractor(), make_file("a.png", data, "image/png"))

    assert raised.value.limit == "pixels=200000000"


@pytest.mark.parametrize(("head", "media_type"), [(b"BM" + bytes(60), "image/bmp"), (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp")])
def test_pictures_are_known_by_their_first_bytes(make_file: MakeFile, head: bytes, media_type: str) -> None:
    assert sniff(make_file("a", head).path, "a", BYTES) == media_type
    assert sniff(make_file("b", b"BMW and RIFF are words of a text").path, "b", BYTES) == "text/plain"
