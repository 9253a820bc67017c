"""The first minutes with the command: help, init, validate, kinds, and what it says to those who go wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import connector_pipelines
from connector_pipelines.cli.starting import default_dagster_yaml
from connector_pipelines.settings import load_settings
from tests.cli.conftest import Place

REPOSITORY = Path(connector_pipelines.__file__).parent.parent


def test_help_names_every_command_and_every_exit_code(bare: Place) -> None:
    ended = bare.run("--help")

    assert ended.code == 0
    commands = (
        "init",
        "dev",
        "demo",
        "validate",
        "apply",
        "kinds",
        "test",
        "sync",
        "search",
        "status",
        "failures",
        "approve",
        "purge",
        "migrate",
    )
    assert [c for c in commands if f" {c} " not in ended.out] == []
    assert [code for code in ("0 well", "70 a fault", "130 interrupted") if code not in " ".join(ended.out.split())] == []


def test_the_version_is_the_packages(bare: Place) -> None:
    assert bare.run("--version").out == f"connectors {connector_pipelines.__version__}\n"


def test_starting_imports_nothing_heavy() -> None:
    heavy = ("dagster", "psycopg", "pydantic", "numpy", "httpx", "sqlalchemy", "structlog")
    program = f"import sys; import connector_pipelines.cli.app; print([m for m in {heavy!r} if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_command_is_a_usage_error(bare: Place) -> None:
    ended = bare.run("synk")

    assert ended.code == 2
    assert "synk" in ended.err


def test_init_writes_files_that_validate(bare: Place) -> None:
    bare.write("mine/a.txt", "text")

    began, checked = bare.run("init", "--root", "mine"), bare.run("validate")

    assert (began.code, checked.code) == (0, 0)
    assert 'root: "mine"' in bare.yaml.read_text()
    assert (bare.folder / "dagster_home" / "dagster.yaml").read_text() == default_dagster_yaml()
    assert "connector_pipelines.definitions" in (bare.folder / "workspace.yaml").read_text()


def test_init_keeps_a_file_that_is_there_unless_forced(bare: Place) -> None:
    bare.yaml.write_text("mine")

    kept, after = bare.run("init"), bare.yaml.read_text()
    forced = bare.run("init", "--force")

    assert (kept.code, after) == (0, "mine")
    assert "kept connectors.yaml" in kept.out
    assert forced.code == 0
    assert bare.yaml.read_text() != "mine"


def test_init_refuses_a_root_that_is_no_folder(bare: Place) -> None:
    ended = bare.run("init", "--root", "nowhere")

    assert ended.code == 2
    assert ended.err == "error: --root: nowhere is not a folder\nfix: create it, or name one that exists\n"
    assert not bare.yaml.exists()


def test_init_refuses_a_root_that_would_bring_in_what_was_brought_in(bare: Place) -> None:
    ended = bare.run("init", "--root", ".")

    assert ended.code == 2
    assert "bring in itself" in ended.err


def test_validate_says_what_is_right(bare: Place) -> None:
    bare.write("files/a.txt", "text")
    bare.configure("files")

    assert bare.run("validate").out == "connectors.yaml is right: 1 connector, 1 endpoint, 1 sink\n"
    assert bare.run("validate", "--json").json["endpoints"] == ["files"]


def test_validate_names_every_mistake_with_its_line(bare: Place) -> None:
    bare.yaml.write_text("connectors:\n  - name: A\n    kind: local_foldr\n    endpoints:\n      - slug: a\n        scheduel: {}\n")

    ended = bare.run("validate")

    assert ended.code == 2
    assert "connectors.yaml:3: " in ended.err
    assert "did you mean 'local_folder'?" in ended.err
    assert "connectors.yaml:6: " in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", [("validate",), ("apply",), ("dev", "--no-browser")])
def test_without_a_connectors_file_the_fix_is_init(bare: Place, command: tuple[str, ...]) -> None:
    ended = bare.run(*command)

    assert ended.code == 2
    assert "connectors.yaml" in ended.err
    assert "connectors init" in ended.err


def test_kinds_lists_what_can_be_configured(bare: Place) -> None:
    shown, told = bare.run("kinds", "--check"), bare.run("kinds", "--json").json

    assert shown.code == 0
    assert "local_folder" in shown.out
    assert "local_folder" in [k["kind"] for k in told["sources"]]
    assert "postgres_text" in [k["kind"] for k in told["sinks"]]
    assert "application/pdf" in next(k for k in told["extractors"] if k["kind"] == "pdf")["media_types"]


@pytest.mark.parametrize("command", [("status",), ("sync",), ("apply",), ("migrate",)])
def test_a_database_that_is_away_is_one_line_without_its_password(bare: Place, command: tuple[str, ...]) -> None:
    bare.write("files/a.txt", "text")
    bare.configure("files")

    ended = bare.run(*command)

    assert ended.code == 1
    assert ended.err.startswith("error: could not connect to Postgres")
    assert "\nfix: check that the database is up" in ended.err
    assert "hunter2" not in ended.err
    assert "Traceback" not in ended.err


def test_debug_shows_the_traceback(bare: Place) -> None:
    ended = bare.run("--debug", "status")

    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "hunter2" not in ended.err


def test_wrong_settings_are_told_by_their_variable(tmp_path: Path) -> None:
    ended = Place(tmp_path, {"DATABASE_URL": "mysql://x"}).run("status")

    assert ended.code == 2
    assert "DATABASE_URL" in ended.err


def test_the_shipped_dagster_yaml_is_the_repositorys() -> None:
    assert default_dagster_yaml() == (REPOSITORY / "dagster_home" / "dagster.yaml").read_text()


def test_dagster_home_is_absolute_and_beside_the_work_by_default(tmp_path: Path) -> None:
    assert load_settings({}).dagster_home == Path("dagster_home").absolute()
    assert load_settings({"DAGSTER_HOME": str(tmp_path)}).dagster_home == tmp_path
