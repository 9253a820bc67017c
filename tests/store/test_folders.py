"""What a source says of its folders: recorded with the page, followed by all that lies below, and given back to the source."""

from __future__ import annotations

import pytest

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import Acl, Below, Cursor, Deleted, Skipped, Unlistable
from connector_pipelines.store.catalog.folders import CatalogFolders
from tests.catalog_world import World, page
from tests.store.acts import endpoint
from tests.store.folder_acts import catalog_files, catalog_folders, file, folder
from tests.store.parts_acts import open_failures, part, read_all, row, unpack

A, B = folder("a", None, "A"), folder("b", "a", "A/B")
IN_A, IN_B = file("1", "a", "A/one.txt"), file("2", "b", "A/B/two.txt")


@pytest.fixture
def drive(world: World) -> World:
    """Two folders with a file in each, extracted and delivered."""
    world.snapshot(A, B, IN_A, IN_B)
    world.process("text")
    world.deliver()
    return world


def unlistable(path: str, *, remembered: bool = True) -> Unlistable:
    return Unlistable(path, Unavailable.code, "no answer", remembered)


# what follows a folder


def test_a_renamed_folder_is_followed_by_all_below_and_nothing_is_fetched_or_read_again(drive):
    counts = drive.delta(folder("a", None, "New"))

    assert catalog_files(drive) == {"1": "New/one.txt", "2": "New/B/two.txt"}
    assert catalog_folders(drive) == {"a": "New", "b": "New/B"}
    assert (counts.changed, drive.claim("listed"), drive.claim("stored")) == (2, [], [])
    assert {(o.path, o.generation, o.put) for o in drive.owed()} == {("New/one.txt", 2, True), ("New/B/two.txt", 2, True)}


def test_a_folder_told_as_it_is_changes_nothing(drive):
    assert drive.delta(A, B).changed == 0
    assert drive.owed() == []


def test_a_folder_that_moved_within_another_that_was_renamed_later_has_both(drive):
    drive.delta(folder("c", None, "C"), folder("b", "c", "C/B"), folder("c", None, "D"))
    assert catalog_files(drive) == {"1": "A/one.txt", "2": "D/B/two.txt"}


def test_a_file_told_with_the_path_from_before_its_folder_was_renamed_follows(drive):
    drive.delta(file("3", "b", "A/B/three.txt"), folder("a", None, "New"))
    assert catalog_files(drive)["3"] == "New/B/three.txt"


def test_an_outermost_folder_without_a_name_is_in_no_path(drive):
    drive.delta(folder("a", None, ""))
    assert catalog_files(drive) == {"1": "one.txt", "2": "B/two.txt"}


def test_folders_told_to_lie_in_each_other_for_a_while_come_to_rest(drive):
    drive.delta(folder("a", "b", "B/A"))
    drive.delta(folder("b", None, "B"))
    assert catalog_files(drive) == {"1": "B/A/one.txt", "2": "B/two.txt"}


def test_what_is_left_out_follows_and_goes_with_its_folder(drive):
    drive.delta(Skipped("s", "A/B/s.mov", "too_large", "b"))
    drive.delta(folder("a", None, "New"))
    assert catalog_files(drive)["s"] == "New/B/s.mov"
    assert drive.delta(Deleted("b")).deleted == 2


def test_what_is_inside_a_file_follows_with_it(world):
    world.snapshot(A, file("mail", "a", "A/mail"))
    unpack(world, "A/mail", part("note.txt"))
    read_all(world)

    world.delta(folder("a", None, "New"))

    assert row(world, "New/mail/note.txt")["generation"] == 2


def test_work_on_a_file_whose_folder_is_renamed_meanwhile_is_done_again(world):
    world.snapshot(A, IN_A)
    claimed = world.claim("listed")
    world.delta(folder("a", None, "New"))
    assert world.save_stored(claimed) == 0
    assert [c.ref.path for c in world.claim("listed")] == ["New/one.txt"]


# what goes with a folder


def test_a_deleted_folder_takes_all_below_and_is_forgotten(drive):
    assert drive.delta(Deleted("a")).deleted == 2
    assert (catalog_files(drive), catalog_folders(drive)) == ({}, {})


@pytest.mark.parametrize("deleted_first", [True, False])
def test_what_moved_out_in_the_same_batch_stays_in_whichever_order(drive, deleted_first):
    out = [folder("c", None, "C"), folder("b", "c", "C/B")]
    drive.delta(*([Deleted("a"), *out] if deleted_first else [*out, Deleted("a")]))
    assert catalog_files(drive) == {"2": "C/B/two.txt"}
    assert drive.file("2")["status"] == "extracted"


def test_a_folder_that_comes_back_brings_only_what_is_told(drive):
    drive.delta(Deleted("a"), A, IN_A)
    assert (catalog_files(drive), catalog_folders(drive)) == ({"1": "A/one.txt"}, {"a": "A"})


def test_what_a_folder_does_not_hold_any_more_is_gone_and_what_came_since_stays(drive):
    drive.delta(Below("a", frozenset({"1"})), file("3", "a", "A/three.txt"), folder("n", "a", "A/N"))
    assert catalog_files(drive) == {"1": "A/one.txt", "3": "A/three.txt"}
    assert catalog_folders(drive) == {"a": "A", "n": "A/N"}


def test_being_named_a_folder_does_not_keep_what_lies_in_it(drive):
    assert drive.delta(Below("a", frozenset({"1", "b"}))).deleted == 1
    assert catalog_folders(drive) == {"a": "A", "b": "A/B"}


def test_a_snapshot_forgets_the_folders_it_did_not_name_but_for_parts_that_could_not_be_listed(drive):
    drive.snapshot(A, IN_A, folder("z", None, "Z"))
    assert catalog_folders(drive) == {"a": "A", "z": "Z"}
    drive.snapshot(folder("z", None, "Z"), unlistable("A"))
    assert catalog_folders(drive) == {"a": "A", "z": "Z"}


def test_a_snapshot_that_breaks_off_forgets_nothing(drive):
    drive.break_off(folder("z", None, "Z"))
    assert catalog_folders(drive) == {"a": "A", "b": "A/B", "z": "Z"}


def test_folders_of_another_endpoint_are_left_alone(drive):
    other = drive.find("docs")
    assert CatalogFolders(drive.database, other).known(["a"]) == {"a": A}
    drive.execute("UPDATE folders SET external_id = external_id")  # an operator sees them all
    assert len(drive.rows("SELECT * FROM folders")) == 2


# parts that could not be listed


def test_a_part_the_cursor_remembers_keeps_the_cursor_and_its_files(drive):
    found = drive.snapshot(A, IN_A, unlistable("A/B"), cursor="with part")

    assert (found.deleted, endpoint(drive)["cursor"]) == (0, "with part")
    assert set(catalog_files(drive)) == {"1", "2"}
    with drive.database.tenant(drive.endpoint.tenant_id) as tx:
        (failure,) = tx.execute("SELECT item, code FROM failures WHERE resolved_at IS NULL").fetchall()
    assert failure == {"item": "A/B", "code": "unavailable"}


def test_a_snapshot_with_such_a_part_is_no_sweep(world):
    world.snapshot(A, unlistable("A"))
    assert (endpoint(world)["cursor"], endpoint(world)["swept_at"]) == ("end", None)


def test_one_part_that_is_not_remembered_keeps_the_cursor_where_it_was(drive):
    drive.snapshot(A, unlistable("A/B"), unlistable("C", remembered=False), cursor="lost")
    assert endpoint(drive)["cursor"] == "end"


@pytest.mark.parametrize(
    "works_again",
    [(Below("b", frozenset({"2"})),), (Below("a", frozenset({"1", "2", "b"})),), (Deleted("b"),), (folder("b", "a", "A/New"),)],
    ids=["listed", "listed above", "gone", "elsewhere"],
)
def test_the_ledger_closes_a_part_when_all_of_it_was_named_or_there_is_no_such_part(drive, works_again):
    drive.snapshot(A, B, IN_A, unlistable("A/B"))
    drive.delta(B, file("3", "a", "A/three.txt"))
    assert open_failures(drive) == {"A/B": "unavailable"}

    drive.delta(*works_again)

    assert open_failures(drive) == {}


def test_a_part_that_fails_again_stays_in_the_ledger(drive):
    drive.snapshot(A, B, IN_A, unlistable("A/B"))
    drive.delta(unlistable("A/B"))
    assert drive.rows("SELECT attempts FROM failures WHERE resolved_at IS NULL") == [{"attempts": 2}]


# what a source is given back


def test_a_source_is_given_back_what_was_recorded_of_its_folders(world):
    acl = Acl(readers=frozenset({"user:ann@example.com"}), until={"user:ann@example.com": "2027-01-01T00:00:00Z"}, complete=False)
    told = [folder("a", None, "A", acl=acl), folder("s2", "a", "A/S2", target="t"), folder("s1", "a", "A/S1", target="t")]
    found = CatalogFolders(world.database, world.endpoint)
    with world.listing() as listing:
        listing.record(page(*told, cursor="c"))
        assert found.known(["a"]) == {}
        listing.flush()

    assert found.known(["a", "s1", "nobody"]) == {"a": told[0], "s1": told[2]}
    assert found.known(["a"])["a"].acl == acl
    assert found.leading_to(["t", "nowhere"]) == {"t": [told[2], told[1]]}
    assert found.known([str(n) for n in range(12_000)]) == {}


# who may see a file, and what it is fetched by


def test_who_may_see_a_file_changes_without_fetching_or_reading_it(drive):
    acl = Acl(readers=frozenset({"group:staff@example.com"}))
    counts = drive.delta(file("1", "a", "A/one.txt", acl=acl))

    assert (counts.changed, drive.claim("listed"), drive.claim("stored")) == (1, [], [])
    owed = drive.owed()
    (document,) = drive.documents(owed)[0]
    assert (document.acl, document.generation) == ({"readers": ["group:staff@example.com"]}, 2)
    drive.told(owed)
    assert drive.delta(file("1", "a", "A/one.txt", acl=acl)).changed == 0
    drive.delta(IN_A)
    assert drive.documents(drive.owed())[0][0].acl is None


def test_another_locator_is_kept_and_is_no_change(world):
    world.snapshot(A, file("1", "a", "A/one.txt", locator="key 1"))
    claimed = world.claim("listed")

    counts = world.delta(file("1", "a", "A/one.txt", locator="key 2"))

    assert (counts.unchanged, counts.changed, world.file("1")["generation"]) == (1, 0, 1)
    assert world.save_stored(claimed) == 1
    (again,) = world.claim("stored")
    assert (again.ref.locator, again.ref.parent) == ("key 2", "a")


def test_a_place_in_the_feed_and_its_folders_are_kept_together(drive):
    drive.delta(folder("c", None, "C"), cursor="later")
    assert (endpoint(drive)["cursor"], "c" in catalog_folders(drive)) == (Cursor("later"), True)
