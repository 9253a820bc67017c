"""Do damaged files of every format come out as errors of ours, soon, and as nothing else?"""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed, ResourceError
from connector_pipelines.core.types import InputFile
from connector_pipelines.extractors._find import find_extractor
from connector_pipelines.extractors._pool import ExtractionPool
from connector_pipelines.extractors._sniff import sniff
from tests import archives, files, old_formats, packages
from tests.extractors.conftest import MakeFile

ODF = "application/vnd.oasis.opendocument."
MAIL = (
    "Subject: =?utf-8?Q?Gr=C3=B6=C3=9Fe?=\r\nFrom: Zoë <z@example.com>\r\nDate: Sun, 01 Mar 2026 10:30:00 +0100\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary="y"\r\n\r\n--y\r\n'
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIt moved =31=34 mm.\r\n--y\r\n"
    "Content-Type: text/html\r\n\r\n<p>It <b>moved</b> 14 mm.</p>\r\n--y--\r\n--x\r\nContent-Type: application/pdf; name*=utf-8''Gr%C3%B6%C3%9Fe.pdf\r\n"
    "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\n\r\ntext\r\n--x--\r\n"
).encode()
TAR = archives.tar([archives.tar_entry("a.txt", b"a" * 700, mtime=1_772_357_400), archives.tar_entry("b/" * 60 + "c.txt", b"c")])
SAMPLES = {
    "message/rfc822": MAIL,
    "application/mbox": b"".join(b"From a@example.com Sun Mar  1 09:30:00 2026\n" + MAIL + b"\n\n" for _ in range(3)),
    "application/vnd.ms-outlook": old_formats.msg(
        {0x37: "Axis 7", 0x1000: "It moved.", 0x3FDE: 1252, 0x1013: b"<p>x</p>"},
        [{0x3001: "B", 0x39FE: "b@example.com", 0x0C15: 1}],
        [{0x3707: "plan.pdf", 0x3701: b"%PDF-" * 1000}],
        {0x37: "inner", 0x1000: "inner text"},
    ),
    "application/msword": old_formats.doc([b"Gr\xf6\xdfe\r", "see \x13 X \x14here\x15 a\x07b\x07\x07", "note"], stories=[4]),
    "application/vnd.ms-powerpoint": old_formats.ppt([("Axis 7", "It moved", "say slowly"), ("Axis 8", "It stood", "")]),
    "application/rtf": rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset204 A;}}{\info{\title T}}\f0\'d1\u26085? {\*\x y}{\footnote n}a\cell b\row\bin2 xx\par}"
    * 5,
    f"{ODF}text": packages.odf(
        "text", '<text:h text:outline-level="1">A</text:h><text:p>b<text:s text:c="3"/><text:note>n</text:note></text:p>' * 20
    ),
    f"{ODF}presentation-flat-xml": packages.flat("presentation", "<draw:page><draw:frame><text:p>b</text:p></draw:frame></draw:page>" * 9),
    "application/epub+zip": packages.epub([("a.xhtml", "<h1>A</h1><p>b</p>"), ("b.xhtml", "<p>c</p>")]),
    "application/xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]>\n<a>'
    + b'<r id="7"><n>Axis</n>&x; <v>14</v></r>' * 20
    + b"</a>",
    "application/zip": files.zipped({"a.txt": b"wall " * 300, "b/c.txt": bytes(range(256))}),
    "application/x-tar": TAR,
    "application/gzip": gzip.compress(TAR, mtime=0),
    "application/x-bzip2": bz2.compress(TAR),
    "application/x-xz": lzma.compress(TAR),
}
MUTATIONS = 60


@pytest.fixture(params=sorted(SAMPLES))
def media_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def outcome(tmp_path: Path):  # type: ignore[no-untyped-def]
    """What comes of a file: nothing, or the class of the error. Any error but those declared is let out."""
    numbers = count()

    def extract(data: bytes, media_type: str) -> str:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        path = tmp_path / "file"
        path.write_bytes(data)
        found = find_extractor(media_type)
        assert found is not None
        sniff(path, "file", media_type)
        try:
            for _ in found.type().extract(InputFile(path=path, name="file", media_type=media_type, parts_folder=folder, passwords=("x",))):
                pass
        except (Malformed, Encrypted, ResourceError) as error:
            return type(error).__name__
        return ""

    return extract


def test_the_samples_themselves_are_in_order(outcome, media_type: str) -> None:  # type: ignore[no-untyped-def]
    assert outcome(SAMPLES[media_type], media_type) == ""


def test_a_file_cut_off_anywhere_is_read_in_part_or_malformed(outcome, media_type: str) -> None:  # type: ignore[no-untyped-def]
    whole = SAMPLES[media_type]
    lengths = [0, *(1 << power for power in range(len(whole).bit_length())), len(whole) - 1]

    outcomes = {outcome(whole[:length], media_type) for length in lengths}

    assert outcomes <= {"", "Malformed"}
    assert outcome(b"", media_type) == "Malformed"


def test_a_file_with_bytes_turned_gives_errors_of_ours_alone(outcome, media_type: str) -> None:  # type: ignore[no-untyped-def]
    for data in _mutated(SAMPLES[media_type], random.Random(20260301)):
        outcome(data, media_type)


def test_a_file_of_another_format_gives_errors_of_ours_alone(outcome, media_type: str) -> None:  # type: ignore[no-untyped-def]
    for other in SAMPLES.values():
        outcome(other, media_type)


def test_a_line_of_a_hundred_megabytes_in_a_small_file_costs_neither_time_nor_memory(
    pool: ExtractionPool, make_file: MakeFile, parts_folder: Path
) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = b"".join([*(packer.compress(b"a" * 1024 * 1024) for _ in range(120)), packer.flush()])

    with pytest.raises(ResourceError) as caught:
        pool.extract(make_file("line.csv.gz", packed, "application/gzip", parts_folder=parts_folder))

    assert caught.value.limit == "ratio=250"
    assert list(parts_folder.iterdir()) == []


def _mutated(data: bytes, chance: random.Random) -> Iterator[bytes]:
    for _ in range(MUTATIONS):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 2, 8, 40))):
            changed[chance.randrange(len(changed))] = chance.choice((0, 0xFF, chance.randrange(256)))
        yield bytes(changed)
