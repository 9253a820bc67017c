"""PDFs made to hurt whoever reads them: loops, depth without end, a gigabyte in a kilobyte, pictures larger than any memory."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

from tests.files import pdf

__all__ = ["ABSURD_PICTURES", "LOOPS", "MEMORY_BOMBS", "encrypted", "huge_page", "times_ten"]

_MIB = 1024 * 1024
_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_ONE_PAGE = b"<< /Type /Pages /Kids [5 0 R] /Count 1 >>"
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
    b"/Resources << /Font << /F1 3 0 R >> /XObject << /X 7 0 R >> >> /Contents 6 0 R >>"
)
_HELLO = b"BT /F1 9 Tf 50 700 Td (hello) Tj ET"
_FULL_PAGE = b"595 0 0 842 0 0 cm /X Do"


def encrypted(text: str, algorithm: str, password: str) -> bytes:
    """A page, encrypted by one of the ways that ISO 32000 knows, by pypdf's name of it."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([text]))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def huge_page() -> bytes:
    """A page of 350 km by 350 km, with a picture all over it."""
    page = _PAGE.replace(b"595 842", b"1000000000 1000000000")
    return _assembled([page, _stream(b"", b"1000000000 0 0 1000000000 0 0 cm /X Do"), _picture(10, 10, zlib.compress(bytes(100)))])


def times_ten(levels: int) -> bytes:
    """A drawing that shows another ten times, which shows another ten times, and so on."""
    forms = [_form(b"/XObject << /X %d 0 R >>" % (8 + level), b"/X Do " * 10) for level in range(levels)]
    return _assembled([_PAGE, _stream(b"", _FULL_PAGE), *forms, _form(b"/Font << /F1 3 0 R >>", _HELLO)])


def _tree_loop() -> bytes:
    return _assembled([_PAGE, _stream(b"", _HELLO)], tree=b"<< /Type /Pages /Kids [2 0 R 5 0 R] /Count 2 /Parent 2 0 R >>")


def _deep_tree() -> bytes:
    nodes = [b"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Parent %d 0 R >>" % (n + 6, max(2, n + 4)) for n in range(20_000)]
    return _assembled([*nodes, _PAGE])


def _deep_arrays() -> bytes:
    return _assembled([_PAGE, b"[" * 200_000 + b"]" * 200_000])


def _deep_content() -> bytes:
    return _assembled([_PAGE, _stream(b"", b"[" * 500_000 + b"q " * 500_000 + _HELLO)])


def _form_loop() -> bytes:
    return _assembled([_PAGE, _stream(b"", _FULL_PAGE), _form(b"/XObject << /X 7 0 R >>", b"/X Do")])


def _table_loop() -> bytes:
    data = _assembled([_PAGE, _stream(b"", _HELLO)])
    start = data[data.rindex(b"startxref") + 10 :].split()[0]
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev " + start)


def _bomb() -> bytes:
    return _assembled([_PAGE, _stream(b"/Filter [/FlateDecode /FlateDecode]", zlib.compress(_zeros(768 * _MIB)))])


def _long_letter() -> bytes:
    """Each letter stands for twenty thousand."""
    table = (
        b"begincmap 1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <41> <" + b"0041" * 20_000 + b"> endbfchar endcmap end"
    )
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 7 0 R >>"
    text = b"BT /F1 9 Tf 50 700 Td (" + b"A" * 20_000 + b") Tj ET"
    return _assembled([_PAGE, _stream(b"", text), _stream(b"", table)], font=font)


def _with_picture(body: bytes) -> bytes:
    return _assembled([_PAGE, _stream(b"", _FULL_PAGE), body])


def _jpeg2000() -> bytes:
    side = 2**31 - 1
    size = struct.pack(">HHIIIIIIIIH", 47 - 6, 0, side, side, 0, 0, side, side, 0, 0, 1) + bytes([7, 1, 1])
    return _with_picture(_picture(side, side, b"\xff\x4f\xff\x51" + size + b"\xff\x93\xff\xd9", b"JPXDecode"))


def _jbig2() -> bytes:
    page = struct.pack(">IBBBI", 0, 48, 0, 1, 19) + struct.pack(">IIIIBH", 65_000, 65_000, 0, 0, 0, 0)
    return _with_picture(_picture(65_000, 65_000, page, b"JBIG2Decode", bits=1))


LOOPS: dict[str, Callable[[], bytes]] = {
    "a tree of pages that holds itself": _tree_loop,
    "a tree of pages 20,000 deep": _deep_tree,
    "arrays 200,000 deep": _deep_arrays,
    "content 500,000 deep": _deep_content,
    "a drawing that draws itself": _form_loop,
    "a table of objects that comes before itself": _table_loop,
}
MEMORY_BOMBS: dict[str, Callable[[], bytes]] = {"zeros in zeros": _bomb, "a letter as long as a book": _long_letter}
ABSURD_PICTURES: dict[str, Callable[[], bytes]] = {
    "60,000 pixels square": lambda: _with_picture(_picture(60_000, 60_000, zlib.compress(bytes(100)))),
    "two thousand million pixels square": lambda: _with_picture(_picture(2**31 - 1, 2**31 - 1, zlib.compress(bytes(100)))),
    "JPEG 2000": _jpeg2000,
    "JBIG2": _jbig2,
}


def _zeros(size: int) -> bytes:
    packer, block = zlib.compressobj(1), bytes(_MIB)
    return b"".join([*(packer.compress(block) for _ in range(size // _MIB)), packer.flush()])


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


def _form(resources: bytes, content: bytes) -> bytes:
    return _stream(b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << %s >>" % resources, content)


def _picture(width: int, height: int, data: bytes, codec: bytes = b"FlateDecode", *, bits: int = 8) -> bytes:
    size = b"/Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent %d" % (width, height, bits)
    return _stream(b"/Type /XObject /Subtype /Image %s /Filter /%s" % (size, codec), data)


def _assembled(bodies: Sequence[bytes], *, tree: bytes = _ONE_PAGE, font: bytes = _FONT) -> bytes:
    """Objects 1 to 4 are catalog, pages, font and an empty one; `bodies` follow from 5 on."""
    out, places = bytearray(b"%PDF-1.7\n"), list[int]()
    for number, body in enumerate(_all(bodies, tree, font), 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, start)
    return bytes(out)


def _all(bodies: Sequence[bytes], tree: bytes, font: bytes) -> Iterator[bytes]:
    yield from (_CATALOG, tree, font, b"<< >>")
    yield from bodies
