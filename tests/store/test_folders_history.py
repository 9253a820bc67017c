"""Whatever happens to folders and files, in whatever batches it is told: the catalog has the folders, files and paths that are there."""

from __future__ import annotations

from random import Random

import pytest

from connector_pipelines.core.types import Change
from tests.catalog_world import World
from tests.store.folder_acts import Drive, Feed, catalog_files, catalog_folders

STEPS = 40


@pytest.mark.parametrize("late", [False, True], ids=["told as it happens", "told later, as it is by then"])
@pytest.mark.parametrize("seed", range(5))
def test_the_catalog_is_what_the_drive_is_wherever_batches_are_cut(world: World, seed: int, late: bool) -> None:
    dice = Random(seed)
    drive = Drive(dice)
    feed = Feed(drive)
    for _ in range(15):
        drive.edit()
    world.snapshot(*feed.snapshot())
    assert (catalog_files(world), catalog_folders(world)) == drive.truth()

    for _ in range(4):
        for batch in _cut(dice, _told(drive, feed, late=late)):
            world.delta(*batch)
        assert (catalog_files(world), catalog_folders(world)) == drive.truth()

    drive.edit()
    world.snapshot(*feed.snapshot())
    assert (catalog_files(world), catalog_folders(world)) == drive.truth()


def _told(drive: Drive, feed: Feed, *, late: bool) -> list[Change]:
    """What the feed says of some edits. One that tells later says of each item what it is by then, at the place of its last change."""
    told: list[Change] = []
    happened: list[str] = []
    for _ in range(STEPS):
        edited = drive.edit()
        if late:
            # That a folder was gone for a while it says nothing of; what was lost meanwhile has changes of its own.
            edited += drive.lost
            happened = [each for each in happened if each not in edited] + edited
        else:
            told += [change for each in edited for change in feed.tell(each)]
    return told + [change for each in happened for change in feed.tell(each)]


def _cut(dice: Random, told: list[Change]) -> list[list[Change]]:
    """In batches of any length: each alone, all together, or anything between."""
    longest = dice.choice([1, 3, 10, len(told)])
    batches = []
    while told:
        length = dice.randrange(1, longest + 1)
        batches.append(told[:length])
        told = told[length:]
    return batches
