"""What the tests of the command line share: a folder with a connectors.yaml in it, and the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SHARED_MODELS = "models"


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Place:
    """A working directory of somebody who uses the command."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CONNECTORS_", "DAGSTER_", "DATABASE_", "MINIO_"))
        }
        return {**kept, "CONNECTORS_HOME": str(self.folder / "home"), **self.variables}

    @property
    def yaml(self) -> Path:
        return self.folder / "connectors.yaml"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "connector_pipelines.cli", *arguments]

    def run(self, *arguments: str) -> Ended:
        ended = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def configure(self, *slugs: str, extra: str = "") -> None:
        """One endpoint for each slug, on the folder of the same name, delivered to the full text sink alone: no model is needed."""
        endpoints = "".join(f"      - {{slug: {slug}, settings: {{root: {slug}}}}}\n" for slug in slugs)
        self.yaml.write_text(
            "sinks:\n  search: {kind: postgres_text}\n"
            f"connectors:\n  - name: Files\n    kind: local_folder\n    endpoints:\n{endpoints}{extra}"
        )

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def bare(tmp_path: Path) -> Place:
    """Without a database, for what needs none."""
    return Place(tmp_path, {"DATABASE_URL": "postgresql://nobody:hunter2hunter2@127.0.0.1:9/none"})


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Place:
    """With an empty database, and one endpoint `files` on a folder of two good files and a broken one."""
    made = Place(tmp_path, {"DATABASE_URL": database_url})
    made.write("files/report.txt", "The retaining wall moved 12 millimetres in May.\n")
    made.write("files/readings.csv", "date,reading\n2024-01-01,5\n")
    made.write("files/broken.pdf", "%PDF-1.7\nbroken")
    made.configure("files")
    return made
