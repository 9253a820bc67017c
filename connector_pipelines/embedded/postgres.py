"""How processes on one machine share a real Postgres that nobody has to install: in a folder, started by the first, stopped by the last.

    with EmbeddedPostgres(folder).use() as url: ...

Who uses it holds a shared lock on `users.lock`, which the kernel gives back however its holder ends. The last one out stops
the server; where the last one was killed, the server stays until the next one leaves.

In the folder: `data` (or `data.location`, where it is), `password`, `port`, `postgres.log`, and the locks `start.lock` and
`users.lock`. Everything but the log must be kept together, and nothing in it needs a person's care.
"""

from __future__ import annotations

import atexit
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.embedded._postgres_account import RunAs, make_passable
from connector_pipelines.embedded._postgres_server import Server
from connector_pipelines.embedded.locks import FileLock

__all__ = ["EmbeddedPostgres"]

# Longer than any holder needs: making a cluster takes one second, starting gives up after thirty.
_LOCK_TIMEOUT_S = 90


class EmbeddedPostgres:
    """The Postgres of `folder`, with pgvector, on 127.0.0.1 only, behind a password made for it.

    Its role `connectors` owns the database `connectors`, may make databases and roles, and is no superuser.

    Args:
        folder: Made if it is not there. Not on a network file system.
        run_as: As root only: which of two ways to not run as root, see `RunAs`.
        elsewhere: As root only: where the data goes when the unprivileged user cannot reach `folder`.
    """

    def __init__(self, folder: Path, *, run_as: RunAs = "auto", elsewhere: Path = Path("/var/lib/connector-pipelines")) -> None:
        self._folder = folder.expanduser().resolve()
        self._server = Server(self._folder, run_as=run_as, elsewhere=elsewhere)
        self._membership: FileLock | None = None
        self._member_pid = 0
        self._guard = threading.RLock()

    def ensure_running(self) -> str:
        """The URL of database `connectors`, with the password. Until `release`, or its end, this process is a user.

        Raises:
            ConfigurationError: A person must act: no programs, a folder that is a file or not ours to write.
            Unavailable: It did not start: no space, no time, no lock.
        """
        with self._guard, self._faults():
            if self._membership is None or self._member_pid != os.getpid():
                self._membership, url = self._join()
                self._member_pid = os.getpid()
                atexit.register(self._release_at_exit)
                return url
            return self._server.url() or self._start()

    @contextmanager
    def use(self) -> Iterator[str]:
        """Be a user for the length of the block, given the URL. Raises as `ensure_running` does."""
        with self._faults():
            membership, url = self._join()
        try:
            yield url
        finally:
            with self._faults():
                self._leave(membership)

    def is_running(self) -> bool:
        """Whether it runs now and lets us in."""
        with self._faults():
            return self._server.url() is not None

    def release(self) -> None:
        """Be no user any more, as far as `ensure_running` made us one; the last one out stops the server."""
        with self._guard, self._faults():
            atexit.unregister(self._release_at_exit)
            membership, self._membership = self._membership, None
            # A forked child that lets go closes its copy of the lock; the server is not its to stop.
            if membership is not None and self._member_pid == os.getpid():
                self._leave(membership)

    def stop(self) -> None:
        """Stop it now, whoever uses it."""
        with self._guard, self._faults():
            if self._folder.is_dir():
                with self._taking_turns():
                    self._server.stop()
                self.release()

    def _join(self) -> tuple[FileLock, str]:
        if os.geteuid() == 0:
            # For a server with fewer rights; what is inside is for its owner only.
            make_passable(self._folder)
        else:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        users = FileLock(self._folder / "users.lock", shared=True)
        with self._taking_turns() as turn:
            # Held by nobody else but in turn.
            users.acquire(timeout_s=0)
            try:
                return users, self._server.start(lock_fd=turn.fd)
            except BaseException:
                users.release()
                raise

    def _leave(self, users: FileLock) -> None:
        if not self._folder.is_dir():
            users.release()
            return
        with self._taking_turns():
            users.release()
            alone = FileLock(self._folder / "users.lock")
            if alone.acquire(timeout_s=0):
                try:
                    self._server.stop()
                finally:
                    alone.release()

    def _start(self) -> str:
        with self._taking_turns() as turn:
            return self._server.start(lock_fd=turn.fd)

    def _release_at_exit(self) -> None:
        # There is nobody left to tell; the server is stopped by whoever leaves last after us.
        with suppress(ConnectorError):
            self.release()

    @contextmanager
    def _taking_turns(self) -> Iterator[FileLock]:
        lock = FileLock(self._folder / "start.lock")
        if not lock.acquire(timeout_s=_LOCK_TIMEOUT_S):
            raise Unavailable(
                f"another process has been starting or stopping the Postgres of {self._folder} for {_LOCK_TIMEOUT_S} s",
                advice=f"see {self._folder / 'postgres.log'}",
            )
        try:
            yield lock
        finally:
            lock.release()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f"{error.strerror} ({error.filename or self._folder})"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise Unavailable(f"the embedded Postgres could not write: {what}", advice="free some space and try again") from error
            raise ConfigurationError(
                f"the embedded Postgres needs {self._folder} to be a folder of ours: {what}",
                advice="set another folder, or give it to the user we run as",
            ) from error
