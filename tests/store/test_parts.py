"""Files inside files: they come, change and go with the file they are in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector_pipelines.core.config import PartitionsConfig
from connector_pipelines.core.errors import Malformed, Unavailable
from connector_pipelines.core.types import Deleted, Skipped
from tests.catalog_world import EARLIER, NOW, World, config, ref
from tests.store.parts_acts import ALONE, EVERYTHING, holding, message, open_failures, part, read_all, row, save, tree, unpack

# how parts come


def test_a_part_waits_to_be_extracted_under_the_path_day_and_address_of_its_file(world):
    world.snapshot(ref("mail", path="in/offer.eml", url="https://mail/1"))
    later = EARLIER + timedelta(days=3)

    unpack(world, "in/offer.eml", part("note.txt"), part("a/b.pdf", modified_at=later, media_type="application/pdf"))

    note, pdf, outer = row(world, "in/offer.eml/note.txt"), row(world, "in/offer.eml/a/b.pdf"), row(world, "in/offer.eml")
    assert tree(world) == {"in/offer.eml": "extracted", "in/offer.eml/a/b.pdf": "stored", "in/offer.eml/note.txt": "stored"}
    for one in (note, pdf):
        assert (one["parent_id"], one["root_id"], one["depth"]) == (outer["id"], outer["id"], 1)
        assert (one["window_day"], one["url"], one["external_id"]) == (outer["window_day"], "https://mail/1", None)
    assert (note["source_modified_at"], pdf["source_modified_at"]) == (EARLIER, later)
    assert (pdf["media_type"], pdf["version"]) == ("application/pdf", pdf["sha256"].hex())


def test_a_part_is_read_from_its_own_bytes(mail):
    mail.execute("UPDATE files SET status = 'stored' WHERE path = 'mail/all.zip/deep.txt'")

    (claimed,) = mail.claim("stored")

    assert (claimed.ref.name, claimed.blob_key, claimed.depth) == ("deep.txt", part("deep.txt").key, 2)
    assert claimed.root_id == row(mail, "mail")["id"]


def test_saving_says_how_many_parts_wait_now(world):
    world.snapshot(ref("mail"))
    world.save_stored(world.claim())
    (file,) = world.claim("stored")

    saved = save(world, holding(file, part("a"), part("b")))

    assert (saved.file_ids, saved.parts, saved.failed) == ({file.file_id}, 2, ())


def test_parts_as_they_were_are_left_as_they_are(mail):
    before = {p: row(mail, p) for p in EVERYTHING if p.startswith("mail/")}
    mail.snapshot(message("2"), ref("beside"))

    unpack(mail, "mail", part("note.txt"), part("all.zip"))

    assert {p: row(mail, p) for p in before} == before


def test_a_part_with_other_bytes_is_extracted_again_and_keeps_its_document(mail):
    before = mail.rows("SELECT id FROM documents ORDER BY id")
    generation = row(mail, "mail/note.txt")["generation"]
    mail.snapshot(message("2"), ref("beside"))

    unpack(mail, "mail", part("note.txt", "another text"), part("all.zip"))

    assert tree(mail) == EVERYTHING | {"mail/note.txt": "stored"}
    read_all(mail)
    assert tree(mail) == EVERYTHING
    assert mail.rows("SELECT id FROM documents ORDER BY id") == before
    assert row(mail, "mail/note.txt")["generation"] == generation + 1


@pytest.mark.parametrize("change", [{"media_type": "text/csv"}, {"body": "x"}])
def test_what_is_inside_a_changed_part_stays_until_the_part_is_read(mail, change):
    mail.snapshot(message("2"), ref("beside"))

    unpack(mail, "mail", part("note.txt"), part("all.zip", **change))

    assert tree(mail) == EVERYTHING | {"mail/all.zip": "stored"}
    unpack(mail, "mail/all.zip", part("other.txt"))
    read_all(mail)
    assert "mail/all.zip/deep.txt" not in tree(mail)
    assert tree(mail)["mail/all.zip/other.txt"] == "extracted"


def test_a_new_time_of_a_part_is_told_without_reading_it_again(mail):
    mail.snapshot(message("2"), ref("beside"))

    unpack(mail, "mail", part("note.txt", modified_at=NOW), part("all.zip"))

    note = row(mail, "mail/note.txt")
    assert (note["status"], note["source_modified_at"], note["generation"]) == ("extracted", NOW, 2)


def test_a_part_that_is_inside_no_more_is_deleted_with_what_is_inside_it(mail):
    mail.snapshot(message("2"), ref("beside"))

    unpack(mail, "mail", part("note.txt"))

    assert tree(mail) == {"beside": "extracted", "mail": "extracted", "mail/note.txt": "extracted"}


def test_a_part_that_comes_back_with_the_same_bytes_is_not_read_again(mail):
    mail.snapshot(message("2"), ref("beside"))
    unpack(mail, "mail", part("all.zip"))
    mail.snapshot(message("3"), ref("beside"))

    unpack(mail, "mail", part("note.txt"), part("all.zip"))

    assert tree(mail) == EVERYTHING


def test_a_container_that_comes_back_is_read_again_for_what_is_inside_it(mail):
    mail.snapshot(message("2"), ref("beside"))
    unpack(mail, "mail", part("note.txt"))
    mail.snapshot(message("3"), ref("beside"))

    unpack(mail, "mail", part("note.txt"), part("all.zip"))

    assert tree(mail)["mail/all.zip"] == "stored"
    unpack(mail, "mail/all.zip", part("deep.txt"))
    assert tree(mail) == EVERYTHING


# how they go with their file


@pytest.mark.parametrize("how", ["deleted", "deleted in a delta", "left out", "failed to download", "failed to be read", "no extractor"])
def test_what_is_inside_goes_with_the_file_in_one_transaction(mail, how):
    mail.execute("UPDATE files SET status = 'stored' WHERE path = 'mail/note.txt'")
    mail.save_failed(mail.claim("stored"), stage="documents")
    assert open_failures(mail) == {"mail/note.txt": "malformed"}

    go(mail, how)

    left = {p: s for p, s in tree(mail).items() if p.startswith("mail/")}
    assert left == {}
    assert not [item for item in open_failures(mail) if "/" in item]


def go(world: World, how: str) -> None:
    if how == "deleted":
        world.snapshot(ref("beside"))
    elif how == "deleted in a delta":
        world.delta(Deleted("mail"))
    elif how == "left out":
        world.delta(Skipped("mail", "mail", "too_large"))
    else:
        world.delta(message("2"))
        if how == "failed to download":
            world.save_failed(world.claim("listed"))
            return
        world.save_stored(world.claim("listed"))
        if how == "no extractor":
            world.save_skipped(world.claim("stored"))
        else:
            world.save_failed(world.claim("stored"), stage="documents")


def test_what_is_inside_stays_while_its_file_is_to_be_tried_again(mail):
    mail.delta(message("2"))
    mail.save_failed(mail.claim("listed"), error=Unavailable("away"), retry_at=NOW + timedelta(minutes=1))

    assert {p: s for p, s in tree(mail).items() if "/" in p} == {p: s for p, s in EVERYTHING.items() if "/" in p}


def test_a_container_that_fails_inside_a_file_takes_only_what_is_inside_it(mail):
    mail.delta(message("2"))
    unpack(mail, "mail", part("note.txt"), part("all.zip", "broken"))

    mail.save_failed(mail.claim("stored"), stage="documents", error=Malformed("no zip"))

    assert tree(mail) == {"beside": "extracted", "mail": "extracted", "mail/all.zip": "failed", "mail/note.txt": "extracted"}
    assert open_failures(mail) == {"mail/all.zip": "malformed"}


def test_a_file_that_comes_back_brings_what_is_inside_it_without_reading_that_again(mail):
    mail.snapshot(ref("beside"))
    mail.snapshot(message(), ref("beside"))
    assert tree(mail) == ALONE | {"mail": "listed"}

    unpack(mail, "mail", part("note.txt"), part("all.zip"))
    assert tree(mail)["mail/note.txt"] == "extracted"
    unpack(mail, "mail/all.zip", part("deep.txt"))

    assert tree(mail) == EVERYTHING


def test_a_file_that_comes_back_is_read_again_even_if_its_parts_were_forgotten(mail):
    mail.snapshot(ref("beside"))
    mail.execute("DELETE FROM files WHERE parent_id IS NOT NULL")
    mail.snapshot(ref("mail"), ref("beside"))

    mail.save_stored(mail.claim("listed"))

    assert tree(mail)["mail"] == "stored"


def test_what_is_inside_is_told_anew_under_the_new_path_of_its_file(mail):
    before = {p: row(mail, p)["generation"] for p in EVERYTHING}

    mail.delta(ref("mail", path="kept/offer.eml", url="https://mail/2"))

    moved = {p.replace("mail", "kept/offer.eml", 1): s for p, s in EVERYTHING.items()}
    assert tree(mail) == moved
    for path, generation in before.items():
        now = row(mail, path.replace("mail", "kept/offer.eml", 1))
        assert now["generation"] == generation + (path != "beside")
        assert now["url"] == (None if path == "beside" else "https://mail/2")


def test_what_is_inside_moves_with_a_file_found_by_its_identity(world):
    world.snapshot(ref("a/mail", identity="inode 1"))
    unpack(world, "a/mail", part("note.txt"))
    read_all(world)

    world.snapshot(ref("b/mail", identity="inode 1"))

    assert tree(world) == {"b/mail": "extracted", "b/mail/note.txt": "extracted"}


def test_what_is_inside_is_in_the_window_of_its_file(mail):
    generation = row(mail, "mail/note.txt")["generation"]

    mail.delta(message(modified_at=NOW))

    assert {r["window_day"] for r in mail.rows("SELECT window_day FROM files WHERE path LIKE 'mail%%'")} == {NOW.date()}
    assert row(mail, "mail/note.txt")["generation"] == generation, "nothing that a sink is told has changed"


def test_another_time_zone_moves_parts_to_the_window_of_their_file(mail):
    mail.execute("UPDATE files SET source_modified_at = '2026-03-01 23:30+00'")
    wanted = config().model_copy(update={"partitions": {"local_folder": PartitionsConfig(timezone="Europe/Berlin")}})

    mail.apply(wanted)

    assert {str(r["window_day"]) for r in mail.rows("SELECT window_day FROM files")} == {"2026-03-02"}
