"""The fake as rclone sees it, which knows no other address than Google's: a second client that is not ours."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connector_pipelines.testing._serving.connect_proxy import connect_proxy
from connector_pipelines.testing.fake_drive import BackendError, FakeDrive, PrivateAuthority, Throttle

ADA = "ada@example.com"
NAMES = ("www.googleapis.com", "oauth2.googleapis.com")
Rclone = Callable[..., str]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[FakeDrive]:
    with FakeDrive(tls=PrivateAuthority(tmp_path).server(names=NAMES)) as drive:
        drive.world.add_user(ADA)
        yield drive


@pytest.fixture
def rclone(drive: FakeDrive, tmp_path: Path) -> Iterator[Rclone]:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(drive.service_account(delegation=["drive.readonly"])))
    with connect_proxy(int(drive.url.rpartition(":")[2])) as (proxy, _):

        def run(*arguments: str) -> str:
            command = [
                str(Path(sysconfig.get_path("scripts")) / "rclone"), *arguments, "--config", "/dev/null", "--ca-cert", str(tmp_path / "authority.pem"),
                "--drive-service-account-file", str(key), "--drive-impersonate", ADA, "--drive-scope", "drive.readonly", "--drive-pacer-min-sleep", "1ms",
            ]  # fmt: skip
            done = subprocess.run(
                command, env={**os.environ, "HTTPS_PROXY": proxy}, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


def test_a_tree_is_copied_byte_for_byte_and_checked(drive: FakeDrive, rclone: Rclone, tmp_path: Path) -> None:
    plans = drive.world.create_folder("Plans", owner=ADA)
    drive.world.fill(plans, 30, size=20_000)
    drive.world.create(parent=drive.world.create_folder("Deep", parent=plans), name="a.bin", content=bytes(range(256)) * 5000)
    drive.fault(BackendError(), call="files.get media", times=2)
    drive.fault(Throttle(wait_s=0), call="files.list")

    rclone("copy", ":drive:Plans", str(tmp_path / "copy"))

    copied = {str(path.relative_to(tmp_path / "copy")): path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    truth = {each.path.removeprefix("Plans/"): each for each in drive.world.truth(ADA).values() if each.sha256}
    assert {path: hashlib.sha256(content).hexdigest() for path, content in copied.items()} == {
        path: each.sha256 for path, each in truth.items()
    }
    assert len(truth) == 31
    assert drive.journal.downloaded_twice() == {}


def test_shared_drives_are_listed(drive: FakeDrive, rclone: Rclone) -> None:
    team = drive.world.add_drive("Team", {ADA: "reader"})
    drive.world.create(parent=team, name="t.txt", content=b"t")

    assert [each["name"] for each in json.loads(rclone("backend", "drives", ":drive:"))] == ["Team"]
    assert rclone("lsf", ":drive:", "--drive-team-drive", team) == "t.txt\n"
