"""What was given to several users is one file: told by the first of them, in a delta as in a snapshot."""

from __future__ import annotations

from typing import Any, Final

import pytest

from connector_pipelines.core.types import Upserted
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA, BEN, CEM

BOTH: Final[dict[str, Any]] = {"shared_with_me": True, "users": [ADA, CEM]}


def test_a_file_stays_with_the_first_who_has_it_whoever_tells_of_it_last(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    file = fake.world.create(owner=BEN, name="a.txt", content=b"a")
    fake.world.share(file, who=ADA, role="writer")
    fake.world.share(file, who=CEM)
    mirror.sync(source := opened(**BOTH))
    before = mirror.files[file]
    fake.world.update_content(file, b"b")

    pages = mirror.sync(source)

    assert [change.ref.path for page in pages for change in page.changes if isinstance(change, Upserted)] == [f"{ADA}/a.txt"]
    assert mirror.files[file].acl == before.acl
    assert before.acl is not None
    assert before.acl.complete


def test_a_file_that_the_first_loses_is_the_next_ones(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    file = fake.world.create(owner=BEN, name="a.txt", content=b"a")
    for who in (ADA, CEM):
        fake.world.share(file, who=who)
    mirror.sync(source := opened(**BOTH))
    fake.world.unshare(file, who=ADA)
    mirror.sync(source)
    lost = dict(mirror.paths)
    fake.world.share(file, who=ADA)
    mirror.sync(source)

    assert lost == {f"{CEM}/a.txt": file}
    assert mirror.paths == {f"{ADA}/a.txt": file}


@pytest.mark.parametrize("whose", [ADA, CEM])
def test_a_part_that_is_listed_anew_takes_nothing_from_another_and_drops_nothing(
    fake: FakeDrive, mirror: Mirror, opened: Opened, whose: str
) -> None:
    plans = fake.world.create_folder("Plans", owner=BEN)
    secret = fake.world.create_folder("Secret", parent=plans)
    alone = fake.world.create(owner=BEN, name="alone.txt", content=b"a")
    for folder in (plans, secret):
        fake.world.create(parent=folder, name="a.txt", content=b"a")
    for given in (plans, alone):
        for who in (ADA, CEM):
            fake.world.share(given, who=who)
    fake.world.limit_access(secret)
    fake.world.share(secret, who=ADA)
    mirror.sync(source := opened(**BOTH))
    known = dict(mirror.paths)
    fake.world.reject_tokens(user=whose)

    mirror.sync(source)

    assert mirror.paths == known
    assert set(known) == {f"{ADA}/alone.txt", f"{ADA}/Plans/a.txt", f"{ADA}/Plans/Secret/a.txt"}


def test_a_folder_in_a_folder_of_the_first_stays_there_for_the_next(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    plans = fake.world.create_folder("Plans", owner=BEN)
    inner = fake.world.create_folder("Inner", parent=plans)
    file = fake.world.create(parent=inner, name="a.txt", content=b"a")
    fake.world.share(plans, who=ADA)
    fake.world.share(inner, who=CEM)
    mirror.sync(source := opened(**BOTH))
    fake.world.rename(inner, "Other")

    mirror.sync(source)

    assert mirror.paths == {f"{ADA}/Plans/Other/a.txt": file}


def test_a_window_names_a_file_of_several_once(fake: FakeDrive, mirror: Mirror, opened: Opened) -> None:
    from connector_pipelines.core.types import DayRange

    file = fake.world.create(owner=BEN, name="a.txt", content=b"a")
    for who in (ADA, CEM):
        fake.world.share(file, who=who)
    mirror.sync(source := opened(**BOTH))

    told = [change.ref.path for page in source.changes_in(DayRange()) for change in page.changes if isinstance(change, Upserted)]

    assert told == [f"{ADA}/a.txt"]
