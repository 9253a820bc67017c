"""Each of these costs its file at most, within the limits, and the pool goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import InputFile, Ocr
from connector_pipelines.extractors._pool import Extraction, ExtractionPool, Limits
from tests import files, hostile_pdfs
from tests.extractors.conftest import MakeFile

PDF = "application/pdf"
LIMITS = Limits(time_s=20, memory_bytes=512 * 1024**2)


def outcome(pool: ExtractionPool, file: InputFile, limits: Limits = LIMITS) -> Extraction | Malformed | ResourceError:
    try:
        found = pool.extract(file, limits)
    except (Malformed, ResourceError) as error:
        return error
    assert isinstance(found, Extraction)
    return found


def still_works(pool: ExtractionPool, make_file: MakeFile) -> bool:
    found = pool.extract(make_file("good.pdf", files.pdf(["still here"]), PDF))
    return isinstance(found, Extraction) and [s.text for s in found.sections] == ["still here"]


@pytest.mark.parametrize("make", hostile_pdfs.LOOPS.values(), ids=hostile_pdfs.LOOPS)
def test_loops_and_depth_end(pool: ExtractionPool, make_file: MakeFile, make: Callable[[], bytes]) -> None:
    found = outcome(pool, make_file("a.pdf", make(), PDF))

    assert isinstance(found, Malformed) or found.facts.details["pages"] in {1, 2}
    assert still_works(pool, make_file)


@pytest.mark.parametrize("make", hostile_pdfs.MEMORY_BOMBS.values(), ids=hostile_pdfs.MEMORY_BOMBS)
def test_what_unpacks_to_more_than_the_memory_names_that_limit(
    pool: ExtractionPool, make_file: MakeFile, make: Callable[[], bytes]
) -> None:
    found = outcome(pool, make_file("a.pdf", make(), PDF))

    assert isinstance(found, ResourceError)
    assert found.limit == "memory=512 MiB"
    assert still_works(pool, make_file)


def test_a_drawing_of_ten_thousand_million_drawings_meets_a_limit(pool: ExtractionPool, make_file: MakeFile) -> None:
    found = outcome(pool, make_file("a.pdf", hostile_pdfs.times_ten(10), PDF), Limits(time_s=5, memory_bytes=512 * 1024**2))

    assert isinstance(found, ResourceError)
    assert found.limit in {"memory=512 MiB", "time=5s"}
    assert still_works(pool, make_file)


@pytest.mark.parametrize("make", hostile_pdfs.ABSURD_PICTURES.values(), ids=hostile_pdfs.ABSURD_PICTURES)
def test_a_picture_larger_than_any_memory_is_a_page_without_text(
    pool: ExtractionPool, make_file: MakeFile, make: Callable[[], bytes]
) -> None:
    found = outcome(pool, make_file("a.pdf", make(), PDF, ocr=Ocr(resolution_dpi=72)))

    assert isinstance(found, Extraction)
    assert (found.facts.details["pages"], found.facts.details["pages_without_text"]) == (1, 1)
    assert still_works(pool, make_file)


def test_a_page_that_claims_to_be_kilometres_wide_is_drawn_within_bounds(pool: ExtractionPool, make_file: MakeFile) -> None:
    found = outcome(pool, make_file("a.pdf", hostile_pdfs.huge_page(), PDF, ocr=Ocr(page_time_s=2)))

    assert isinstance(found, Extraction)
    assert int(found.facts.details.get("ocr_pages", 0)) + int(found.facts.details.get("pages_unread", 0)) == 1


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_every_way_of_encrypting_opens_with_the_password(pool: ExtractionPool, make_file: MakeFile, algorithm: str) -> None:
    file = make_file("a.pdf", hostile_pdfs.encrypted("secret wall", algorithm, "geheim"), PDF, passwords=("geheim",))

    found = outcome(pool, file)

    assert isinstance(found, Extraction)
    assert [section.text for section in found.sections] == ["secret wall"]
