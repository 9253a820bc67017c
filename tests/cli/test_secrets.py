"""`connectors secrets`: the real command, on a real database."""

from __future__ import annotations

import os
import pty
import select
import subprocess

import psycopg
import pytest

from connector_pipelines.store.catalog.schema import OPERATOR_ROLE
from connector_pipelines.store.sealing import new_key
from connector_pipelines.testing.vault import VaultStandIn
from tests.cli.conftest import Ended, Place
from tests.secrets_world import every_cell

CANARY = "typed-canary-77a0d2"


def store(place: Place, name: str, value: bytes) -> Ended:
    ended = subprocess.run(
        place.command("secrets", "set", name),
        cwd=place.folder,
        env=place.environment,
        input=value,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@pytest.fixture
def keyed(place: Place) -> Place:
    return Place(place.folder, {**place.variables, "CONNECTORS_SECRET_KEYS": new_key()})


def test_a_secret_is_stored_listed_and_removed_and_never_shown(keyed):
    first, again = store(keyed, "archive", f"{CANARY}\n".encode()), store(keyed, "archive", CANARY.encode())
    listed, kept = keyed.run("secrets", "list"), list(every_cell(keyed.variables["DATABASE_URL"]))
    gone, missing = keyed.run("secrets", "remove", "archive"), keyed.run("secrets", "remove", "archive")

    assert first.out.startswith("stored store:archive, sealed under the key ")
    assert again.out.startswith("replaced store:archive")
    assert "store:archive" in listed.out
    assert [e.code for e in (first, again, listed, gone, missing)] == [0, 0, 0, 0, 2]
    assert "there is no secret 'store:archive'" in missing.err
    assert all(CANARY not in ended.out + ended.err for ended in (first, again, listed, gone, missing))
    assert ("secrets.name", b"archive") in kept
    assert [where for where, value in kept if CANARY.encode() in value] == []


def test_a_secret_that_is_typed_is_asked_for_twice_and_not_echoed(keyed):
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        keyed.command("secrets", "set", "typed"), cwd=keyed.folder, env=keyed.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=_controlling(theirs),  # noqa: PLW1509 -- it does one system call
    )  # fmt: skip
    try:
        os.close(theirs)
        # The space comes when the terminal does not echo any more.
        shown = _until(ours, b"Value of typed: ")
        os.write(ours, f"{CANARY}\n".encode())
        shown += _until(ours, b"Repeat for confirmation: ")
        os.write(ours, f"{CANARY}\n".encode())
        shown += _until(ours, None)
        assert command.wait(60) == 0
    finally:
        command.kill()
        command.wait()
        os.close(ours)

    assert b"stored store:typed" in shown
    assert CANARY.encode() not in shown


@pytest.mark.parametrize("value", [b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_what_is_no_secret_is_refused(bare, value):
    ended = store(bare, "name", value)

    assert (ended.code, ended.out) == (2, "")
    assert "the value is empty, or larger than 65536 bytes, or not UTF-8 text" in ended.err


def test_a_name_that_no_reference_could_have_is_refused(bare):
    assert store(bare, "a b", b"x").code == 2


def test_without_a_key_for_a_database_of_others_it_is_told_which_command_makes_one(place):
    ended = store(place, "name", b"value")

    assert ended.code == 2
    assert "CONNECTORS_SECRET_KEYS" in ended.err
    assert "connectors secrets new-key" in ended.err


def test_keys_are_rotated_by_a_file_and_a_lost_one_is_named(place):
    keys = place.folder / "keys"
    rotated = Place(place.folder, {**place.variables, "CONNECTORS_SECRET_KEYS_FILE": str(keys)})
    old, new = new_key(), rotated.run("secrets", "new-key").out.strip()
    keys.write_text(f"{old}\n")
    keys.chmod(0o600)
    store(rotated, "archive", CANARY.encode())

    keys.write_text(f"{new}\n{old}\n")
    done = rotated.run("secrets", "rotate")
    keys.write_text(f"{old}\n")
    lost = rotated.run("secrets", "rotate")

    assert "1 secret and 0 tokens" in done.out
    assert "may be taken away" in done.out
    assert (done.code, lost.code) == (0, 1)
    assert "left as it is: secrets/archive" in lost.err


def test_every_reference_is_checked_wherever_it_is_kept_and_none_is_shown(keyed):
    with VaultStandIn() as vault:
        vault.put("kv/app", password=CANARY)
        vault.policy("reader", "kv/data/*")
        store(keyed, "one", CANARY.encode())
        variables = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.token("reader", "default"), "PDF": CANARY}
        nobody = {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "eu-central-1",
            "AWS_CONFIG_FILE": "/none",
            "AWS_SHARED_CREDENTIALS_FILE": "/none",
        }
        place = Place(keyed.folder, {**keyed.variables, **variables, **nobody})
        passwords = '["env:PDF", "env:NOPE", "vault:kv/app#password", "vault:kv/app#nope", "store:one", "store:nope", "aws:x"]'
        place.yaml.write_text(place.yaml.read_text().replace("{slug: files, ", f"{{slug: files, extraction: {{passwords: {passwords}}}, "))
        shown, told = place.run("secrets", "check"), place.run("secrets", "check", "--json")

    there = {row["reference"]: row["there"] for row in told.json}
    assert there == {
        "env:PDF": True, "env:NOPE": False, "vault:kv/app#password": True, "vault:kv/app#nope": False, "store:one": True, "store:nope": False, "aws:x": False,
    }  # fmt: skip
    assert (shown.code, told.code) == (1, 1)
    assert "connectors[0].endpoints[0].extraction.passwords[3]" in shown.out
    assert CANARY not in shown.out + shown.err + told.out + told.err
    with psycopg.connect(place.variables["DATABASE_URL"]) as connection:
        connection.execute(f"SET ROLE {OPERATOR_ROLE}")
        audited = connection.execute(
            "SELECT subject, details->>'outcome' FROM audit_log WHERE action = 'secret_fetched' AND actor = 'connectors'"
        ).fetchall()
    assert ("vault:kv/app#password", "fetched") in audited
    assert ("vault:kv/app#nope", "configuration") in audited


def test_a_sync_fetches_what_it_needs_and_the_audit_says_which_run_it_was(keyed):
    store(keyed, "archive", keyed.variables["DATABASE_URL"].encode())
    keyed.yaml.write_text(
        keyed.yaml.read_text().replace("{kind: postgres_text}", "{kind: postgres_text, settings: {url: 'store:archive'}}")
    )

    synced = keyed.run("sync", "files")

    with psycopg.connect(keyed.variables["DATABASE_URL"]) as connection:
        connection.execute(f"SET ROLE {OPERATOR_ROLE}")
        audited = connection.execute("SELECT actor, subject, details FROM audit_log WHERE action = 'secret_fetched'").fetchall()
    assert "delivered" in synced.out + synced.err
    assert [(actor.split(" ")[0], subject, details) for actor, subject, details in audited] == [
        ("run", "store:archive", {"outcome": "fetched"})
    ]


def test_variables_and_files_are_checked_without_a_database(bare):
    bare.configure("files")
    bare.yaml.write_text(bare.yaml.read_text().replace("{slug: files, ", '{slug: files, extraction: {passwords: ["file:absent"]}, '))

    ended = bare.run("secrets", "check")

    assert ended.code == 1
    assert "'file:absent' cannot be read" in ended.out


def _controlling(terminal: int):
    """getpass opens /dev/tty: the terminal must be the one that controls the command."""

    def take() -> None:
        import fcntl
        import termios

        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    return take


def _until(terminal: int, end: bytes | None) -> bytes:
    """What the command writes up to `end`, or to its own end."""
    said = b""
    while end is None or not said.endswith(end):
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, said
        try:
            said += os.read(terminal, 1024)
        except OSError:
            assert end is None, said
            return said
    return said
