"""The fake as a process of its own, edited from another, over TLS, by the same methods."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from connector_pipelines.testing._serving.forwarding import public_methods
from connector_pipelines.testing.fake_drive import (
    BackendError,
    FakeDrive,
    Limit,
    PrivateAuthority,
    RemoteFakeDrive,
    Throttle,
    Truth,
    World,
    fake_drive_process,
)
from connector_pipelines.testing.fake_drive.commands import Commands

ADA = "ada@example.com"
LIST = "/drive/v3/files"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    return PrivateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def remote(authority: PrivateAuthority) -> Iterator[RemoteFakeDrive]:
    with fake_drive_process(tls=authority.server()) as remote:
        remote.world.add_user(ADA)
        yield remote


@pytest.fixture
def http(remote: RemoteFakeDrive, authority: PrivateAuthority) -> Iterator[httpx.Client]:
    remote.clear_journal()
    headers = {"authorization": f"Bearer {remote.access_token(ADA)}"}
    with httpx.Client(
        base_url=remote.url, verify=ssl.create_default_context(cafile=authority.certificate), trust_env=False, headers=headers
    ) as http:
        yield http


def test_the_world_is_edited_from_another_process(remote: RemoteFakeDrive, http: httpx.Client) -> None:
    remote.clock.set(datetime(2026, 1, 1, tzinfo=UTC))
    team = remote.world.add_drive("Team", {ADA: "organizer"})
    made = remote.world.create(parent=team, name="a.bin", content=b"\x00\xff", modified_at=datetime(2025, 5, 5, tzinfo=UTC))
    remote.world.share(made, "anyone", "reader", expires_at=datetime(2027, 1, 1, tzinfo=UTC))

    truth = remote.world.truth(ADA, below=team)[made]

    assert isinstance(truth, Truth)
    assert (truth.path, truth.drive_id, len(truth.acl)) == ("a.bin", team, 2)
    assert remote.world.content(made) == b"\x00\xff"
    assert http.get(f"{LIST}/{made}", params={"alt": "media", "supportsAllDrives": "true"}).content == b"\x00\xff"
    assert list(remote.journal.downloads().values()) == [1]


def test_limits_faults_time_and_the_journal_are_there_for_other_processes(remote: RemoteFakeDrive, http: httpx.Client) -> None:
    remote.limit(Limit(requests=3, per_s=60))
    remote.fault(BackendError(status=502), call="files.list")
    remote.fault(Throttle(wait_s=5, tells="seconds"), call="files.list", skip=1)

    asked = [http.get(LIST).status_code for _ in range(4)]
    remote.pass_time(timedelta(seconds=6))
    asked.append(http.get(LIST).status_code)
    remote.limit()
    remote.clear_faults()

    calls = remote.journal.entries()
    assert asked == [502, 200, 403, 403, 200]
    assert [call.user for call in calls] == [ADA] * 5
    assert [call.number for call in calls] == sorted(call.number for call in calls)
    assert len(remote.journal.violations()) == 1


def test_an_edit_that_cannot_be_done_says_why(remote: RemoteFakeDrive) -> None:
    with pytest.raises(ValueError, match="delete: KeyError: 'nothing'"):
        remote.world.delete("nothing")


def test_every_method_is_there_in_both() -> None:
    for here, there in ((World, type(RemoteFakeDrive("http://x", "http://y").world)), (Commands, RemoteFakeDrive)):
        names = {name for name, _ in public_methods(here)}
        own = {name for name, function in public_methods(there) if function is not dict(public_methods(here)).get(name)}
        assert names <= own
    assert {name for name, _ in public_methods(Commands)} <= {name for name, _ in public_methods(FakeDrive)}


def test_the_module_serves_one_to_play_with() -> None:
    with subprocess.Popen([sys.executable, "-m", "connector_pipelines.testing.fake_drive"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = dict(re.split(r" +", process.stdout.readline().strip(), maxsplit=1) for _ in range(5))
            key = Path(told["key"])
            drive = RemoteFakeDrive(told["url"], told["control"])
            names = {each.path for each in drive.world.truth(told["person"]).values()}
            mode = key.stat().st_mode & 0o777
        finally:
            process.terminate()

    assert {"Plans", "Plans/hello.txt", "Plans/Notes"} <= names
    assert mode == 0o600
    assert (process.returncode, key.exists()) == (0, False)
