"""What docs/ci.md tells people to put into their CI, run as they would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "ci"
MATERIALIZE = ["dagster", "asset", "materialize", "-m", "acme_data.definitions", "--select", 'key:"local_folder/papers/listing"+']


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns(".connectors", "dagster_home", "__pycache__"))


def test_the_check_passes_on_a_fresh_checkout_and_finds_what_it_brought_in(project: Path) -> None:
    done = run(project, "./check.sh")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout
    assert "impeller of the pump at well 4" in done.stdout


def test_a_mistake_in_the_file_stops_the_check_with_its_line(project: Path) -> None:
    file = project / "connectors.yaml"
    file.write_text(file.read_text().replace("root: papers", "rot: papers"))

    done = run(project, "./check.sh")

    assert done.returncode == 2
    assert "connectors.yaml:6" in done.stderr
    assert not (project / "dagster_home").exists()


def test_definitions_that_do_not_load_are_a_failed_check(project: Path) -> None:
    (project / "acme_data" / "definitions.py").write_text("import a_module_that_nobody_has\n")

    run(project, "connectors", "init")

    for command in (["dg", "check", "defs"], ["dagster", "definitions", "validate", "-m", "acme_data.definitions"]):
        done = run(project, *command)
        assert done.returncode == 1
        assert "a_module_that_nobody_has" in done.stdout + done.stderr


def test_a_partition_that_cannot_be_materialised_is_a_failed_command(project: Path) -> None:
    run(project, "connectors", "init")
    shutil.rmtree(project / "papers")

    done = run(project, *MATERIALIZE, "--partition", "2024-03-05")

    assert done.returncode == 1
    assert "papers: No such file or directory" in done.stdout + done.stderr


def test_a_file_that_failed_fails_a_strict_sync_alone(project: Path) -> None:
    (project / "papers" / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing that follows")

    codes = [run(project, "connectors", "sync", "papers", *strict).returncode for strict in ([], ["--strict"])]

    assert codes == [0, 3]


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin",
        "HOME": str(project),
        "DAGSTER_HOME": str(project / "dagster_home"),
        "COLUMNS": "200",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    return subprocess.run(command, check=False, cwd=project, env=environment, capture_output=True, text=True, timeout=240)
