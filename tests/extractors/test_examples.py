from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Malformed
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors._pool import ExtractionPool

EXAMPLES = Path(__file__).parents[2] / "examples"


def _input(path: Path) -> InputFile:
    return InputFile(path=path, name=path.name, media_type="application/octet-stream")


@pytest.mark.parametrize(
    ("name", "fact", "place"),
    [
        ("site-report-12.pdf", "wall on axis 7 moved 14 mm", "page 1"),
        ("specification-wall.docx", "cover of all reinforcement towards the road is 55 mm", "Concrete › Strength and exposure"),
        ("bill-of-quantities.xlsx", "Berm of gravel 0/63", "Earthworks, rows 2–7"),
        ("inclinometer-i3.csv", "Alarmwert überschritten", "rows 18–33"),
        ("README.md", "bolt HB 17", "Retaining wall Lindenhang, lot 2 › Levels and axes"),
        ("notice-to-residents.html", "Third row of anchors | 19 to 28 March", "Notice to residents › Dates"),
        ("phone-note-laboratory.txt", "640 mg of sulphate", ""),
        ("meetings/status-march.pptx", "The limit value of 20 mm was never reached.", "slide 2, What happened on axis 7"),
    ],
)
def test_each_sample_gives_its_fact_at_its_place(pool: ExtractionPool, name: str, fact: str, place: str) -> None:
    found = pool.extract(_input(EXAMPLES / "files" / name))

    assert found
    assert [str(section.place) for section in found.sections if fact in section.text] == [place]


def test_the_broken_sample_is_broken(pool: ExtractionPool) -> None:
    with pytest.raises(Malformed):
        pool.extract(_input(EXAMPLES / "files" / "broken-drawing.pdf"))


def test_the_script_makes_the_same_set_of_samples(tmp_path: Path) -> None:
    runpy.run_path(str(EXAMPLES / "make_files.py"))["make_files"](tmp_path)

    names = {path.relative_to(EXAMPLES / "files") for path in (EXAMPLES / "files").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == names
