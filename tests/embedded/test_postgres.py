from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.embedded.postgres import EmbeddedPostgres

# Says which server it uses, then uses it until its standard input ends.
USER = """
import sys, psycopg
from pathlib import Path
from connector_pipelines.embedded.postgres import EmbeddedPostgres
url = EmbeddedPostgres(Path(sys.argv[1])).ensure_running()
with psycopg.connect(url) as connection:
    print(connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0].isoformat(), flush=True)
sys.stdin.read()
"""


def test_the_first_start_makes_a_database_with_pgvector(postgres: EmbeddedPostgres) -> None:
    found = ask(postgres.ensure_running(), "SELECT current_database(), current_user, '[1,2]'::halfvec(2) <-> '[1,3]'")

    assert found == ("connectors", "connectors", 1.0)


def test_a_database_made_later_has_pgvector_too(database_url: str) -> None:
    assert ask(database_url, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == (1,)


def test_our_role_makes_roles_and_databases_and_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    found = ask(
        postgres.ensure_running(), "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    )

    assert found == (False, False, True, True)


def test_words_beside_curly_quotes_and_dashes_are_found(postgres: EmbeddedPostgres) -> None:
    found = ask(postgres.ensure_running(), "SELECT to_tsvector('simple', '“Grüße”—ÄPFEL') @@ to_tsquery('simple', 'grüße & äpfel')")

    assert found == (True,)


def test_what_was_committed_outlives_a_power_cut(postgres: EmbeddedPostgres) -> None:
    found = ask(
        postgres.ensure_running(),
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('data_checksums')",
    )

    assert found == ("on", "on", "on")


@pytest.mark.parametrize("user", ["connectors:wrong", "connectors", "postgres"])
def test_without_the_password_nobody_gets_in(postgres: EmbeddedPostgres, user: str) -> None:
    url = urlsplit(postgres.ensure_running())

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url._replace(netloc=f"{user}@127.0.0.1:{url.port}").geturl())


def test_it_listens_on_one_loopback_address_only(postgres: EmbeddedPostgres) -> None:
    url = urlsplit(postgres.ensure_running())

    assert ask(url.geturl(), "SHOW listen_addresses") == ("127.0.0.1",)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", url.port or 0), timeout=5)
    assert not list(Path("/tmp").glob(f".s.PGSQL.{url.port}"))


def test_a_server_without_a_free_connection_is_not_taken_for_dead(postgres: EmbeddedPostgres) -> None:
    url = postgres.ensure_running()
    connections = []
    with pytest.raises(psycopg.OperationalError):  # noqa: PT012 - which one is refused depends on who else is connected
        while True:
            connections.append(psycopg.connect(url))

    assert postgres.is_running()
    assert postgres.ensure_running() == url
    for connection in connections:
        connection.close()


def test_a_second_process_shares_the_server(folder: Path) -> None:
    with EmbeddedPostgres(folder).use() as url, user_of(folder) as other:
        started_at = said(other)
        leave(other)

        assert started_at == ask(url, "SELECT pg_postmaster_start_time()")[0].isoformat()


def test_six_processes_that_start_at_once_get_one_server_and_the_last_stops_it(folder: Path) -> None:
    racers = [user_of(folder) for _ in range(6)]

    servers = {said(racer) for racer in racers}
    still_running = EmbeddedPostgres(folder).is_running()
    for racer in racers:
        leave(racer)

    assert len(servers) == 1
    assert still_running
    assert not EmbeddedPostgres(folder).is_running()
    assert not (folder / "data" / "postmaster.pid").exists()


def test_the_last_one_out_stops_it_and_the_data_stays(folder: Path) -> None:
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    ask(first.ensure_running(), "CREATE TABLE kept AS SELECT 7 AS n")
    url = second.ensure_running()

    first.release()
    while_second_stays = first.is_running()
    second.release()

    assert while_second_stays
    assert not first.is_running()
    assert EmbeddedPostgres(folder).ensure_running() == url
    assert ask(url, "SELECT n FROM kept") == (7,)


def test_a_killed_user_keeps_nothing_running(folder: Path) -> None:
    with EmbeddedPostgres(folder).use(), user_of(folder) as other:
        said(other)
        other.kill()
        other.wait()

    assert not EmbeddedPostgres(folder).is_running()


def test_a_killed_server_is_replaced_and_the_data_stays(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    ask(server.ensure_running(), "CREATE TABLE kept AS SELECT 7 AS n")

    os.kill(postmaster_pid(folder), signal.SIGKILL)

    assert ask(server.ensure_running(), "SELECT n FROM kept") == (7,)


def test_a_dead_servers_pid_that_another_process_has_now_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.ensure_running()
    os.kill(postmaster_pid(folder), signal.SIGKILL)
    rename_pid(folder, os.getpid())

    assert not server.is_running()
    assert ask(server.ensure_running(), "SELECT 1") == (1,)


def test_a_zombie_is_not_taken_for_a_server(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    server.ensure_running()
    os.kill(postmaster_pid(folder), signal.SIGKILL)
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        rename_pid(folder, zombie.pid)

        assert not server.is_running()
        assert ask(server.ensure_running(), "SELECT 1") == (1,)


def test_a_starter_killed_while_it_makes_the_folder_leaves_no_trace(folder: Path) -> None:
    with user_of(folder) as starter:
        wait_until(lambda: any(folder.glob("data.new-*/global")))
        starter.kill()
        starter.wait()

    assert not (folder / "data").exists()
    assert ask(EmbeddedPostgres(folder).ensure_running(), "SELECT 1") == (1,)
    assert not list(folder.glob("data.new-*"))


def test_a_port_taken_by_a_stranger_is_given_up_for_good(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    port = urlsplit(server.ensure_running()).port or 0
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        other_port = urlsplit(server.ensure_running()).port
        server.stop()

    assert other_port != port
    assert urlsplit(server.ensure_running()).port == other_port


def test_a_lost_password_is_replaced_at_the_next_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    lost = server.ensure_running()
    server.stop()
    (folder / "password").unlink()

    found = server.ensure_running()

    assert ask(found, "SELECT 1") == (1,)
    assert found != lost
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


def test_a_long_log_is_put_aside_at_the_next_start(folder: Path) -> None:
    folder.mkdir()
    (folder / "postgres.log").write_bytes(b"." * (10 * 1024**2 + 1))

    EmbeddedPostgres(folder).ensure_running()

    assert (folder / "postgres.log").stat().st_size < 10_000
    assert (folder / "postgres.log.1").stat().st_size > 10_000


def test_a_folder_that_is_a_file_is_a_setting_to_correct(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="to be a folder of ours"):
            EmbeddedPostgres(folder).ensure_running()


def test_a_data_folder_that_is_not_postgres_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").touch()

    with pytest.raises(ConfigurationError, match="not empty"):
        EmbeddedPostgres(tmp_path).ensure_running()
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["thesis.txt"]


def test_a_version_that_is_not_installed_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(ConfigurationError, match="PostgreSQL 9,"):
        EmbeddedPostgres(tmp_path).ensure_running()


def ask(url: str, query: str) -> tuple:
    with psycopg.connect(url, connect_timeout=10) as connection:
        cursor = connection.execute(query)
        return (cursor.fetchone() or ()) if cursor.description else ()


def user_of(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", USER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    line = user.stdout.readline().strip()
    assert line, "the process ended before it said anything"
    return line


def leave(user: subprocess.Popen[str]) -> None:
    user.communicate(timeout=60)
    assert user.returncode == 0


def postmaster_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def rename_pid(folder: Path, pid: int) -> None:
    file = folder / "data" / "postmaster.pid"
    file.write_text("\n".join([str(pid), *file.read_text().splitlines()[1:], ""]))


def wait_until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        os.sched_yield()
