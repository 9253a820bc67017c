"""How a command ends when something goes wrong."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import typer

from connector_pipelines.cli.outcome import told
from connector_pipelines.core.errors import ConfigurationError, ConnectorError, DeletionsHeld, Unauthenticated, Unavailable
from tests.cli.conftest import Place


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("away"), 1),
        (Unauthenticated("refused"), 1),
        (ConfigurationError("wrong"), 2),
        (DeletionsHeld("held"), 4),
    ],
)
def test_each_class_of_error_has_its_exit_code(error: ConnectorError, code: int) -> None:
    with pytest.raises(typer.Exit) as ended, told(debug=False):
        raise error

    assert ended.value.exit_code == code


def test_an_error_is_one_line_with_its_fix_and_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), told(debug=False):
        raise Unavailable("no answer from postgresql://me:verysecretword@host/db", advice="start it")

    assert capsys.readouterr().err == "error: no answer from postgresql://me:***@host/db\nfix: start it\n"


def test_a_fault_of_ours_is_one_line_and_the_traceback_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONNECTORS_HOME", str(tmp_path))

    with pytest.raises(typer.Exit) as ended, told(debug=False):
        raise RuntimeError("token=verysecretword\nsecond line")

    log = tmp_path / "logs" / "connectors.log"
    told_lines = capsys.readouterr().err.splitlines()
    assert ended.value.exit_code == 70
    assert told_lines[0] == "error: unexpected RuntimeError: token=***"
    assert str(log) in told_lines[1]
    assert "Traceback" in log.read_text()
    assert "verysecretword" not in log.read_text()


def test_a_full_disk_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, told(debug=False):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("error: the disk is full: /data/x\nfix: free some space")


def test_a_file_that_cannot_be_written_is_told_with_its_reason(tmp_path: Path) -> None:
    ended = Place(tmp_path, {"CONNECTORS_CONFIG": "/dev/full"}).run("init", "--force")

    assert ended.code == 2
    assert ended.err.startswith("error: /dev/full cannot be written: No space left on device\n")


def test_ctrl_c_is_130() -> None:
    with pytest.raises(typer.Exit) as ended, told(debug=False):
        raise KeyboardInterrupt

    assert ended.value.exit_code == 130


def test_usage_errors_are_left_to_typer() -> None:
    with pytest.raises(typer.BadParameter), told(debug=False):
        raise typer.BadParameter("no")
