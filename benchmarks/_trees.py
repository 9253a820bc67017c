"""Which files does a benchmark sync? Made from a seed, so that every run has the same."""

from __future__ import annotations

import os
import random
from pathlib import Path

__all__ = ["binary_tree", "files_below", "many_files", "passage", "text_tree", "write_text"]

_SYLLABLES = (
    "be",
    "ton",
    "wall",
    "gir",
    "der",
    "ax",
    "is",
    "slope",
    "mor",
    "tar",
    "pi",
    "le",
    "cra",
    "ne",
    "drai",
    "nage",
    "sur",
    "vey",
    "lo",
    "ad",
)
_FOLDER = 50
_IN_A_FOLDER = 100
_BLOCK = 1024**2


def passage(source: random.Random, characters: int) -> str:
    """Sentences of made-up words, about so long; no two alike."""
    parts, length = [], 0
    while length < characters:
        words = ["".join(source.choices(_SYLLABLES, k=source.randint(1, 4))) for _ in range(source.randint(6, 18))]
        parts.append(f"{' '.join(words).capitalize()} {source.randint(1, 99_999)}.")
        length += len(parts[-1]) + 1
    return " ".join(parts)[:characters]


def text_tree(root: Path, files: int, size: int) -> None:
    """So many text files of `size` bytes, in folders of fifty."""
    source = random.Random(7)
    for number in range(files):
        write_text(root, number, passage(source, size))


def write_text(root: Path, number: int, text: str) -> None:
    path = root / f"folder{number // _FOLDER:04}" / f"note{number:06}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def binary_tree(root: Path, files: int, size: int) -> None:
    """So many files of `size` random bytes, which no extractor takes."""
    source = random.Random(11)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        with (root / f"scan{number:04}.bin").open("wb") as file:
            for _ in range(size // _BLOCK):
                file.write(source.randbytes(_BLOCK))


def many_files(root: Path, count: int) -> None:
    """So many files of a few bytes, a hundred to a folder."""
    for number in range(0, count, _IN_A_FOLDER):
        folder = root / f"part{number // 10_000:03}" / f"folder{number // _IN_A_FOLDER:05}"
        folder.mkdir(parents=True)
        for n in range(min(_IN_A_FOLDER, count - number)):
            (folder / f"note{n:03}.txt").write_text(f"note {number + n}")


def files_below(root: Path) -> list[str]:
    """Found with one scandir a folder and one stat an entry: the least that tells whether anything changed."""
    found: list[str] = []
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                (folders if entry.is_dir(follow_symlinks=False) else found).append(entry.path)
    return found
