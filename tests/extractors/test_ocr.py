"""Scanned pages: recognised, or said to be left out. Tesseract and its data of English are real, and small."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from connector_pipelines.core.types import Facts, InputFile, Ocr, Recognising, Shortfall
from connector_pipelines.extractors._ocr import why_off
from connector_pipelines.extractors._pool import ExtractionPool
from connector_pipelines.extractors.pdf import Extractor
from tests import files, scans
from tests.extractors.conftest import MakeFile, read

PDF = "application/pdf"
WALL = "The retaining wall moved by 14 mm\ntowards the road in March."


def scan(make_file: MakeFile, *texts: str, **others: object) -> InputFile:
    return make_file("scan.pdf", scans.scanned_pdf([scans.picture(text) for text in texts]), PDF, **others)


def test_a_scanned_page_is_recognised_and_knows_its_page(pool: ExtractionPool, make_file: MakeFile) -> None:
    found = pool.extract(scan(make_file, WALL, "Anchors in row 2 hold"))

    assert found
    assert [(s.place.page, s.text) for s in found.sections] == [(1, WALL), (2, "Anchors in row 2 hold")]
    assert found.facts.details["ocr_pages"] == 2
    assert found.facts.details["pages_without_text"] == 0
    assert int(found.facts.details["ocr_confidence"]) > 80
    assert "pages_unread" not in found.facts.details
    assert found.facts.warnings == ()


def test_a_page_on_its_side_is_turned_first(make_file: MakeFile) -> None:
    lines = "\n".join(["The wall moved towards the road."] * 9)
    page = scans.picture(lines, size=(1000, 900)).rotate(90, expand=True)

    assert "The wall moved towards the road." in read(Extractor(), make_file("a.pdf", scans.scanned_pdf([page]), PDF)).text


def test_pages_with_text_are_not_recognised_again(make_file: MakeFile) -> None:
    items = list(Extractor().extract(make_file("a.pdf", files.pdf(["The wall moved", ""]), PDF)))

    assert not any(isinstance(item, Recognising) for item in items)


@pytest.mark.parametrize(
    ("ocr", "reason"),
    [
        (Ocr(is_on=False), "switched off by `extraction.ocr.mode`"),
        (Ocr(languages=("eng", "xyz_old")), "off, there is no data of the language xyz_old: apt install tesseract-ocr-xyz-old"),
        (Ocr(data_folder=Path("/nowhere")), "off, there is no data of the language eng in /nowhere: apt install tesseract-ocr-eng"),
    ],
)
def test_scanned_pages_that_are_not_recognised_are_counted_with_the_reason(make_file: MakeFile, ocr: Ocr, reason: str) -> None:
    found = read(Extractor(), scan(make_file, WALL, "", ocr=ocr))

    assert found.sections == []
    assert found.facts.details["pages_unread"] == 2
    assert found.facts.warnings == ("2 of 2 pages have no text", f"2 of 2 pages are pictures; text recognition is {reason}")


def test_without_the_engine_the_reason_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector_pipelines.extractors._ocr._ENGINE", "an_engine_nobody_has")

    assert why_off(Ocr(page_time_s=1.5)) == "not installed: pip install 'connector-pipelines[ocr]'"


def test_the_data_of_languages_may_lie_in_a_folder_of_ones_own(make_file: MakeFile, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "site.traineddata").symlink_to(scans.LANGUAGE_DATA / "eng.traineddata")

    found = read(Extractor(), scan(make_file, WALL, ocr=Ocr(languages=("site",), data_folder=folder)))

    assert found.text == WALL


@pytest.mark.parametrize(
    ("ocr", "read_pages", "message"),
    [
        (Ocr(max_pages=1), 1, "text of pages 2–3 was not recognised: ocr.max_pages=1 was met"),
        (Ocr(page_time_s=0), 0, "text of pages 1–3 was not recognised: ocr.page_time_limit=0s was met"),
        (Ocr(time_s=0), 0, "text of pages 1–3 was not recognised: ocr.time_limit=0s was met"),
    ],
)
def test_a_limit_leaves_pages_out_and_the_document_stands(make_file: MakeFile, ocr: Ocr, read_pages: int, message: str) -> None:
    *_, facts, shortfall = Extractor().extract(scan(make_file, "one", "two", "three", ocr=ocr))

    assert isinstance(facts, Facts)
    assert facts.details["pages_unread"] == 3 - read_pages
    assert facts.warnings[-1] == message
    assert isinstance(shortfall, Shortfall)
    assert (shortfall.message, shortfall.limit) == (message, message.split(": ")[1].split(" ", maxsplit=1)[0])


def test_what_is_too_uncertain_is_not_kept(make_file: MakeFile) -> None:
    import random

    from PIL import Image

    noise = Image.frombytes("L", (1200, 800), random.Random(1).randbytes(1200 * 800))

    found = read(Extractor(), make_file("a.pdf", scans.scanned_pdf([noise]), PDF))

    assert found.sections == []
    assert found.facts.details["ocr_pages"] == 1


def test_a_document_says_what_recognised_its_text(pool: ExtractionPool, make_file: MakeFile) -> None:
    file = make_file("a.pdf", files.pdf(["x"]), PDF)

    with_ocr, without = pool.extract(file), pool.extract(dataclasses.replace(file, ocr=Ocr(is_on=False)))

    assert with_ocr
    assert without
    assert with_ocr.version.startswith(f"{Extractor.version}, ocr tesserocr ")
    assert with_ocr.version.endswith(" eng")
    assert without.version == f"{Extractor.version}, ocr none"
