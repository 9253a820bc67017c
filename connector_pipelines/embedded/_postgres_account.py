"""Whose rights the Postgres programs run with, since they refuse to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from connector_pipelines.core.errors import ConfigurationError, Unavailable

__all__ = ["Account", "RunAs", "choose_account", "make_passable"]

RunAs = Literal["auto", "namespace", "user"]
"""As root: in a user namespace, as the user `nobody`, or whichever works, tried in this order."""

# A fixed environment: PGDATA, PGPORT, PGOPTIONS and LC_* of whoever starts us must not reach the server.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """How a program is started: with `prefix` before its command line, or with another user's ids."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def run(
        self,
        command: Sequence[object],
        *,
        timeout_s: float,
        stdin: str = "",
        output: IO[bytes] | int = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, out of reach of the terminal's Ctrl-C.

        Raises:
            Unavailable: It took longer than `timeout_s`, or could not be started.
        """
        line = [*self.prefix, *map(str, command)]
        try:
            return subprocess.run(
                line, input=stdin, stdout=output, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout_s,
                env=_ENVIRONMENT, cwd="/", start_new_session=True, pass_fds=pass_fds, check=False, umask=0o077,
                user=self.uid, group=self.gid, extra_groups=None if self.uid is None else (),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"{command[0]} did not end within {timeout_s:.0f} s") from error
        except OSError as error:
            raise Unavailable(f"{command[0]} could not be started: {error.strerror}") from error

    def can(self, test: str, path: Path) -> bool:
        """Whether `path` passes a test(1) such as ``-x``, seen with these rights."""
        try:
            return self.run(["/bin/sh", "-c", f'test {test} "$0"', path], timeout_s=10).returncode == 0
        except Unavailable:
            return False

    def give(self, path: Path) -> None:
        """Make these rights own `path`, which we have made."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def choose_account(*, folder: Path, data: Path, program: Path, run_as: RunAs) -> Account:
    """The rights that fit the existing `data`, else the first way that works for `folder` and `program`.

    Raises:
        ConfigurationError: The data belongs to another user, or no way works.
    """
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        return _ourselves(owner, program, folder)
    if owner is not None and owner.st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    namespace = _namespace(program, folder) if run_as != "user" else None
    if namespace is not None:
        return namespace
    if run_as == "namespace" or owner is not None:
        raise ConfigurationError(
            f"Postgres does not run as root, and user namespaces (`unshare --user`) are refused here or cannot reach {folder}",
            advice="run as another user, or allow unprivileged user namespaces",
        )
    return _nobody()


def make_passable(folder: Path) -> None:
    """Make `folder` and its missing parents, for every user to pass through whatever our umask; change none that is there."""
    if folder.is_dir():
        return
    make_passable(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)


def _ourselves(owner: os.stat_result | None, program: Path, folder: Path) -> Account:
    me = os.geteuid()
    if owner is not None and owner.st_uid != me:
        raise ConfigurationError(
            f"the Postgres data in {folder} belongs to user id {owner.st_uid}, not to ours ({me})",
            advice="run as that user, or set another folder",
        )
    if any(entry.pw_uid == me for entry in pwd.getpwall()):
        return Account()
    # A container's arbitrary user id, say: initdb wants its name.
    namespace = _namespace(program, folder)
    if namespace is None:
        raise ConfigurationError(
            f"our user id {me} has no name, which Postgres needs to make its folder",
            advice="add it to /etc/passwd, or run as a user with a name",
        )
    return namespace


def _namespace(program: Path, folder: Path) -> Account | None:
    """A user namespace in which our files belong to a user that has a name and is not root; None where that does not work."""
    unshare = shutil.which("unshare")
    name = next((entry for entry in pwd.getpwall() if entry.pw_uid != 0), None)
    if unshare is None or name is None:
        return None
    account = Account(prefix=(unshare, "--user", f"--map-user={name.pw_uid}", f"--map-group={name.pw_gid}", "--"))
    return account if account.can("-x", program) and account.can("-w", folder) else None


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ConfigurationError(
            "Postgres does not run as root, and there is no user nobody to run it as", advice="run as another user"
        ) from error
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)
