"""A disk is full, or a folder of ours cannot be written: said in those words, and gone on with when there is room."""

from __future__ import annotations

import sys

from tests.faults.conftest import House, said

# Files of at most so many bytes, as a full disk or a quota has it; then what is left of the command line.
_WITH_LITTLE_ROOM = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def test_a_full_disk_of_the_objects_stops_the_sync_with_that_word_and_the_next_does_the_rest(house: House) -> None:
    (house.folder / "files").mkdir()
    (house.folder / "files" / "small.txt").write_text("a wall")
    (house.folder / "files" / "large.txt").write_text("a long wall\n" * 20_000)
    house.configure({"slug": "docs", "settings": {"root": str(house.folder / "files")}}, kind="local_folder")
    little = [sys.executable, "-c", _WITH_LITTLE_ROOM, "100000", "-m", "tests.faults.syncing", "docs"]

    with house._started(little, {}) as process:
        code = process.wait(60)
        told = said(house.folder)
    status = house.status()
    house.sync()

    assert code == 3, told
    assert "no room to write in" in told
    assert (status.state, status.failed, status.waiting) == ("failing", {}, 2)
    assert status.last_error is not None
    assert status.last_error["advice"] == "free some space; what failed is tried again"
    assert sorted(house.put()) == ["large.txt", "small.txt"]


def test_a_place_for_objects_that_cannot_be_written_is_named_and_used_when_it_can(house: House) -> None:
    house.configure({"slug": "docs"})
    home = house.folder / "home"
    home.mkdir()
    (home / "objects").write_text("in the way")

    with house.sync_process() as process:
        code = process.wait(60)
        told = said(house.folder)
    status = house.status()
    (home / "objects").unlink()
    house.sync()

    assert (code, told) == (3, f"{home / 'objects'} is not a folder we can use: File exists ({home / 'objects'})\n")
    assert (status.state, status.waiting) == ("failing", 3)
    assert sorted(house.put()) == ["0.txt", "1.txt", "2.txt"]


def test_a_home_that_cannot_be_written_is_named_with_its_fix(house: House) -> None:
    house.configure({"slug": "docs"})
    home = house.folder / "home"
    home.write_text("in the way")

    ended = house.place.run("dev", "--no-browser")

    assert ended.code == 2, ended.err
    assert str(home) in ended.err
    assert "fix: " in ended.err
    assert "Traceback" not in ended.err
