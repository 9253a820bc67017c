"""What tests share: one real Postgres for all of them, an empty database for each that asks, a real S3 server."""

from __future__ import annotations

import secrets
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.store.blobs import S3Settings
from tests.databases import drop_database


@dataclass(frozen=True, slots=True)
class S3Server:
    """`endpoint` is ``host:port`` of plain HTTP; the keys are enforced."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[EmbeddedPostgres]:
    """The server, running; shared by all workers of pytest-xdist and stopped by the last one."""
    base = tmp_path_factory.getbasetemp()
    server = EmbeddedPostgres((base if worker_id == "master" else base.parent) / "postgres")
    server.ensure_running()
    yield server
    server.release()


@pytest.fixture(scope="session")
def _administration(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.ensure_running(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, _administration: psycopg.Connection) -> Iterator[str]:
    """URL of a fresh, empty database with pgvector, dropped afterwards whoever is still connected."""
    name = f"test_{secrets.token_hex(8)}"
    _administration.execute(f'CREATE DATABASE "{name}"')
    yield urlsplit(postgres.ensure_running())._replace(path=f"/{name}").geturl()
    drop_database(_administration, name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """`rclone serve s3` over a folder: it enforces keys and the expiry of links, which moto does not.

    Its known faults do not concern us: a range is answered with 200, a conditional put overwrites, user metadata is not
    kept over a restart, and a key may not be the beginning of another.
    """
    access_key, secret_key = f"AK{secrets.token_hex(8)}", secrets.token_hex(16)
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    command = [rclone, "serve", "s3", "--config", "/dev/null", "--addr", "127.0.0.1:0", tmp_path_factory.mktemp("s3")]
    # A CSV list of pairs, hence the quotes.
    environment = {"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            yield S3Server(_endpoint(server), access_key, secret_key)
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture
def s3(s3_server: S3Server) -> S3Settings:
    """A bucket of its own for each test; it is made at first use."""
    return S3Settings(
        endpoint=s3_server.endpoint,
        access_key=SecretStr(s3_server.access_key),
        secret_key=SecretStr(s3_server.secret_key),
        bucket=f"bucket-{secrets.token_hex(8)}",
        secure=False,
    )


def _endpoint(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    said = []
    for line in server.stderr:
        said.append(line)
        if "Starting s3 server on" in line:
            # Read on, or the server stops when the pipe is full.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return line.rpartition("http://")[2].rstrip("/]\n")
    raise AssertionError(f"rclone did not start: {''.join(said)}")
