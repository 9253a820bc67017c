"""Which bytes make a small OpenDocument file or e-book?"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

__all__ = ["epub", "flat", "odf", "package"]

_SPACES = " ".join(
    f'xmlns:{short}="{name}"'
    for short, name in {
        "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
        "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
        "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
        "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
        "presentation": "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
        "meta": "urn:oasis:names:tc:opendocument:xmlns:meta:1.0",
        "dc": "http://purl.org/dc/elements/1.1/",
        "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
    }.items()
)


def package(media_type: str, entries: Mapping[str, str | bytes]) -> bytes:
    """A zip archive with its media type in front, as both formats have it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", media_type, zipfile.ZIP_STORED)
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def odf(kind: str, body: str, *, title: str = "", manifest: str = "<manifest/>") -> bytes:
    """`kind` is text, presentation or graphics; `body` is what stands in its element."""
    content = f"<office:document-content {_SPACES}><office:body><office:{_element(kind)}>{body}</office:{_element(kind)}></office:body></office:document-content>"
    entries = {"content.xml": content, "meta.xml": f"<office:document-meta {_SPACES}>{_meta(title)}</office:document-meta>"}
    return package(f"application/vnd.oasis.opendocument.{kind}", entries | {"META-INF/manifest.xml": manifest})


def flat(kind: str, body: str, *, title: str = "") -> bytes:
    """The same in one XML file."""
    mimetype = f'office:mimetype="application/vnd.oasis.opendocument.{kind}"'
    inner = f"{_meta(title)}<office:body><office:{_element(kind)}>{body}</office:{_element(kind)}></office:body>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document {_SPACES} {mimetype}>{inner}</office:document>'.encode()


def epub(chapters: Sequence[tuple[str, str]], *, encryption: str = "", opf: str = "OEBPS/book.opf") -> bytes:
    """Chapters are (file name, body); the spine names them backwards in the manifest, so that order is told by the spine alone."""
    items = "".join(
        f'<item id="c{i}" href="{name.replace(" ", "%20")}" media-type="application/xhtml+xml"/>' for i, (name, _) in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    book = f"""<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>Handbook of Walls</dc:title><dc:creator>A. Engineer</dc:creator></metadata>
<manifest><item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>{items}</manifest>
<spine><itemref idref="nav"/>{spine}</spine></package>"""
    container = f"<container><rootfiles><rootfile full-path='{opf}'/></rootfiles></container>"
    folder = opf.rpartition("/")[0]
    pages = {f"{folder}/{name}": f"<html><head><title>{name}</title></head><body>{body}</body></html>" for name, body in reversed(chapters)}
    locks = {"META-INF/encryption.xml": encryption} if encryption else {}
    nav = {f"{folder}/nav.xhtml": "<html><body><h1>Contents</h1></body></html>"}
    return package("application/epub+zip", {"META-INF/container.xml": container, opf: book} | nav | pages | locks)


def _element(kind: str) -> str:
    return {"graphics": "drawing"}.get(kind, kind)


def _meta(title: str) -> str:
    return f"<office:meta><dc:title>{title}</dc:title><meta:initial-creator>A. Engineer</meta:initial-creator></office:meta>"
