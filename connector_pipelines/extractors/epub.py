"""What does an e-book say, chapter by chapter?"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import unquote

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile, Place, Section
from connector_pipelines.extractors._html import read_page
from connector_pipelines.extractors._mail_text import decode_text
from connector_pipelines.extractors._xml import Element, attribute, local_name, parse
from connector_pipelines.extractors._zip import check_archive, read_directory

__all__ = ["Extractor"]

_PAGES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"}
# EPUB 3.3, 4.2.6.3.4: fonts are obfuscated, which is no lock on the text.
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_MOST_PAGE_BYTES = 64 * 1024 * 1024


class Extractor:
    """Chapters in the order of reading, each by its headings; the table of contents is left out."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {"application/epub+zip": (".epub",)}

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


@dataclass(slots=True)
class _Package:
    """What the package document (EPUB 3.3, 5) says. `pages` are the members of the archive in the order of reading."""

    pages: list[str] = field(default_factory=list)
    metadata: dict[str, list[str]] = field(default_factory=dict)


def _extract(file: InputFile) -> Iterator[Finding]:
    check_archive(file.path, file.max_unpacked_bytes)
    with read_directory(file.path) as archive:
        names = set(archive.namelist())
        package = _package(archive, names)
        locked = _locked(archive, names)
        if package.pages and locked.issuperset(package.pages):
            raise Encrypted("the book is under digital rights management", advice="ask for a copy without it")
        troubles: list[str] = []
        chapters, heading = 0, ""
        for name in package.pages:
            if name in locked:
                troubles.append(f"{name} is under digital rights management and was left out")
                continue
            try:
                for section in _chapter(_read(archive, name), heading):
                    heading = section.place.heading or heading if section.text else heading
                    yield section
                chapters += 1
            except Malformed as error:
                troubles.append(f"{name} cannot be read: {error}")
    if not chapters:
        raise Malformed(f"no chapter of the book can be read; {troubles[0] if troubles else 'it names none'}")
    details: dict[str, str | int] = {
        key: ", ".join(package.metadata.get(key, ()))[:1000] for key in ("author", "language", "publisher", "created")
    }
    details["chapters"] = chapters
    title = next(iter(package.metadata.get("title", ())), None)
    yield Facts(title=title, details={key: value for key, value in details.items() if value}, warnings=tuple(troubles))


def _package(archive: zipfile.ZipFile, names: set[str]) -> _Package:
    place = next((name for name in names if name.lower().endswith(".opf")), "")
    if "META-INF/container.xml" in names:
        roots = (e for e in parse(_read(archive, "META-INF/container.xml")).iter() if local_name(e) == "rootfile")
        place = next((path for root in roots if (path := unquote(attribute(root, "full-path"))) in names), place)
    if not place:
        raise Malformed("not an e-book: it has no package document")
    root = parse(_read(archive, place))
    items = {attribute(item, "id"): item for item in root.iter() if local_name(item) == "item"}
    found = _Package(metadata=_metadata(root))
    for reference in (e for e in root.iter() if local_name(e) == "itemref"):
        item = items.get(attribute(reference, "idref"))
        if item is not None and _is_page(item):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(place), unquote(attribute(item, "href").partition("#")[0])))
            found.pages += [name] if name in names else []
    return found


def _is_page(item: Element) -> bool:
    return attribute(item, "media-type") in _PAGES and "nav" not in attribute(item, "properties").split()


def _metadata(root: Element) -> dict[str, list[str]]:
    """Dublin Core, by our names."""
    ours = {"title": "title", "creator": "author", "language": "language", "publisher": "publisher", "date": "created"}
    found: dict[str, list[str]] = {}
    for element in root.iter():
        key = ours.get(local_name(element))
        if key and "purl.org/dc" in element.tag and (text := " ".join("".join(element.itertext()).split())):
            found.setdefault(key, []).append(text)
    return found


def _locked(archive: zipfile.ZipFile, names: set[str]) -> set[str]:
    """The members that are encrypted (EPUB 3.3, 4.2.6.3.2)."""
    locked: set[str] = set()
    if "META-INF/encryption.xml" not in names:
        return locked
    for data in parse(_read(archive, "META-INF/encryption.xml")).iter():
        if local_name(data) != "EncryptedData":
            continue
        methods = [attribute(e, "Algorithm") for e in data.iter() if local_name(e) == "EncryptionMethod"]
        if not any(method.startswith(_FONTS) for method in methods):
            locked |= {unquote(attribute(e, "URI")) for e in data.iter() if local_name(e) == "CipherReference"}
    return locked


def _chapter(data: bytes, before: str) -> Iterator[Section]:
    """The sections of a page. What stands before its first heading goes on under `before`, or else under the title of the page."""
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    title, sections = read_page(decode_text(data, encoding).lstrip("\ufeff"))
    for section in sections:
        heading = section.place.heading or before or " ".join(title.split())[:120] or None
        yield replace(section, place=Place(heading=heading))


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        if archive.getinfo(name).file_size > _MOST_PAGE_BYTES:
            raise Malformed("a page of a book has never that size")
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, KeyError) as error:
        raise Malformed(f"{name} does not unpack: {error}") from error
