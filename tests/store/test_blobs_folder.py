from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.store.blobs import Blobs, open_blobs

MIB = 1024**2
SMALL = b"a few bytes"
# More than is kept in memory, in more than one part of a multipart upload.
LARGE = [bytes([n]) * MIB for n in range(20)]
KEY_OF_NOTHING = f"blobs/acme/00/00/{'0' * 64}"

# Says when it is in the middle of a large put, and stays there.
HANGING_PUT = """
import sys
from pathlib import Path
from connector_pipelines.store.blobs import open_blobs
def chunks():
    for _ in range(9):
        yield bytes(1024**2)
    print("half-way", flush=True)
    sys.stdin.read()
open_blobs(Path(sys.argv[1]), None).put("acme", chunks())
"""

# Says that bytes are in a scratch folder, and stays there.
HANGING_SCRATCH = """
import sys
from pathlib import Path
from connector_pipelines.store.blobs import open_blobs
with open_blobs(Path(sys.argv[1]), None).scratch_folder() as scratch:
    (scratch / "inner").mkdir()
    (scratch / "inner" / "part").write_bytes(b"bytes")
    print("written", flush=True)
    sys.stdin.read()
"""

PUT_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.store.blobs import open_blobs
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    open_blobs(Path(sys.argv[1]), None).put("acme", (bytes(1024**2) for _ in range(int(sys.argv[3]))))
except ConnectorError as error:
    print(type(error).__name__, error, error.advice)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def test_bytes_that_are_there_already_are_not_written_again(folder: Path) -> None:
    blobs = open_blobs(folder, None)
    blob = blobs.put("acme", LARGE)
    before = (folder / blob.key).stat()

    blobs.put("acme", LARGE)

    after = (folder / blob.key).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_killed_put_leaves_nothing_once_the_next_process_comes(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HANGING_PUT, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hanging:
        assert hanging.stdout is not None
        assert hanging.stdout.readline() == "half-way\n"
        while_it_lives = list(open_blobs(folder, None).keys("acme"))
        waiting = list((folder / ".spool").iterdir())
        hanging.kill()
    left = list((folder / ".spool").iterdir())
    after = list(open_blobs(folder, None).keys("acme"))

    assert len(waiting) == 1
    assert left == waiting
    assert while_it_lives == after == []
    assert not list((folder / ".spool").iterdir())


@pytest.mark.parametrize(("limit", "mib"), [(15 * MIB, 20), (MIB, 4)], ids=["large", "small"])
def test_a_full_disk_is_told_and_leaves_nothing(folder: Path, limit: int, mib: int) -> None:
    command = [sys.executable, "-c", PUT_UNDER_A_LIMIT, folder, str(limit), str(mib)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.startswith("Unavailable no room to write in")
    assert "free some space" in done.stdout
    assert list(open_blobs(folder, None).keys("acme")) == []
    assert not list((folder / ".spool").iterdir())


def test_a_folder_that_went_away_is_not_taken_for_an_empty_one(folder: Path) -> None:
    blobs = open_blobs(folder, None)
    blob = blobs.put("acme", [SMALL])
    folder.rename(folder.with_name("unmounted"))

    for use in (
        lambda: blobs.exists(blob.key),
        lambda: read(blobs, blob.key),
        lambda: blobs.delete([blob.key]),
        lambda: list(blobs.keys("acme")),
        lambda: blobs.put("acme", [b"new"]),
        lambda: blobs.put("acme", LARGE),
    ):
        with pytest.raises(Unavailable):
            use()
    assert not folder.exists()


def test_a_folder_that_is_a_file_is_a_setting_to_correct(folder: Path) -> None:
    folder.touch()

    with pytest.raises(ConfigurationError, match="not a folder we can use"):
        open_blobs(folder, None).put("acme", [SMALL])
    assert not open_blobs(folder, None).test().works


def test_files_are_for_their_owner_only(folder: Path) -> None:
    keys = [open_blobs(folder, None).put("acme", chunks).key for chunks in ([SMALL], LARGE)]

    assert {(folder / key).stat().st_mode & 0o777 for key in keys} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_to_a_folder_is_a_files_address(folder: Path) -> None:
    blobs = open_blobs(folder, None)
    blob = blobs.put("acme", [SMALL])

    assert Path(blobs.link(blob.key, timedelta(hours=1)).removeprefix("file://")).read_bytes() == SMALL


def read(blobs: Blobs, key: str) -> bytes:
    with blobs.open(key) as chunks:
        return b"".join(chunks)


def test_a_scratch_folder_is_empty_at_first_and_gone_with_all_in_it_at_the_end(folder: Path) -> None:
    blobs = open_blobs(folder, None)

    with blobs.scratch_folder() as one, blobs.scratch_folder() as other:
        before = [*one.iterdir(), *other.iterdir()]
        (one / "part").write_bytes(b"bytes")
        open_blobs(folder, None).put("acme", [SMALL])  # another process that comes leaves it alone
        kept = [p.name for p in one.iterdir()]

    assert (before, kept) == ([], ["part"])
    assert not list((folder / ".spool").iterdir())


def test_a_scratch_folder_of_a_killed_process_goes_when_the_next_one_comes(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING_SCRATCH, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as hanging:
        assert hanging.stdout is not None
        assert hanging.stdout.readline() == "written\n"
        hanging.kill()
    left = list((folder / ".spool").iterdir())

    open_blobs(folder, None).put("acme", [SMALL])

    assert len(left) == 1
    assert not list((folder / ".spool").iterdir())
