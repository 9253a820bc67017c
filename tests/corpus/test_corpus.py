from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.corpus import corpus_folder, expected
from tests.corpus.ingest import ingest
from tests.corpus.report import Agreement, Report, make_report

# Share of the comparisons of a kind that agree, where independent tools agree with each other.
GOALS = {("pdf", "text"): 0.98, ("pdf", "pages"): 0.99, ("csv", "encoding"): 0.95, ("csv", "delimiter"): 0.95, ("csv", "rows"): 0.95}
OFFICE_GOAL = 0.95


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = corpus_folder()
    if folder is None:
        pytest.skip("there is no corpus here; CORPUS_DIR names a folder with manifest.csv and expectations.json")
    files = expected(folder)
    home: Path = tmp_path_factory.mktemp("corpus")
    ingested = ingest(folder, files, home)
    assert ingested.code == 0, ingested.said
    return make_report(files, ingested)


def test_every_real_file_yields_text_or_says_why_not(report: Report) -> None:
    assert report.unaccounted == []


def test_no_real_file_crashes_an_extractor_or_takes_too_long(report: Report) -> None:
    assert [failure for failure in report.failures if "crashed" in failure or "stopped after" in failure] == []


@pytest.mark.parametrize(("kind", "what"), GOALS)
def test_what_is_made_of_real_files_agrees_with_other_tools(report: Report, kind: str, what: str) -> None:
    agreement = report.agreements[kind, what]

    assert agreement.right > 50
    assert agreement.share >= GOALS[kind, what], agreement.wrong


def test_what_is_made_of_office_files_agrees_with_other_tools(report: Report) -> None:
    every = Agreement()
    for (kind, _), agreement in report.agreements.items():
        if kind == "office":
            every.right += agreement.right
            every.wrong += agreement.wrong

    assert every.right > 80
    assert every.share >= OFFICE_GOAL, every.wrong
