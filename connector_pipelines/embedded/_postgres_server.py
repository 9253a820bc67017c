"""Whether the Postgres of a folder runs, and how it is started and stopped. Callers hold the folder's start lock."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.embedded._postgres_account import Account, RunAs, choose_account, make_passable
from connector_pipelines.embedded._postgres_binaries import Binaries, find_binaries, reachable
from connector_pipelines.embedded._postgres_cluster import make_cluster, open_private, set_password, write_durably

__all__ = ["Server"]

_START_TIMEOUT_S = 30
_STOP_TIMEOUT_S = 20
_LOG_BYTES = 10 * 1024**2
# Below 32768, where Linux takes the ports of outgoing connections from: ours is still free after a restart.
_PORTS = range(20000, 32000)
# kill(2) knows no such process: the kernel's highest pid is 4194304.
_NO_PID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Postmaster:
    pid: int
    port: int


class Server:
    """The Postgres of `folder`. Root with a `folder` that an unprivileged user cannot reach keeps the data in `elsewhere`."""

    def __init__(self, folder: Path, *, run_as: RunAs, elsewhere: Path) -> None:
        self._folder = folder
        self._run_as: RunAs = run_as
        self._elsewhere = elsewhere
        self._log = folder / "postgres.log"
        self._password_file = folder / "password"

    def url(self) -> str | None:
        """Of the database `connectors`, with the password, if the server of this folder runs and lets us in.

        Raises:
            ConfigurationError: It runs and refuses the password we keep.
        """
        postmaster, password = self._postmaster(), self._password()
        if postmaster is None or password is None:
            return None
        url = f"postgresql://connectors:{password}@127.0.0.1:{postmaster.port}/connectors"
        return url if self._lets_in(url) else None

    def start(self, *, lock_fd: int) -> str:
        """The URL of the server, made and started as needed.

        Raises:
            ConfigurationError: A person must act.
            Unavailable: It did not come up in time, or ended; the message has the last lines of its log.
        """
        give_up_at = time.monotonic() + _START_TIMEOUT_S
        while (url := self.url()) is None:
            if time.monotonic() > give_up_at:
                raise Unavailable(f"Postgres in {self._folder} did not answer within {_START_TIMEOUT_S} s:\n{self._tail()}")
            if self._postmaster() is None:
                self._launch(lock_fd)
            else:
                time.sleep(0.05)
        return url

    def stop(self) -> None:
        """Stop it, rolling back what is open; nothing happens when it does not run.

        Raises:
            Unavailable: It is still there after all.
        """
        for order in (signal.SIGINT, signal.SIGQUIT):
            give_up_at = time.monotonic() + _STOP_TIMEOUT_S
            if (postmaster := self._postmaster()) is not None:
                with suppress(ProcessLookupError):
                    os.kill(postmaster.pid, order)
            while self._postmaster() is not None:
                if time.monotonic() > give_up_at:
                    break
                time.sleep(0.01)
            else:
                return
        raise Unavailable(f"Postgres in {self._folder} did not stop within {2 * _STOP_TIMEOUT_S} s:\n{self._tail()}")

    def _launch(self, lock_fd: int) -> None:
        data = self._data()
        version = data / "PG_VERSION"
        binaries = find_binaries(version.read_text().strip() if version.exists() else None)
        account = choose_account(folder=self._folder, data=data, program=binaries["postgres"], run_as=self._run_as)
        binaries = reachable(binaries, account, self._folder / "binaries.location")
        data = self._prepared(data, binaries, account, lock_fd)
        port = self._free_port()
        _retire_dead_pid(data / "postmaster.pid")
        before = self._rotated_log_size()
        # Not handed `lock_fd`: the server outlives the lock.
        with os.fdopen(open_private(self._log, os.O_WRONLY | os.O_APPEND), "ab") as log:
            command = [binaries["pg_ctl"], "start", "-w", "-t", str(_START_TIMEOUT_S), "-D", data, "-o", f"-p {port}"]
            done = account.run(command, timeout_s=_START_TIMEOUT_S + 5, output=log)
        if done.returncode != 0:
            self._judge(before)

    def _judge(self, log_size_before: int) -> None:
        """Return where another try may do, raise where it will not."""
        with self._log.open("rb") as log:
            log.seek(log_size_before)
            said = log.read().decode(errors="replace")
        # Taken since we looked; the next try takes another.
        # Backends of a killed server that have not noticed yet; they do, within moments.
        if "could not bind" in said or "pre-existing shared memory block" in said:
            time.sleep(0.05)
            return
        advice = "free some space and try again" if "No space left" in said else f"see {self._log}"
        raise Unavailable(f"Postgres in {self._folder} did not start:\n{self._tail()}", advice=advice)

    def _data(self) -> Path:
        location = self._folder / "data.location"
        return Path(location.read_text().strip()) if location.exists() else self._folder / "data"

    def _prepared(self, data: Path, binaries: Binaries, account: Account, lock_fd: int) -> Path:
        """Where the data is, made if it is not there yet, with a password we know."""
        password = self._password()
        if (data / "PG_VERSION").exists():
            if password is None:
                password = secrets.token_hex(24)
                set_password(data, binaries=binaries, account=account, password=password, lock_fd=lock_fd)
                write_durably(self._password_file, password)
            return data
        if password is None:
            password = secrets.token_hex(24)
            write_durably(self._password_file, password)
        if not account.can("-x", self._folder):
            data = self._elsewhere / secrets.token_hex(8) / "data"
            make_passable(data.parent)
            write_durably(self._folder / "data.location", f"{data}\n")
        make_cluster(data, binaries=binaries, account=account, password=password, lock_fd=lock_fd)
        return data

    def _password(self) -> str | None:
        try:
            return self._password_file.read_text().strip() or None
        except FileNotFoundError:
            return None

    def _free_port(self) -> int:
        """The port of last time, or where a stranger has it now, another, kept for next time."""
        file = self._folder / "port"
        with suppress(FileNotFoundError, ValueError):
            if _is_free(port := int(file.read_text())):
                return port
        for _ in range(200):
            port = _PORTS[secrets.randbelow(len(_PORTS))]
            if _is_free(port):
                write_durably(file, f"{port}\n")
                return port
        raise Unavailable(f"no free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1", advice="see what listens there")

    def _rotated_log_size(self) -> int:
        try:
            size = self._log.stat().st_size
        except FileNotFoundError:
            return 0
        if size <= _LOG_BYTES:
            return size
        self._log.replace(self._log.with_name("postgres.log.1"))
        return 0

    def _postmaster(self) -> _Postmaster | None:
        data = self._data()
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            found = _Postmaster(pid=int(lines[0]), port=int(lines[3]))
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return found if str(data) in _command_line(found.pid) else None

    def _lets_in(self, url: str) -> bool:
        import psycopg

        try:
            # Scram proves that the server knows the password too, and gives nothing away to one that does not.
            psycopg.connect(url, connect_timeout=3, require_auth="scram-sha-256", sslmode="disable", gssencmode="disable").close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ConfigurationError(
                    f"the Postgres of {self._folder} refuses the password in {self._password_file}",
                    advice=f"stop it and delete {self._password_file}; a new password is made at the next start",
                ) from error
            # Full is not dead.
            return "too many clients" in str(error) or "connection slots" in str(error)
        return True

    def _tail(self) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - 8192))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-10:])
        except FileNotFoundError:
            return "(no log)"


def _retire_dead_pid(file: Path) -> None:
    """Name no living process in a dead server's `file`: Postgres takes a zombie, or whoever has the pid now, for its owner.

    The file itself stays, for Postgres finds in it the shared memory by which it knows the dead server's last backends.
    """
    with suppress(FileNotFoundError):
        pid, *rest = file.read_text().splitlines(keepends=True) or [""]
        if pid.strip() != str(_NO_PID):
            # In place: it belongs to the server's user, and half of it does no harm.
            file.write_text("".join([f"{_NO_PID}\n", *rest]))


def _command_line(pid: int) -> list[str]:
    """Arguments of a living process; empty for a zombie, for one that is gone, and for a backend, which renames itself."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return []
    line = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False).stdout
    found = line.strip().partition(" -D ")[2].partition(" -p ")[0]
    return [found] if found else []


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Postgres does: connections of the last server that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
