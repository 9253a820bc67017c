"""What tests of limits share: a database with the schema, a server with a journal, processes that send to it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.net.limits import Limits
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.limits import PostgresLimits
from tests.databases import drop_database
from tests.net.limits.loopback import Loopback

REPOSITORY = Path(__file__).parents[3]
LIMIT_S = 30.0


def eventually(found: Callable[[], Any], limit_s: float = LIMIT_S) -> bool:
    """Whether it came true: what another thread or process does is seen by looking again."""
    give_up_at = time.monotonic() + limit_s
    while not found():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture(scope="session")
def limits_url(postgres: EmbeddedPostgres, _administration: psycopg.Connection) -> Iterator[SecretStr]:
    """A database with the newest schema; tests use names of their own in it."""
    name = f"limits_{secrets.token_hex(8)}"
    _administration.execute(f'CREATE DATABASE "{name}"')
    url = SecretStr(urlsplit(postgres.ensure_running())._replace(path=f"/{name}").geturl())
    schema.upgrade(url)
    yield url
    drop_database(_administration, name)


@pytest.fixture
def bucket() -> str:
    return f"app-{secrets.token_hex(6)}/account"


@pytest.fixture
def opened(limits_url: SecretStr) -> Iterator[Callable[..., Limits]]:
    """Makes the limits of one process after the other; all of them in this one."""
    with ExitStack() as stack:

        def make(state: PostgresLimits | None = None, **given: Any) -> Limits:
            made = Limits(state or PostgresLimits(limits_url), **given)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback().running() as made:
        yield made


@pytest.fixture
def sending(limits_url: SecretStr, server: Loopback, bucket: str) -> Callable[..., Any]:
    """Several processes that send to the server, for the length of a block; each is given the arguments of one."""

    @contextmanager
    def start(*arguments: tuple[object, ...], url: str = "") -> Iterator[list[subprocess.Popen[str]]]:
        environment = {**os.environ, "DATABASE_URL": url or limits_url.get_secret_value(), "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "tests.net.limits.worker", server.url, bucket]
        processes = [
            subprocess.Popen(
                [*command, *map(str, given)], cwd=REPOSITORY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for given in arguments
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("begin\n")
                process.stdin.flush()
            yield processes
        finally:
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
            for process in processes:
                try:
                    process.wait(timeout=LIMIT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                assert process.stdout is not None
                process.stdout.close()

    return start


def changed(url: SecretStr, statement: str, *values: object) -> list[dict[str, Any]]:
    """What a statement gives that an operator runs."""
    with psycopg.connect(url.get_secret_value(), autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute(f"SET ROLE {schema.OPERATOR_ROLE}")
        done = connection.execute(statement, values)
        return done.fetchall() if done.description else []
