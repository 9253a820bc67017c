"""A connector that comes in a distribution of somebody else's, installed beside the built wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
EXAMPLE = REPOSITORY / "examples" / "maildir_connector"
MESSAGE = b"From: Ada <ada@example.com>\r\nSubject: Pump of well 4\r\nContent-Type: text/plain\r\n\r\nThe impeller is worn out.\r\n"
BROKEN_PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "broken-connector"
version = "1"
[project.entry-points."connector_pipelines.sources"]
broken = "broken_connector:Source"
"""


class Installed:
    """A virtual environment with the wheel and the packages of others; what they depend on is borrowed from ours."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
        (site,) = folder.glob("lib/python*/site-packages")
        # Appended to the path, so that what is installed here comes first; no other .pth file is read, the one of our
        # editable install neither.
        (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")

    def install(self, *projects: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet", "--no-deps"]
        options = ["--no-build-isolation", "--disable-pip-version-check", "--no-index"]
        done = subprocess.run([*pip, *options, *map(str, projects)], check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    def run(self, working_directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / "python", "-P", "-m", *command],
            check=False,
            cwd=working_directory,
            # The programs that a build starts, hatchling among them, are ours.
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(working_directory), "DAGSTER_HOME": str(working_directory)},
            capture_output=True,
            text=True,
            timeout=240,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    broken = tmp_path_factory.mktemp("broken")
    (broken / "pyproject.toml").write_text(BROKEN_PYPROJECT)
    (broken / "broken_connector.py").write_text("import a_module_that_nobody_has\n")
    installed = Installed(tmp_path_factory.mktemp("environment"))
    installed.install(REPOSITORY, EXAMPLE, broken)
    return installed


def test_a_source_of_another_distribution_is_found_and_one_that_does_not_import_is_named(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "connector_pipelines.cli", "kinds", "--check", "--json")
    sources = {kind["kind"]: kind for kind in json.loads(done.stdout)["sources"]}

    assert done.returncode == 1
    assert (sources["maildir"]["from"], sources["maildir"]["error"]) == ("maildir-connector", None)
    assert "a_module_that_nobody_has" in sources["broken"]["error"]
    assert sources["local_folder"]["error"] is None


def test_a_source_of_another_distribution_passes_the_suite(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "pytest", "-p", "no:cacheprovider", str(EXAMPLE))

    assert done.returncode == 0, done.stdout
    assert int(done.stdout.rpartition(" passed")[0].split()[-1]) > 50


def test_a_source_of_another_distribution_runs_in_dagster(installed: Installed, tmp_path: Path) -> None:
    for directory in ("new", "cur", "tmp"):
        (tmp_path / "Maildir" / directory).mkdir(parents=True)
    (tmp_path / "Maildir" / "new" / "1700000000.M1.host").write_bytes(MESSAGE)
    (tmp_path / "connectors.yaml").write_text(
        """
connectors:
  - name: My mail
    kind: maildir
    endpoints:
      - slug: mail
        settings: {root: Maildir}
"""
    )

    synced = installed.run(tmp_path, "connector_pipelines.cli", "sync", "mail", "--json")
    found = installed.run(tmp_path, "connector_pipelines.cli", "search", "impeller", "--json")

    assert synced.returncode == 0, synced.stderr
    assert "INBOX/1700000000.M1.host" in found.stdout, found.stdout + found.stderr
