"""The process environment, read from a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.settings import load_settings
from connector_pipelines.telemetry import scrub

MINIO = {"MINIO_ENDPOINT": "127.0.0.1:9000", "MINIO_ACCESS_KEY": "reader", "MINIO_SECRET_KEY": "a-long-minio-secret"}


def test_an_empty_environment_gives_the_embedded_stack_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    settings = load_settings({})

    assert settings.home == tmp_path / ".connectors"
    assert settings.config_file == tmp_path / "connectors.yaml"
    assert settings.database_url is None
    assert settings.s3 is None
    assert 1 <= settings.extract_workers <= 8


def test_an_empty_variable_counts_as_unset():
    assert load_settings({"DATABASE_URL": "", "CONNECTORS_DOWNLOAD_THREADS": " "}) == load_settings({})


@pytest.mark.parametrize(
    "prefix", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg", "postgresql+asyncpg", "PostgreSQL"]
)
def test_every_spelling_of_a_postgres_url_becomes_the_one_psycopg_takes(prefix):
    settings = load_settings({"DATABASE_URL": f"{prefix}://u:p%40ss@db:5433/files?sslmode=require"})

    assert settings.database_url.get_secret_value() == "postgresql://u:p%40ss@db:5433/files?sslmode=require"


@pytest.mark.parametrize("url", ["mysql://u:hunter2hunter2@h/db", "sqlite:///x.db", "/var/db", "postgresql://u:hunter2/hunter2@h/db"])
def test_what_is_no_postgres_url_is_refused_without_being_shown(url):
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        load_settings({"DATABASE_URL": url})

    assert url not in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_the_scheme_of_the_object_store_is_dropped_and_decides_on_tls():
    plain = load_settings(MINIO | {"MINIO_ENDPOINT": "http://minio:9000/"})
    secure = load_settings(MINIO | {"MINIO_ENDPOINT": "https://minio:9000"})
    told = load_settings(MINIO | {"MINIO_ENDPOINT": "https://minio:9000", "MINIO_SECURE": "false"})

    assert [(s.s3.endpoint, s.s3.secure) for s in (plain, secure, told)] == [
        ("minio:9000", False),
        ("minio:9000", True),
        ("minio:9000", False),
    ]


@pytest.mark.parametrize("absent", sorted(MINIO))
def test_half_an_object_store_is_refused_by_the_name_of_what_is_missing(absent):
    with pytest.raises(ConfigurationError, match=f"{absent}: is missing"):
        load_settings({name: value for name, value in MINIO.items() if name != absent})


def test_all_mistakes_are_told_at_once_each_with_its_variable():
    with pytest.raises(ConfigurationError) as caught:
        load_settings(
            {
                "CONNECTORS_DOWNLOAD_THREADS": "many",
                "CONNECTORS_LOG_FORMAT": "xml",
                "MINIO_ENDPOINT": "minio/bucket",
                "MINIO_BUCKET": "A",
                "DAGSTER_WEBSERVER_URL": "localhost:3000",
            }
        )

    named = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert named == [
        "CONNECTORS_DOWNLOAD_THREADS", "CONNECTORS_LOG_FORMAT", "DAGSTER_WEBSERVER_URL", "MINIO_ACCESS_KEY", "MINIO_BUCKET", "MINIO_ENDPOINT",
        "MINIO_SECRET_KEY",
    ]  # fmt: skip
    assert "not 'many'" in str(caught.value)


def test_the_log_level_may_be_written_in_lower_case():
    assert load_settings({"CONNECTORS_LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_a_home_below_the_users_own_is_found():
    assert load_settings({"CONNECTORS_HOME": "~/sync"}).home == Path.home() / "sync"


def test_settings_do_not_show_their_secrets():
    settings = load_settings(MINIO | {"DATABASE_URL": "postgresql://u:a-database-password@h/db"})

    shown = f"{settings!r} {settings} {settings.s3!r}"

    assert "a-long-minio-secret" not in shown
    assert "a-database-password" not in shown


def test_secrets_of_the_environment_are_masked_from_then_on():
    load_settings({"DATABASE_URL": "postgresql://u:pass%2Dword-7731@h/db"})

    assert scrub("FATAL: pass-word-7731 refused, as was pass%2Dword-7731") == "FATAL: *** refused, as was ***"


def test_a_password_that_is_also_a_name_does_not_eat_the_logs():
    load_settings({"DATABASE_URL": "postgresql://warehouse:warehouse@h/files"})

    assert scrub("no table in warehouse; postgresql://warehouse:warehouse@h") == "no table in warehouse; postgresql://warehouse:***@h"


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_settings({}).download_threads = 2
