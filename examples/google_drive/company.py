"""A Drive on this machine: the shared drive of a harbour, who may see what in it, and what happens there on a Tuesday."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from connector_pipelines.testing.fake_drive import Clock, FakeDrive

ADA, BRAM, CHIARA = (f"{name}@example.com" for name in ("ada", "bram", "chiara"))


@dataclass(frozen=True, slots=True)
class Harbour:
    """What is spoken of later, by id."""

    drive: str
    drawings: str
    minutes: str
    offer: str
    draft: str


def make(port: int, key: Path) -> tuple[FakeDrive, Harbour]:
    """The Drive, with some files in it, and a key file to read it with."""
    drive = FakeDrive(port=port, clock=Clock(step=None))
    account = drive.service_account()
    key.parent.mkdir(mode=0o700, exist_ok=True)
    key.touch(mode=0o600)
    key.write_text(json.dumps(account))
    world = drive.world
    for person in (ADA, BRAM, CHIARA):
        world.add_user(person)
    harbour = world.add_drive("Harbour", {ADA: "organizer", BRAM: "writer", account["client_email"]: "writer"})
    drawings = world.create_folder("Drawings", parent=harbour)
    world.create(parent=drawings, name="north-quay.txt", content=b"The sheet piles of the north quay are of the type AZ 18.\n")
    world.create(parent=drawings, name="south-quay.txt", content=b"The south quay keeps its old masonry.\n")
    minutes = world.create_native(
        "document", "Minutes of Monday\nThe crane rail is surveyed again before the bollards are ordered.", parent=harbour, name="Minutes"
    )
    money = world.create_folder("Money", parent=harbour)
    world.limit_access(money)
    world.share(money, "user", "writer", account["client_email"])
    offer = world.create(parent=money, name="offer.txt", content=b"Piling: 412,000 without the anchors.\n")
    draft = world.create(parent=harbour, name="draft.txt", content=b"To be thrown away: nobody needs the old dolphins.\n")
    return drive, Harbour(harbour, drawings, minutes, offer, draft)


def tuesday(drive: FakeDrive, harbour: Harbour) -> None:
    """A document is edited, a folder renamed, a file shared, another thrown away."""
    world = drive.world
    world.update_content(harbour.minutes, b"Minutes of Tuesday\nThe bollards are ordered: eighty tons each.")
    world.rename(harbour.drawings, "Drawings as built")
    world.share(harbour.offer, "user", "reader", CHIARA)
    world.trash(harbour.draft)
