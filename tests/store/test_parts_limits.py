"""Files inside files: who writes them when several do, and how many there may be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from connector_pipelines.core.config import ExtractionLimits
from connector_pipelines.core.types import Deleted
from connector_pipelines.store.catalog import failures, work
from connector_pipelines.store.catalog._gone import delete_files
from tests.catalog_world import EARLIER, NOW, World, at_once, ref
from tests.store.parts_acts import ALONE, EVERYTHING, holding, message, open_failures, part, read_all, save, tree, unpack
from tests.store.test_work import wait_for_waiters

# late and at once


def test_late_work_on_an_older_version_writes_no_parts(mail):
    mail.delta(message("2"))
    mail.save_stored(mail.claim())
    (late,) = mail.claim("stored")
    mail.delta(message("3"))

    saved = save(mail, holding(late, part("evil.txt")))

    assert (saved.file_ids, saved.parts) == (frozenset(), 0)
    assert {p for p in tree(mail) if "/" in p} == {p for p in EVERYTHING if "/" in p}


@pytest.mark.parametrize("inside", [(), (part("all.zip", "changed again"),)], ids=["gone", "changed"])
def test_a_file_and_a_part_of_its_older_version_saved_together_leave_what_the_file_holds_now(mail, inside):
    mail.delta(message("2"))
    unpack(mail, "mail", part("note.txt"), part("all.zip", "changed"))
    (zipped,) = mail.claim("stored")
    mail.delta(message("3"))
    mail.save_stored(mail.claim())
    (outer,) = mail.claim("stored")

    save(mail, holding(outer, *inside), holding(zipped, part("new.txt"), part("deep.txt")))
    mail.execute("UPDATE files SET claimed_by = NULL")
    read_all(mail)

    assert tree(mail) == ALONE | {"mail": "extracted"} | dict.fromkeys((f"mail/{p.name}" for p in inside), "extracted")


def test_a_container_deleted_while_a_part_of_it_is_unpacked_leaves_nothing_behind(mail, catalog_url):
    mail.delta(message("2"))
    unpack(mail, "mail", part("note.txt"), part("all.zip", "changed"))
    (zipped,) = mail.claim("stored")
    with psycopg.connect(catalog_url.get_secret_value(), autocommit=True) as watch:
        with mail.database.tenant(mail.endpoint.tenant_id) as tx:
            work.save_extracted(tx, mail.endpoint, [holding(zipped, part("new.txt"))], NOW)
            deleting = threading.Thread(target=mail.delta, args=[Deleted("mail")])
            deleting.start()
            wait_for_waiters(watch, 1)
        deleting.join()

    assert tree(mail) == ALONE


def test_a_part_unpacked_while_its_container_is_deleted_comes_too_late(mail, catalog_url):
    mail.delta(message("2"))
    unpack(mail, "mail", part("note.txt"), part("all.zip", "changed"))
    (zipped,) = mail.claim("stored")
    saved: list[work.SavedDocuments] = []
    with psycopg.connect(catalog_url.get_secret_value(), autocommit=True) as watch:
        with held_open(mail, Deleted("mail")):
            saving = threading.Thread(target=lambda: saved.append(save(mail, holding(zipped, part("new.txt")))))
            saving.start()
            wait_for_waiters(watch, 1)
        saving.join()

    assert (tree(mail), saved[0].file_ids) == (ALONE, frozenset())


@contextmanager
def held_open(world: World, change: Deleted) -> Iterator[None]:
    """A listing's transaction that has written the change and not yet committed."""
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        delete_files(tx, world.endpoint.id, [change.id], NOW)
        yield


def test_many_that_write_to_the_same_trees_wait_for_each_other_in_one_order(world):
    names = [f"mail {n}" for n in range(12)]
    world.snapshot(*(ref(n) for n in names))
    world.save_stored(world.claim())
    save(world, *(holding(c, part("x"), part("y")) for c in world.claim("stored")))
    claimed = world.claim("stored")
    backwards, forwards = claimed[::2][::-1], claimed[1::2]

    at_once(
        lambda: save(world, *(holding(c, part("z")) for c in backwards)),
        lambda: save(world, *(holding(c, part("z")) for c in forwards)),
        lambda: world.delta(*(ref(n, path=f"renamed/{n}") for n in reversed(names))),
        lambda: world.snapshot(*(ref(n) for n in names[3:])),
    )

    assert {r["parent"] for r in world.rows(_INCONSISTENT)} == set()


_INCONSISTENT = """
    SELECT p.path AS parent FROM files p JOIN files f ON f.parent_id = p.id AND f.status <> 'deleted'
    WHERE p.status IN ('deleted', 'failed', 'skipped') OR f.path <> p.path || '/' || f.part_name OR f.window_day <> p.window_day
"""


# limits


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (ExtractionLimits(max_parts_total=3), "more than 3 files, those inside files inside it counted too; none of them was kept"),
        (ExtractionLimits(max_parts_total_bytes=20), "35 bytes of files, those inside files inside it counted too; none of them was kept"),
    ],
)
def test_a_file_that_holds_too_much_at_all_depths_together_is_one_failure(world, limits, limit):
    world.endpoint = replace(world.endpoint, extraction=limits)
    world.snapshot(ref("bomb"), ref("beside"))
    unpack(world, "bomb", part("a.zip"), part("b.zip"))
    world.process()
    world.execute("UPDATE files SET status = 'stored' WHERE path = 'bomb/a.zip'")

    (inner,) = world.claim("stored")
    saved = save(world, holding(inner, part("1", "x" * 12), part("2", "y" * 13)))

    assert (saved.file_ids, saved.failed) == (frozenset(), (EARLIER.date(),))
    assert tree(world) == {"beside": "extracted", "bomb": "failed"}
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        (row,) = failures.failures_of(tx)
    assert (row.item, row.code, row.message) == ("bomb", "resource", f"holds {limit}")


def test_a_file_with_a_new_version_on_its_way_is_not_judged_by_the_old(world):
    world.endpoint = replace(world.endpoint, extraction=ExtractionLimits(max_parts_total=2))
    world.snapshot(ref("bomb"))
    unpack(world, "bomb", part("a.zip"), part("b.zip"))
    a, _ = world.claim("stored")
    world.delta(ref("bomb", "2"))

    save(world, holding(a, part("1")))

    assert (tree(world), open_failures(world)) == ({"bomb": "listed"}, {})


def test_a_file_too_large_once_is_taken_whole_when_the_limit_is_raised(world):
    world.endpoint = replace(world.endpoint, extraction=ExtractionLimits(max_parts_total=1))
    world.snapshot(ref("large"))
    unpack(world, "large", part("1"), part("2"))
    assert tree(world) == {"large": "failed"}
    world.endpoint = replace(world.endpoint, extraction=ExtractionLimits(max_parts_total=2))

    with world.database.operator() as tx:
        failures.retry(tx)
    unpack(world, "large", part("1"), part("2"))
    read_all(world)

    assert (tree(world), open_failures(world)) == (dict.fromkeys(("large", "large/1", "large/2"), "extracted"), {})
