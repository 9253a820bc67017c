from __future__ import annotations

import os
import pwd
import shutil
import signal
from pathlib import Path

from connector_pipelines.embedded._postgres_account import Account
from connector_pipelines.embedded._postgres_binaries import Binaries, find_binaries, reachable
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from tests.embedded.test_postgres import ask, postmaster_pid


def test_nothing_outside_the_folder_changes_and_no_user_is_made(folder: Path) -> None:
    users, parents = pwd.getpwall(), {p: p.stat()[:6] for p in folder.parents}
    binaries = find_binaries()
    before = {p: p.stat() for p in (binaries.root, *binaries.root.parents)}

    EmbeddedPostgres(folder).ensure_running()

    assert pwd.getpwall() == users
    assert {p: s[:3] + s[4:6] for p, s in parents.items()} == {p: p.stat()[:3] + p.stat()[4:6] for p in folder.parents}
    assert all((p.stat().st_mode, p.stat().st_uid) == (s.st_mode, s.st_uid) for p, s in before.items())


def test_where_user_namespaces_are_refused_root_uses_an_unprivileged_user(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "postgres", run_as="user")

    assert ask(server.ensure_running(), "SELECT 1") == (1,)
    assert (open_folder / "postgres" / "data").stat().st_uid != 0
    os.kill(postmaster_pid(open_folder / "postgres"), signal.SIGKILL)
    assert ask(EmbeddedPostgres(open_folder / "postgres").ensure_running(), "SELECT 1") == (1,)


def test_a_folder_out_of_the_unprivileged_users_reach_keeps_the_data_elsewhere(open_folder: Path, folder: Path) -> None:
    folder.parent.chmod(0o700)
    server = EmbeddedPostgres(folder, run_as="user", elsewhere=open_folder)
    ask(server.ensure_running(), "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()

    assert (folder / "data").exists() == (os.geteuid() != 0)
    assert ask(EmbeddedPostgres(folder).ensure_running(), "SELECT n FROM kept") == (7,)


def test_programs_out_of_reach_are_copied_once(open_folder: Path) -> None:
    hidden = open_folder / "hidden"
    installed = find_binaries()
    package = installed.root.parent
    shutil.copytree(installed.root, hidden / package.name / "postgres")
    shutil.copytree(package.with_name(f"{package.name}.libs"), hidden / f"{package.name}.libs")
    binaries = Binaries(hidden / package.name / "postgres", installed.major)
    nobody = pwd.getpwnam("nobody")
    is_root = os.geteuid() == 0
    account = Account(uid=nobody.pw_uid, gid=nobody.pw_gid) if is_root else Account()
    hidden.chmod(0o700)

    found = reachable(binaries, account, open_folder / "note")
    again = reachable(binaries, account, open_folder / "note")
    version = account.run([found["initdb"], "--version"], timeout_s=10).stdout
    if is_root:
        shutil.rmtree(found.root.parent.parent)

    assert "PostgreSQL" in version
    assert found == again
    assert (found != binaries) == is_root
