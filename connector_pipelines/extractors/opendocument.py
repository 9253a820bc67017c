"""What does a text, presentation or drawing in OpenDocument say?"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import ClassVar

from connector_pipelines.core.errors import Encrypted, Malformed
from connector_pipelines.core.types import Facts, Finding, InputFile
from connector_pipelines.extractors._odf import read_body, read_meta
from connector_pipelines.extractors._xml import events
from connector_pipelines.extractors._zip import check_archive, read_directory

__all__ = ["Extractor"]

_ODF = "application/vnd.oasis.opendocument."
_FLAT = "-flat-xml"
_PIECE = 64 * 1024


class Extractor:
    """Texts by heading, presentations by slide, drawings by page; notes and comments where they stand."""

    version: ClassVar[str] = "1"
    media_types: ClassVar[dict[str, tuple[str, ...]]] = {
        f"{_ODF}text": (".odt",),
        f"{_ODF}text-template": (".ott",),
        f"{_ODF}text-flat-xml": (".fodt",),
        f"{_ODF}presentation": (".odp",),
        f"{_ODF}presentation-template": (".otp",),
        f"{_ODF}presentation-flat-xml": (".fodp",),
        f"{_ODF}graphics": (".odg",),
        f"{_ODF}graphics-flat-xml": (".fodg",),
    }

    def extract(self, file: InputFile) -> Iterator[Finding]:
        yield from _extract(file)


def _extract(file: InputFile) -> Iterator[Finding]:
    if file.media_type.endswith(_FLAT):
        with file.path.open("rb") as stream:
            yield from read_body(events(iter(lambda: stream.read(_PIECE), b"")))
        with file.path.open("rb") as stream:
            yield read_meta(events(iter(lambda: stream.read(_PIECE), b"")))
        return
    check_archive(file.path, file.max_unpacked_bytes)
    with read_directory(file.path) as archive:
        names = set(archive.namelist())
        _check_open(archive, names)
        yield from read_body(events(_blocks(archive, "content.xml")))
        yield read_meta(events(_blocks(archive, "meta.xml"))) if "meta.xml" in names else Facts()


def _check_open(archive: zipfile.ZipFile, names: set[str]) -> None:
    """OpenDocument 1.3, part 2, 3.4: what is encrypted says so in the manifest, and the archive knows nothing of it."""
    is_encrypted = "encrypted-package" in names
    if "META-INF/manifest.xml" in names and not is_encrypted:
        try:
            is_encrypted = any(event.name == "encryption-data" for event in events(_blocks(archive, "META-INF/manifest.xml")))
        except Malformed:
            is_encrypted = False  # the text may be in order all the same
    if is_encrypted:
        raise Encrypted("the document is protected by a password", advice="save it without one: passwords of office files are not tried")
    if "content.xml" not in names:
        raise Malformed("not an OpenDocument file: it has no content.xml")


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    try:
        with archive.open(name) as stream:
            while block := stream.read(_PIECE):
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise Malformed(f"{name} does not unpack: {error}") from error
