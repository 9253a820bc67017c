"""What is installed from the built wheel, without the repository beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
BUILD = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--wheel-dir"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as pip would lay it down."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", *BUILD, folder, REPOSITORY], check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("connector_pipelines-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_begins_an_installation_and_brings_its_database_up(installed: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "note.txt").write_text("The pump of well 4 was changed in May.")

    for command in (["init", "--root", "files"], ["validate"], ["sync"], ["search", "pump of well 4"]):
        done = _connectors(installed, tmp_path, command)
        assert done.returncode == 0, done.stderr

    assert "note.txt" in done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(installed: Path) -> None:
    assert {p.name.split("-")[0] for p in installed.iterdir()} == {"connector_pipelines"}
    assert (installed / "connector_pipelines" / "py.typed").exists()


def _connectors(installed: Path, working_directory: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    # The installed package comes before the repository's, which an editable install puts on the path.
    program = f"import sys; sys.path.insert(0, {str(installed)!r}); from connector_pipelines.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *command],
        check=False,
        cwd=working_directory,
        env={"PATH": "/usr/bin:/bin", "HOME": str(working_directory), "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )
