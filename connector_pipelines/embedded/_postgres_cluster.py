"""How a Postgres data folder comes to be: whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.embedded._postgres_account import Account
from connector_pipelines.embedded._postgres_binaries import Binaries

__all__ = ["make_cluster", "open_private", "set_password", "write_durably"]

_TIMEOUT_S = 60
# For the parser of full text: with the locale C alone, dashes and curly quotes count as letters of the words beside them.
_CHARACTER_TYPES = ("C.UTF-8", "en_US.UTF-8", "C")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A failing statement may hold a secret (ALTER ROLE ... PASSWORD).
    "log_min_error_statement": "panic",
}


def make_cluster(data: Path, *, binaries: Binaries, account: Account, password: str, lock_fd: int) -> None:
    """Make `data`: role and database `connectors`, pgvector there and in every database made later.

    It is made beside `data` and renamed, so that one killed half-way is not taken for a whole one. The programs hold the
    caller's lock too (`lock_fd`): whoever comes after a killed caller waits until they have ended, and clears up.

    Raises:
        Unavailable: A program failed; the message has its last lines.
    """
    for leftover in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(leftover)
    new = data.with_name(f"{data.name}.new-{secrets.token_hex(4)}")
    try:
        _initdb(new, binaries, account, lock_fd)
        # The superuser has no password, so it cannot sign in at all.
        (new / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        statements = (
            "CREATE EXTENSION vector",
            f"CREATE ROLE connectors LOGIN CREATEDB CREATEROLE PASSWORD '{password}'",
            "CREATE DATABASE connectors OWNER connectors",
        )
        _execute(new, statements, binaries, account, lock_fd)
        new.rename(data)
        _sync_folder(data.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def set_password(data: Path, *, binaries: Binaries, account: Account, password: str, lock_fd: int) -> None:
    """Give role `connectors` of the stopped cluster `data` another password."""
    _execute(data, [f"ALTER ROLE connectors PASSWORD '{password}'"], binaries, account, lock_fd)


def write_durably(path: Path, text: str) -> None:
    """Write a small file for our eyes only, so that after a power cut it has the old text or the new."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(open_private(new, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


def open_private(path: Path, flags: int) -> int:
    """Open, and make if need be, a file that only the folder's owner reads: root must not lock out who comes after."""
    fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    owner = path.parent.stat()
    if os.geteuid() == 0 and os.fstat(fd).st_uid != owner.st_uid:
        os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd


def _initdb(new: Path, binaries: Binaries, account: Account, lock_fd: int) -> None:
    output = ""
    for character_type in _CHARACTER_TYPES:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        account.give(new)
        locale = ["--locale=C", f"--lc-ctype={character_type}"]
        if int(binaries.major) >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        settings = [f"--set={name}={value}" for name, value in _SETTINGS.items()]
        command = [binaries["initdb"], "-D", new, "-U", "postgres", "-A", "reject", "-E", "UTF8", *locale, *settings]
        done = account.run(command, timeout_s=_TIMEOUT_S, pass_fds=[lock_fd])
        if done.returncode == 0:
            return
        output = done.stdout
        if "locale" not in output:
            break
    raise _failed("initdb", new.parent, output)


def _execute(data: Path, statements: Sequence[str], binaries: Binaries, account: Account, lock_fd: int) -> None:
    command = [binaries["postgres"], "--single", "-D", data, "-c", "exit_on_error=on", "template1"]
    done = account.run(command, timeout_s=_TIMEOUT_S, stdin="".join(f"{s};\n" for s in statements), pass_fds=[lock_fd])
    if done.returncode != 0:
        raise _failed("postgres --single", data.parent, done.stdout)


def _failed(program: str, folder: Path, output: str) -> Exception:
    tail = "\n".join(output.strip().splitlines()[-10:])
    if "Permission denied" in output:
        return ConfigurationError(f"{program} may not write in {folder}:\n{tail}", advice="let our user write there, or set another folder")
    advice = "free some space and try again" if "No space left" in output else "see the lines above"
    return Unavailable(f"{program} failed in {folder}:\n{tail}", advice=advice)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
