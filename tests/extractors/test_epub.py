from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.extractors.epub import Extractor
from tests.extractors.conftest import MakeFile, read
from tests.packages import epub, package

EPUB = "application/epub+zip"
LOCK = '<encryption><EncryptedData><EncryptionMethod Algorithm="{0}"/><CipherData><CipherReference URI="{1}"/></CipherData></EncryptedData></encryption>'
AES = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"


def test_a_book_is_read_in_the_order_of_its_spine_without_its_contents(make_file: MakeFile) -> None:
    chapters = [("two words.xhtml", "<p>before</p><h1>Walls</h1><p>first</p>"), ("b.xhtml", "<p>goes on</p><h2>Axis 7</h2><p>moved</p>")]

    found = read(Extractor(), make_file("a.epub", epub(chapters), EPUB))

    assert [(section.place.heading, section.text) for section in found.sections] == [
        ("two words.xhtml", "before"),
        ("Walls", "Walls\nfirst"),
        ("Walls", "goes on"),
        ("Axis 7", "Axis 7\nmoved"),
    ]
    assert found.facts.title == "Handbook of Walls"
    assert found.facts.details == {"author": "A. Engineer", "chapters": 2}


def test_a_book_under_rights_management_is_encrypted_and_one_with_obfuscated_fonts_is_not(make_file: MakeFile) -> None:
    chapters = [("a.xhtml", "<p>text</p>")]

    with pytest.raises(Encrypted):
        read(Extractor(), make_file("a.epub", epub(chapters, encryption=LOCK.format(AES, "OEBPS/a.xhtml")), EPUB))
    found = read(
        Extractor(), make_file("b.epub", epub(chapters, encryption=LOCK.format("http://www.idpf.org/2008/embedding", "OEBPS/f.otf")), EPUB)
    )

    assert found.text == "text"


def test_a_locked_chapter_takes_no_other_with_it(make_file: MakeFile) -> None:
    chapters = [("a.xhtml", "<p>open</p>"), ("b.xhtml", "<p>locked</p>")]

    found = read(Extractor(), make_file("a.epub", epub(chapters, encryption=LOCK.format(AES, "OEBPS/b.xhtml")), EPUB))

    assert found.text == "open"
    assert found.facts.warnings == ("OEBPS/b.xhtml is under digital rights management and was left out",)


@pytest.mark.parametrize("opf", ["a/b/book.opf", "/etc/book.opf"])
def test_a_book_lies_wherever_its_container_says(make_file: MakeFile, opf: str) -> None:
    assert read(Extractor(), make_file("a.epub", epub([("a.xhtml", "<p>text</p>")], opf=opf), EPUB)).text == "text"


@pytest.mark.parametrize("entries", [{}, {"a.opf": "<package/>"}, {"a.opf": "<package><spine>"}, {"META-INF/container.xml": "<container>"}])
def test_a_book_without_chapters_is_malformed(make_file: MakeFile, entries: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("a.epub", package(EPUB, entries), EPUB))
