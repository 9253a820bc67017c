"""Secret references, against a mapping and real files."""

from __future__ import annotations

import logging
import os

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.secrets import MAX_SECRET_BYTES, Secrets
from connector_pipelines.telemetry import scrub


@pytest.fixture
def secrets(tmp_path):
    return Secrets({"TOKEN": "value-of-token-1", "EMPTY": "", "BLANK": "  "}, tmp_path)


def write(path, content: bytes, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)


def test_a_variable_is_read_and_not_shown(secrets):
    secret = secrets.resolve("env:TOKEN")

    assert secret.get_secret_value() == "value-of-token-1"
    assert "value" not in repr(secret)


def test_a_file_is_read_without_the_newlines_at_its_end(secrets, tmp_path):
    write(tmp_path / "password", b"  spaces around it \r\n\n")

    assert secrets.resolve(f"file:{tmp_path}/password").get_secret_value() == "  spaces around it "


def test_a_relative_file_starts_from_the_base_folder(secrets, tmp_path):
    write(tmp_path / "password", b"from-the-base")

    assert secrets.resolve("file:password").get_secret_value() == "from-the-base"


def test_a_rotated_file_is_read_anew(secrets, tmp_path):
    write(tmp_path / "password", b"first-value")
    secrets.resolve("file:password")
    write(tmp_path / "password", b"second-value")

    assert secrets.resolve("file:password").get_secret_value() == "second-value"


def test_what_was_resolved_is_masked_from_then_on(secrets, tmp_path):
    write(tmp_path / "password", b"resolved-and-masked-88")
    secrets.resolve("file:password")

    assert scrub("refused: resolved-and-masked-88") == "refused: ***"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NO_SUCH", "'env:NO_SUCH': the environment variable NO_SUCH is not set"),
        ("env:EMPTY", "'env:EMPTY' is empty"),
        ("env:BLANK", "'env:BLANK' is empty"),
        ("file:absent", "'file:absent' cannot be read"),
        ("file:", "'file:' is not a file"),
        ("file:a\0b", "cannot be read"),
        ("file:~no-such-user/x", "cannot be read"),
        ("gcp:projects/x/secrets/y", "unknown scheme 'gcp'; known: env:, file:, vault:, aws:, store:"),
        ("bao:kv/x#y", "unknown scheme 'bao'; known: env:, file:, vault:, aws:, store:"),
        ("vault:kv/x#y", "'vault:kv/x#y': vault: is not set up here"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named_with_what_is_wrong(secrets, reference, says):
    with pytest.raises(ConfigurationError) as caught:
        secrets.resolve(reference)

    assert says in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize("literal", ["hunter2-literal", "hunter2:literal", "env:hunter2 literal!", "", "https://hunter2@literal"])
def test_a_secret_given_in_place_of_a_reference_is_not_repeated(secrets, literal):
    with pytest.raises(ConfigurationError) as caught:
        secrets.resolve(literal)

    assert "hunter2" not in str(caught.value)
    assert "env:" in str(caught.value)


def test_a_secret_given_in_place_of_a_reference_is_masked_wherever_else_it_turns_up(secrets):
    with pytest.raises(ConfigurationError):
        secrets.resolve("literal-secret-in-config")

    assert scrub("settings: literal-secret-in-config") == "settings: ***"


def test_a_file_too_large_for_a_secret_is_refused(secrets, tmp_path):
    write(tmp_path / "just", b"x" * MAX_SECRET_BYTES)
    write(tmp_path / "over", b"x" * (MAX_SECRET_BYTES + 1))

    assert len(secrets.resolve("file:just").get_secret_value()) == MAX_SECRET_BYTES
    with pytest.raises(ConfigurationError, match="larger than 65536 bytes"):
        secrets.resolve("file:over")


def test_a_file_that_is_no_text_is_refused_without_its_bytes(secrets, tmp_path):
    write(tmp_path / "key", b"\xff\xfehunter2")

    with pytest.raises(ConfigurationError, match="not UTF-8") as caught:
        secrets.resolve("file:key")

    assert caught.value.__cause__ is None
    assert "hunter2" not in str(caught.value)


def test_a_pipe_is_refused_and_not_waited_for(secrets, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigurationError, match="is not a file"):
        secrets.resolve("file:pipe")


def test_a_file_everyone_can_read_is_warned_about_once(secrets, tmp_path, caplog):
    write(tmp_path / "open", b"readable-by-everyone", mode=0o644)
    logger = logging.getLogger("connector_pipelines.store.secrets")
    logger.addHandler(caplog.handler)

    try:
        secrets.resolve("file:open")
        secrets.resolve("file:open")
    finally:
        logger.removeHandler(caplog.handler)

    events = {id(record): record.getMessage() for record in caplog.records}
    assert len(events) == 1
    assert "secret_file_readable_by_everyone reference=file:open" in next(iter(events.values()))
    assert "readable-by-everyone" not in caplog.text
