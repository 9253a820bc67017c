from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from connector_pipelines.core.errors import Encrypted, Malformed, ResourceError
from connector_pipelines.extractors.archive import Extractor
from tests import archives, files
from tests.extractors.conftest import MakeFile, read

Pack = Callable[[bytes], bytes]

ZIP, TAR, GZ, BZ2, XZ = "application/zip", "application/x-tar", "application/gzip", "application/x-bzip2", "application/x-xz"


def test_an_archive_names_its_files_and_hands_each_out(make_file: MakeFile, parts_folder: Path) -> None:
    data = files.zipped({"plans/axis 7.txt": b"moved 14 mm", "plans/": b"", "a.csv": b"a,b\n"})

    found = read(Extractor(), make_file("lot 2.zip", data, ZIP, parts_folder=parts_folder))

    assert found.text == "plans/axis 7.txt (11 bytes)\na.csv (4 bytes)"
    assert found.named == {"plans/axis 7.txt": b"moved 14 mm", "a.csv": b"a,b\n"}
    assert found.facts.details == {"files": 2, "unpacked_bytes": 15}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_way_of_packing_that_programs_use_is_unpacked(make_file: MakeFile, parts_folder: Path, method: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.txt", b"wall " * 1000)

    found = read(Extractor(), make_file("a.zip", out.getvalue(), ZIP, parts_folder=parts_folder))

    assert found.named == {"a.txt": b"wall " * 1000}


@pytest.mark.parametrize(
    ("suffix", "media_type", "pack"), [("gz", GZ, gzip.compress), ("bz2", BZ2, bz2.compress), ("xz", XZ, lzma.compress)]
)
def test_a_compressed_file_is_the_one_in_it_and_a_compressed_tar_all_of_those(
    make_file: MakeFile, tmp_path: Path, suffix: str, media_type: str, pack: Pack
) -> None:
    single, several = tmp_path / "single", tmp_path / "several"
    single.mkdir()
    several.mkdir()
    tar = archives.tar([archives.tar_entry("b/c.txt", b"c" * 2000, mtime=1_772_357_400), archives.tar_entry("d.txt", b"d")])

    one = read(Extractor(), make_file(f"table.csv.{suffix}", pack(b"a,b\n") + pack(b"1,2\n"), media_type, parts_folder=single))
    all_of_them = read(Extractor(), make_file(f"x.tar.{suffix}", pack(tar), media_type, parts_folder=several))

    assert one.named == {"table.csv": b"a,b\n1,2\n"}
    assert all_of_them.named == {"b/c.txt": b"c" * 2000, "d.txt": b"d"}
    assert all_of_them.parts[0].modified_at == dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Users\\a\\plan.txt", "Users/a/plan.txt"),
        ("a/./../b.txt", "a/b.txt"),
        ("tab\tand\x07bell.txt", "tab andbell.txt"),
        ("..", "unnamed"),
    ],
)
def test_a_name_is_data_and_never_a_path(make_file: MakeFile, parts_folder: Path, name: str, told: str) -> None:
    zipped = read(Extractor(), make_file("a.zip", files.zipped({name: b"x"}), ZIP, parts_folder=parts_folder))
    (parts_folder / "tar").mkdir()
    tarred = read(Extractor(), make_file("a.tar", archives.tar([archives.tar_entry(name, b"x")]), TAR, parts_folder=parts_folder / "tar"))

    assert [part.name for part in (*zipped.parts, *tarred.parts)] == [told, told]
    assert {path for path in parts_folder.rglob("*") if path.is_file()} == {parts_folder / "000001", parts_folder / "tar" / "000001"}


def test_links_devices_and_files_with_holes_are_never_made(make_file: MakeFile, parts_folder: Path) -> None:
    entries = [
        archives.tar_entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        archives.tar_entry("hard", type=tarfile.LNKTYPE, linkname="../../secret"),
        archives.tar_entry("device", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        archives.tar_entry("pipe", type=tarfile.FIFOTYPE),
        archives.tar_entry("real.txt", b"real"),
    ]

    found = read(Extractor(), make_file("a.tar", archives.tar(entries), TAR, parts_folder=parts_folder))

    assert found.named == {"real.txt": b"real"}
    assert [path.is_symlink() for path in parts_folder.iterdir()] == [False]
    assert found.facts.warnings == ("4 links, devices or files with holes were left out",)


def test_a_link_in_a_zip_is_left_out(make_file: MakeFile, parts_folder: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")

    found = read(Extractor(), make_file("a.zip", out.getvalue(), ZIP, parts_folder=parts_folder))

    assert found.parts == []
    assert found.facts.warnings == ("1 links, devices or files with holes were left out",)


def test_what_operating_systems_put_beside_the_files_is_counted_and_left_out(make_file: MakeFile, parts_folder: Path) -> None:
    junk = {"__MACOSX/._a.txt": b"", "d/.DS_Store": b"", "Thumbs.db": b"", "d/._b.txt": b"", "a.txt": b"a"}

    found = read(Extractor(), make_file("a.zip", files.zipped(junk), ZIP, parts_folder=parts_folder))

    assert list(found.named) == ["a.txt"]
    assert found.facts.details["system_files_left_out"] == 4


@pytest.mark.parametrize(
    ("name", "encoding"), [("Übersicht Größe.txt", "cp437"), ("文章テスト資料.txt", "cp932"), ("Отчёт о стене.txt", "cp866")]
)
def test_names_are_read_in_the_encoding_they_were_written_in(make_file: MakeFile, parts_folder: Path, name: str, encoding: str) -> None:
    raw = name.encode(encoding)
    data = files.zipped({"x" * len(raw): b"x"}).replace(b"x" * len(raw), raw)

    found = read(Extractor(), make_file("a.zip", data, ZIP, parts_folder=parts_folder))

    assert [part.name for part in found.parts] == [name]


def test_passwords_are_tried_on_an_encrypted_zip(make_file: MakeFile, parts_folder: Path) -> None:
    data = archives.encrypted_zip({"a.txt": b"secret", "b.txt": b"too"}, "right")

    found = read(Extractor(), make_file("a.zip", data, ZIP, parts_folder=parts_folder, passwords=("wrong", "right")))

    assert found.named == {"a.txt": b"secret", "b.txt": b"too"}


@pytest.mark.parametrize(("method", "passwords", "said"), [(0, ("wrong",), "none of the passwords"), (99, ("right",), "AES")])
def test_an_archive_that_no_password_opens_is_encrypted(
    make_file: MakeFile, parts_folder: Path, method: int, passwords: tuple[str], said: str
) -> None:
    data = archives.encrypted_zip({"a.txt": b"secret"}, "right", method=method)

    with pytest.raises(Encrypted, match=said) as caught:
        read(Extractor(), make_file("a.zip", data, ZIP, parts_folder=parts_folder, passwords=passwords))

    assert caught.value.advice
    assert list(parts_folder.iterdir()) == []


def test_one_damaged_file_takes_no_other_with_it(make_file: MakeFile, parts_folder: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("bad.txt", b"spoilt by a bit")
        archive.writestr("good.txt", b"good")
    data = out.getvalue().replace(b"spoilt", b"spoilT")

    found = read(Extractor(), make_file("a.zip", data, ZIP, parts_folder=parts_folder))

    assert found.named == {"good.txt": b"good"}
    assert [path.name for path in parts_folder.iterdir()] == [found.parts[0].path.name]
    assert "bad.txt was left out" in found.facts.warnings[0]


@pytest.mark.parametrize(
    ("length", "said"), [(2300, "b.txt was left out"), (2000, "what follows could not be read"), (1536, "what follows")]
)
def test_a_tar_that_is_cut_off_gives_what_it_has_and_says_so(make_file: MakeFile, parts_folder: Path, length: int, said: str) -> None:
    data = archives.tar([archives.tar_entry("a.txt", b"a" * 600), archives.tar_entry("b.txt", b"b" * 600)])[:length]

    found = read(Extractor(), make_file("a.tar", data, TAR, parts_folder=parts_folder))

    assert list(found.named) == ["a.txt"]
    assert any(said in warning for warning in found.facts.warnings)


def test_where_parts_are_not_wanted_the_names_are_told_and_how_many_were_not_opened(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.zip", files.zipped({"a.txt": b"a", "b.txt": b"b"}), ZIP))

    assert (found.text, found.parts) == ("a.txt\nb.txt", [])
    assert found.facts.warnings == ("2 files inside it were not opened",)


def test_of_too_many_files_the_first_are_taken_out_and_the_rest_are_named_and_missed(make_file: MakeFile, parts_folder: Path) -> None:
    data = files.zipped({f"{number}.txt": b"x" for number in range(5)})

    found = read(Extractor(), make_file("a.zip", data, ZIP, parts_folder=parts_folder, max_parts=3))

    assert len(found.parts) == 3
    assert "4.txt" in found.text
    assert [one.limit for one in found.shortfalls] == ["max_parts=3"]


def test_a_bomb_stops_at_what_comes_out_whatever_its_directory_says(make_file: MakeFile, parts_folder: Path) -> None:
    size = 64 * 1024 * 1024
    honest = files.zipped({"a.txt": bytes(size)})
    small_limit = make_file(
        "a.zip", files.zipped({"a.txt": bytes(4096), "b.txt": bytes(4096)}), ZIP, parts_folder=parts_folder, max_unpacked_bytes=5000
    )

    with pytest.raises(ResourceError, match="unpacks") as by_ratio:
        read(Extractor(), make_file("a.zip", honest, ZIP, parts_folder=parts_folder))
    for path in parts_folder.iterdir():
        path.unlink()
    with pytest.raises(ResourceError) as by_size:
        read(Extractor(), small_limit)

    assert (by_ratio.value.limit, by_size.value.limit) == ("ratio=250", "unpacked=4.883 KiB")


@pytest.mark.parametrize(("media_type", "pack"), [(GZ, gzip.compress), (BZ2, bz2.compress), (XZ, lzma.compress)])
def test_a_compressed_bomb_stops_too_as_a_file_and_as_a_tar(make_file: MakeFile, parts_folder: Path, media_type: str, pack: Pack) -> None:
    zeros = bytes(33 * 1024 * 1024)
    (parts_folder / "tar").mkdir()

    with pytest.raises(ResourceError):
        read(Extractor(), make_file("a.gz", pack(zeros), media_type, parts_folder=parts_folder))
    with pytest.raises(ResourceError):
        read(
            Extractor(),
            make_file("a.gz", pack(archives.tar([archives.tar_entry("a", zeros)])), media_type, parts_folder=parts_folder / "tar"),
        )


def test_entries_that_lie_upon_each_other_are_refused(make_file: MakeFile, parts_folder: Path) -> None:
    with pytest.raises(Malformed, match="upon each other"):
        read(Extractor(), make_file("a.zip", archives.overlapping_zip(1000, 200), ZIP, parts_folder=parts_folder))


def test_a_directory_of_a_million_entries_is_not_looked_through(make_file: MakeFile) -> None:
    with pytest.raises(ResourceError, match="directory"):
        read(Extractor(), make_file("a.zip", archives.directory_of(400_000), ZIP))


def test_an_archive_in_an_archive_is_opened_once_only(make_file: MakeFile, parts_folder: Path) -> None:
    data = b"the end"
    for depth in range(50):
        data = files.zipped({f"{depth}.zip": data})

    found = read(Extractor(), make_file("a.zip", data, ZIP, parts_folder=parts_folder))

    assert [part.name for part in found.parts] == ["49.zip"]


def test_a_tar_whose_headers_lead_backwards_or_on_for_ever_ends(make_file: MakeFile, parts_folder: Path) -> None:
    entry = tarfile.TarInfo("a.txt")
    negative = bytearray(entry.tobuf())
    negative[124:136] = b"\xff" * 12  # a size of minus one
    negative[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(negative))[0]
    long_names = tarfile.TarInfo("././@LongLink")
    long_names.type = tarfile.GNUTYPE_LONGNAME

    for data in (bytes(negative) + bytes(1024), long_names.tobuf(tarfile.GNU_FORMAT) * 5000):
        with pytest.raises(Malformed):
            read(Extractor(), make_file("a.tar", data, TAR, parts_folder=parts_folder))


@pytest.mark.parametrize("media_type", [ZIP, TAR, GZ, BZ2, XZ])
def test_an_empty_file_is_no_archive(make_file: MakeFile, media_type: str) -> None:
    with pytest.raises(Malformed):
        read(Extractor(), make_file("a", b"", media_type))
