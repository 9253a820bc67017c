"""`connectors draft`: from a file on disk to a connectors.yaml that is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connector_pipelines.cli.app import app
from tests.sources.rest_api_drafting.documents import get, listed, openapi, record

DOCUMENT = openapi({"/contacts": get(listed(record(id="integer", name="string", updated_at="date-time")), "updated_since", "page")})


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "acme.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def test_what_is_drafted_is_found_right_by_validate(document: Path, tmp_path: Path) -> None:
    out = tmp_path / "connectors.yaml"

    drafted = run("draft", "rest_api", "--openapi", str(document), "--out", str(out))
    validated = run("validate", str(out))

    assert (drafted[0], validated[0]) == (0, 0), drafted[1] + validated[1]
    assert "1 connector, 1 endpoint" in validated[1]


def test_without_a_file_to_write_the_draft_is_printed(document: Path) -> None:
    code, output = run("draft", "rest_api", "--openapi", str(document))

    assert code == 0
    assert output.startswith("# Drafted from acme.json: Acme CRM 1.2\n")
    assert "parameter: updated_since" in output


def test_a_file_that_exists_is_not_written_over(document: Path, tmp_path: Path) -> None:
    out = tmp_path / "connectors.yaml"
    out.write_text("mine")

    code, output = run("draft", "rest_api", "--openapi", str(document), "--out", str(out))

    assert code == 2
    assert "exists already" in output
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["local_folder", "--openapi", "acme.json"], "connectors of kind 'local_folder' cannot be drafted"),
        (["rest_api", "--openapi", "/no/such/file"], "cannot be read: No such file or directory"),
        (["rest_api", "--openapi", "/"], "cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_drafted_is_an_error_with_its_fix(arguments: list[str], told: str) -> None:
    code, output = run("draft", *arguments)

    assert code == 2
    assert told in output
    assert "fix: " in output


def test_a_file_of_a_hundred_megabytes_is_refused_unread(tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(100 * 1024**2)

    code, output = run("draft", "rest_api", "--openapi", str(big))

    assert code == 1
    assert "has 100 MiB; an OpenAPI document may have 64 MiB" in output


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return done.exit_code, done.output
