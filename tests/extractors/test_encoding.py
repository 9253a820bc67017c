from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.core.errors import Malformed
from connector_pipelines.extractors._encoding import detect_encoding, open_text

GERMAN = "Die Stützmauer an Achse 7 hat sich um 14 mm bewegt; größer als zulässig.\n"
RUSSIAN = "Протокол осмотра подпорной стены на оси семь, смещение 14 мм.\n"
JAPANESE = "擁壁の変位は十四ミリでした。現場報告書を参照してください。\n"


@pytest.mark.parametrize(
    ("text", "codec", "found"),
    [
        ("plain ASCII\n", "ascii", "utf-8"),
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8-sig"),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (GERMAN, "utf-32", "utf-32"),
        (GERMAN, "cp1252", "cp1252"),
        ("Preis 5 € – „gut“\n", "cp1252", "cp1252"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "cp866", "cp866"),
        (RUSSIAN, "koi8-r", "koi8_r"),
        (JAPANESE, "shift_jis", "shift_jis"),
    ],
)
def test_text_reads_back_as_it_was_written(tmp_path: Path, text: str, codec: str, found: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(text.encode(codec))

    encoding = detect_encoding(path, 1024**2)

    assert encoding.name == found
    with open_text(path, encoding, newline="") as stream:
        assert stream.read() == text


def test_the_first_byte_that_is_not_utf8_is_found_far_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_bytes(b"all quiet\n" * 300_000 + "Größe geändert\n".encode("cp1252"))

    assert detect_encoding(path, 10 * 1024**2).name == "cp1252"


def test_one_bad_byte_does_not_garble_a_file_of_utf8(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_bytes(GERMAN.encode() * 20 + b"\xff\n")

    encoding = detect_encoding(path, 1024**2)

    assert encoding.name == "utf-8"
    assert encoding.warning == "some bytes are not UTF-8 and were replaced"


def test_a_character_cut_off_by_the_end_of_the_file_is_no_reason_for_doubt(tmp_path: Path) -> None:
    path = tmp_path / "cut.txt"
    path.write_bytes("größer".encode()[:3])

    assert detect_encoding(path, 1024**2).name == "utf-8"


@pytest.mark.parametrize("data", [bytes(range(256)) * 4, b"\x7fELF\x02\x01\x01" + bytes(100), b"\x01\x02\x03\x04 few" * 10])
def test_binary_bytes_are_not_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "binary"
    path.write_bytes(data)

    with pytest.raises(Malformed, match="binary data"):
        detect_encoding(path, 1024**2)
