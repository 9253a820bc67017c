"""Scanned pages and pictures, on their whole way: what was not read is counted, named and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connector_pipelines.core.config import OcrSettings
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline.recognition import ocr_of, ocr_version
from connector_pipelines.settings import load_settings
from tests import scans
from tests.pipeline.parts_world import PartsWorld, parts_world

ALWAYS = DayRange()


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[PartsWorld]:
    with parts_world(database_url, tmp_path) as world:
        yield world


def scan(*texts: str) -> bytes:
    return scans.scanned_pdf([scans.picture(text) for text in texts])


def test_scans_and_pictures_become_documents(world: PartsWorld) -> None:
    world.service.put("scan.pdf", scan("Anchors in row 2 hold"))
    world.service.put("sign.png", scans.encoded(scans.picture("Danger: deep water"), "PNG"))

    world.sync()

    assert world.texts == {"scan.pdf": "Anchors in row 2 hold", "sign.png": "Danger: deep water"}


def test_pages_beyond_a_limit_are_in_the_ledger_until_they_are_read(world: PartsWorld) -> None:
    world.configure(ocr={"max_pages": 1})
    world.service.put("scan.pdf", scan("First page", "Second page", "Third page"))

    counts = world.sync().stages["documents"].counts
    (missing,) = world.failures
    world.configure(ocr={"max_pages": 10})
    world.retry()
    world.sync()

    assert (counts["extracted"], counts["failed"], counts["pages_unread"]) == (1, 0, 2)
    assert (missing.item, missing.stage, missing.code) == ("scan.pdf", "documents", "resource")
    assert missing.message == "text of pages 2–3 was not recognised: ocr.max_pages=1 was met"
    assert world.texts == {"scan.pdf": "First pageSecond pageThird page"}
    assert world.failures == []


def test_what_was_left_out_without_recognition_comes_when_it_is_done_again_with_it(world: PartsWorld) -> None:
    world.configure(ocr={"mode": "off"})
    world.service.put("scan.pdf", scan("Anchors hold"))
    world.service.put("sign.png", scans.encoded(scans.picture("Deep water"), "PNG"))

    counts = world.sync().stages["documents"].counts
    files = {row["path"]: (row["status"], row["reason"]) for row in world.rows("SELECT path, status, reason FROM files")}
    world.configure()
    world.run_stage("documents", ALWAYS, redo_first=True)
    world.sync()

    assert (counts["extracted"], counts["skipped"], counts["pages_unread"]) == (1, 1, 1)
    assert files == {"scan.pdf": ("extracted", None), "sign.png": ("skipped", "no_ocr")}
    assert world.texts == {"scan.pdf": "Anchors hold", "sign.png": "Deep water"}


def test_an_extractor_is_told_what_is_configured(tmp_path: Path) -> None:
    settings = load_settings({"TESSDATA_PREFIX": str(tmp_path)})
    configured = OcrSettings(languages=("eng", "deu"), page_time_limit=timedelta(seconds=9))

    told = ocr_of(configured, settings)
    own = ocr_of(OcrSettings(mode="off", data_folder=Path("/data")), settings)

    assert (told.is_on, told.languages, told.page_time_s, told.data_folder) == (True, ("eng", "deu"), 9, tmp_path)
    assert (own.is_on, own.data_folder) == (False, Path("/data"))


def test_documents_become_stale_when_recognition_is_installed(tmp_path: Path) -> None:
    with_it, without = load_settings({}), load_settings({"TESSDATA_PREFIX": str(tmp_path)})

    assert ocr_version(with_it).startswith("tesserocr ")
    assert ocr_version(without) == "none"
