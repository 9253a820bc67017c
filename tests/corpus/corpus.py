"""Where is the corpus, and what do independent tools say of its files?"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "Expected", "corpus_folder", "expected"]

KINDS = ("pdf", "csv", "office", "misc")
_BESIDE = Path(__file__).parents[3] / "shared" / "corpus"


@dataclass(frozen=True, slots=True)
class Expected:
    """A file of the corpus. `facts` are those of `expectations.json`, by tools that are not ours."""

    path: str
    kind: str
    format: str
    password: str
    facts: dict[str, Any]


def corpus_folder() -> Path | None:
    """None where there is none."""
    folder = Path(os.environ.get("CORPUS_DIR", _BESIDE))
    return folder if (folder / "manifest.csv").is_file() else None


def expected(folder: Path) -> list[Expected]:
    facts = json.loads((folder / "expectations.json").read_text(encoding="utf-8"))
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] in KINDS]
    return [
        Expected(row["path"], row["kind"], row["format"], row["password"], facts.get(row["path"], {}).get("independent", {}))
        for row in rows
    ]
