from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.core.types import Facts, InputFile, Section
from connector_pipelines.extractors.text import Extractor
from tests.extractors.conftest import MakeFile, read


def test_plain_text_is_one_section(make_file: MakeFile) -> None:
    file = make_file("note.txt", b"first line\r\nsecond line\r\n", "text/plain")

    found = read(Extractor(), file)

    assert [section.text for section in found.sections] == ["first line\nsecond line"]
    assert found.facts.details == {"encoding": "utf-8"}


def test_an_empty_file_has_no_sections(make_file: MakeFile) -> None:
    assert read(Extractor(), make_file("note.txt", b"", "text/plain")).sections == []


def test_binary_bytes_called_text_are_malformed(make_file: MakeFile) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("note.txt", bytes(range(256)), "text/plain"))


def test_a_large_file_comes_in_sections_of_a_mebibyte_at_most_and_loses_nothing(make_file: MakeFile) -> None:
    words = " ".join(f"wörd{n}" for n in range(300_000))

    found = read(Extractor(), make_file("big.txt", words.encode(), "text/plain"))

    assert len(found.sections) > 1
    assert max(len(section.text.encode()) for section in found.sections) <= 1024**2
    assert "".join(section.text for section in found.sections) == words


def test_an_endless_line_is_read_no_further_than_the_limit_allows(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as stream:
        stream.write(b"a" * 1024**2)
        stream.seek(1024**4 - 1)  # a sparse file: reading it through would take hours
        stream.write(b"a")
    file = InputFile(path=path, name="endless.txt", media_type="text/plain", max_text_bytes=700_000)

    with pytest.raises(ResourceError) as raised:
        list(Extractor().extract(file))

    assert raised.value.limit == "text=683.6 KiB"


def test_characters_that_stores_refuse_are_taken_out(make_file: MakeFile) -> None:
    file = make_file("note.txt", b"form\x0cfeed, nul " + b"and text " * 200 + b"\x00end", "text/plain")

    text = read(Extractor(), file).text

    assert text.startswith("form\nfeed, nul and")
    assert text.endswith("text end")


MARKDOWN = b"""Preface.

# Walls
About walls.

## Axis 7
Moved 14 mm.

```
# not a heading
```

Anchors
-------
Row 2 holds.

| a | b |
|---|---|
| 1 | 2 |
"""


def test_markdown_is_split_at_its_headings(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.md", MARKDOWN, "text/markdown"))

    assert [section.place.heading for section in found.sections] == [None, "Walls", "Walls › Axis 7", "Walls › Anchors"]
    assert "# not a heading" in found.sections[2].text
    assert "| 1 | 2 |" in found.sections[3].text
    assert found.facts.title == "Walls"


def test_a_markdown_section_keeps_its_heading_in_its_text(make_file: MakeFile) -> None:
    sections = read(Extractor(), make_file("a.md", b"# Walls\ntext\n", "text/markdown")).sections

    assert [section.text for section in sections] == ["# Walls\ntext"]


def test_sections_are_streamed_before_the_file_is_read_to_its_end(make_file: MakeFile) -> None:
    file = make_file("big.txt", b"line of text\n" * 200_000, "text/plain")

    first, second = islice(Extractor().extract(file), 2)

    assert isinstance(first, Facts)
    assert isinstance(second, Section)
    assert len(second.text) < 1024**2
