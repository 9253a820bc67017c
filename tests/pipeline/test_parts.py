"""What is inside a file becomes documents of its own, in the sync that brings the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline import operations
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.blobs import Blob, Blobs
from connector_pipelines.store.catalog.reports import endpoint_status
from tests.pipeline.parts_world import PartsWorld, archive, parts_world

WRITTEN_ON = DayRange(date(2026, 5, 17), date(2026, 5, 17))
BROKEN = b"%PDF-1.7 torn off here"


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[PartsWorld]:
    with parts_world(database_url, tmp_path) as world:
        yield world


class KilledError(BaseException):
    """What nobody expects, and nobody catches."""


class Dying(Blobs):
    """The blob store of a process that dies as soon as bytes are stored."""

    def put(self, tenant_id: str, chunks: Iterable[bytes], **known: Any) -> Blob:
        super().put(tenant_id, chunks, **known)
        raise KilledError


class Full(Blobs):
    def put(self, tenant_id: str, chunks: Iterable[bytes], **known: Any) -> Blob:
        raise Unavailable("no room")


def with_blobs(kind: type[Blobs]) -> Callable[[Session], Session]:
    return lambda session: replace(session, services=replace(session.services, blobs=kind(session.services.blobs._place)))


def deep(levels: int) -> bytes:
    """An archive in an archive in an archive …; in each a text beside."""
    inner = ("bottom.txt", b"the bottom")
    for level in range(levels):
        inner = ("in.zip", archive(inner, ("beside.txt", f"level {level}")))
    return inner[1]


def bomb(width: int, levels: int) -> bytes:
    """Archives that hold `width` others each, all different, down to `levels`."""
    layer = [f"text {n}".encode() for n in range(width)]
    for level in range(levels):
        layer = [archive(("level", f"{level} {n}"), *((f"{i}.zip", body) for i, body in enumerate(layer))) for n in range(width)]
    return archive(*((f"{i}.zip", body) for i, body in enumerate(layer)))


def test_what_is_inside_a_file_is_delivered_in_the_same_sync(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a/note.txt", "a note"), ("inner.zip", archive(("deep.txt", "deep down")))))

    report = world.sync()

    assert world.texts == {"all.zip/a/note.txt": "a note", "all.zip/inner.zip/deep.txt": "deep down"}
    assert {p: d.metadata.get("part_of") for p, d in world.documents.items()} == {
        "all.zip": None,
        "all.zip/a/note.txt": "all.zip",
        "all.zip/inner.zip": "all.zip",
        "all.zip/inner.zip/deep.txt": "all.zip/inner.zip",
    }
    assert {d.url for d in world.documents.values()} == {"memory://id-1"}
    assert report.stages["documents"].counts["extracted"] == 4
    assert report.stages["documents"].counts["parts"] == 3


def test_a_message_with_an_archive_with_a_table_is_three_documents(world: PartsWorld) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "The offer", "a@example.org", "b@example.org"
    message["Date"] = "Mon, 02 Mar 2026 10:00:00 +0000"
    message.set_content("please find it attached")
    table = archive(("prices.csv", "item,price\nbeam,12\n"))
    message.add_attachment(table, maintype="application", subtype="zip", filename="offer.zip")
    world.service.put("offer.eml", message.as_bytes())

    world.sync()

    texts = {p: "".join(c.text for c in d.chunks) for p, d in world.documents.items()}
    assert set(texts) == {"offer.eml", "offer.eml/offer.zip", "offer.eml/offer.zip/prices.csv"}
    assert "please find it attached" in texts["offer.eml"]
    assert "price: 12" in texts["offer.eml/offer.zip/prices.csv"]


def test_progress_counts_what_appears_on_the_way(world: PartsWorld) -> None:
    world.service.put("all.zip", deep(3))

    world.sync()

    told = [p for p in world.told if p.stage == "documents"]
    assert all(p.done <= (p.total or 0) for p in told)
    assert (told[-1].done, told[-1].total) == (7, 7)


def test_one_bad_part_is_one_failure_and_its_neighbours_are_fine(world: PartsWorld) -> None:
    world.service.put(
        "all.zip", archive(("good.txt", "good"), ("bad.pdf", BROKEN), ("worse.zip", archive(("bad.pdf", BROKEN), ("fine.txt", "fine"))))
    )

    world.sync()

    assert world.texts == {"all.zip/good.txt": "good", "all.zip/worse.zip/fine.txt": "fine"}
    assert {(f.item, f.code) for f in world.failures} == {("all.zip/bad.pdf", "malformed"), ("all.zip/worse.zip/bad.pdf", "malformed")}


def test_a_part_no_extractor_takes_is_skipped_and_kept(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("shape.step", b"ISO-10303-21;\n"), ("a.txt", "a")))

    world.sync()

    assert world.rows("SELECT path, status, reason FROM files WHERE status = 'skipped'") == [
        {"path": "all.zip/shape.step", "status": "skipped", "reason": "no_extractor"}
    ]
    assert world.texts == {"all.zip/a.txt": "a"}


def test_parts_that_are_called_the_same_are_documents_of_their_own(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a.txt", "one"), ("a.txt", "two")))

    world.sync()

    assert world.texts == {"all.zip/a.txt": "one", "all.zip/a (2).txt": "two"}


def test_what_is_unchanged_inside_is_neither_read_nor_delivered_again(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a.txt", "a"), ("b.txt", "b")))
    world.sync()
    before = world.documents

    world.service.put("all.zip", archive(("a.txt", "a"), ("b.txt", "changed"), ("c.txt", "new")))
    report = world.sync()

    assert world.texts == {"all.zip/a.txt": "a", "all.zip/b.txt": "changed", "all.zip/c.txt": "new"}
    assert report.stages["documents"].counts["extracted"] == 3
    assert report.stages["held"].counts["delivered"] == 3
    assert world.documents["all.zip/a.txt"].generation == before["all.zip/a.txt"].generation
    assert world.documents["all.zip/b.txt"].id == before["all.zip/b.txt"].id


def test_what_left_the_file_leaves_the_sinks(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a.txt", "a"), ("inner.zip", archive(("deep.txt", "deep")))))
    world.sync()

    world.service.put("all.zip", archive(("b.txt", "b")))
    world.sync()

    assert set(world.documents) == {"all.zip", "all.zip/b.txt"}


@pytest.mark.parametrize("how", ["removed", "broken", "unreadable"])
def test_what_was_inside_leaves_the_sinks_with_the_file_and_comes_back_with_it(world: PartsWorld, how: str) -> None:
    body = archive(("a.txt", "a"), ("inner.zip", archive(("deep.txt", "deep"))))
    file_id = world.service.put("all.zip", body)
    world.sync()
    held = set(world.documents)

    if how == "removed":
        world.service.remove(file_id)
    elif how == "broken":
        world.service.put("all.zip", BROKEN)
    else:
        world.service.put("all.zip", b"ISO-10303-21;\n")
    world.sync()
    assert set(world.documents) == set()
    world.service.put("all.zip", body)
    world.sync()

    assert set(world.documents) == held
    assert world.texts == {"all.zip/a.txt": "a", "all.zip/inner.zip/deep.txt": "deep"}


def test_what_is_inside_is_found_under_the_new_name_of_its_file(world: PartsWorld) -> None:
    file_id = world.service.put("all.zip", archive(("a.txt", "a"), ("inner.zip", archive(("deep.txt", "deep")))))
    world.sync()
    ids = {d.id for d in world.documents.values()}

    world.service.rename(file_id, "renamed.zip")
    report = world.sync()

    assert world.texts == {"renamed.zip/a.txt": "a", "renamed.zip/inner.zip/deep.txt": "deep"}
    assert world.documents["renamed.zip/inner.zip/deep.txt"].metadata["part_of"] == "renamed.zip/inner.zip"
    assert {d.id for d in world.documents.values()} == ids
    assert report.stages["documents"].counts["extracted"] <= 2, "what is inside was read again"


def test_a_sweep_that_names_no_part_deletes_none(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a.txt", "a")))
    world.sync()
    held = set(world.documents)

    world.sync(sweep=True)

    assert set(world.documents) == held


def test_a_backfill_of_a_window_takes_what_is_inside_its_files(world: PartsWorld) -> None:
    world.service.put("all.zip", deep(2))
    for stage in ("listing", "files", "documents", "held"):
        world.run_stage(stage, WRITTEN_ON)

    assert set(world.documents) == {
        "all.zip", "all.zip/beside.txt", "all.zip/in.zip", "all.zip/in.zip/beside.txt", "all.zip/in.zip/bottom.txt",
    }  # fmt: skip


def test_doing_files_again_downloads_only_what_the_source_has(world: PartsWorld) -> None:
    world.service.put("all.zip", deep(2))
    world.sync()

    again = world.run_stage("files", WRITTEN_ON, redo_first=True)
    world.sync()

    assert again.counts["stored"] == 1
    assert len(world.documents) == 5


def test_doing_documents_again_reads_parts_from_the_bytes_we_hold(world: PartsWorld) -> None:
    file_id = world.service.put("all.zip", deep(2))
    world.sync()
    world.service.refuse(file_id)

    again = world.run_stage("documents", WRITTEN_ON, redo_first=True)

    assert (again.counts["extracted"], again.counts["failed"]) == (5, 0)


def test_a_part_that_failed_is_tried_again_by_itself(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("bad.pdf", BROKEN), ("a.txt", "a")))
    world.sync()

    assert world.retry() == 1
    report = world.sync()

    assert (report.stages["documents"].counts["failed"], report.stages["documents"].counts["extracted"]) == (1, 0)
    assert [(f.item, f.code) for f in world.failures] == [("all.zip/bad.pdf", "malformed")]


def test_what_lies_too_deep_is_left_out_and_the_ledger_says_so(world: PartsWorld) -> None:
    world.configure(max_depth=2)
    world.service.put("all.zip", deep(4))

    world.sync()

    deepest = "all.zip/in.zip/in.zip"
    assert max(world.documents, key=len) == "all.zip/in.zip/beside.txt"
    assert deepest in world.documents, "the document of the container itself stands"
    (row,) = world.failures
    assert (row.item, row.code, row.error_class) == (deepest, "resource", "resource")
    assert row.message == "2 files inside it were left out: it lies 2 files deep, and parts at most 2"
    with world.services.database.operator() as tx:
        assert endpoint_status(tx)[0].lacking == 1

    world.configure(max_depth=5)
    world.retry()
    world.sync()

    assert world.texts["all.zip/in.zip/in.zip/in.zip/bottom.txt"] == "the bottom"
    assert world.failures == []


def test_without_depth_nothing_is_taken_out_and_that_is_no_failure(world: PartsWorld) -> None:
    world.configure(max_depth=0)
    world.service.put("all.zip", deep(2))

    world.sync()

    assert (set(world.documents), world.failures) == ({"all.zip"}, [])
    assert world.rows("SELECT warnings FROM documents") == [{"warnings": ["2 files inside it were not opened"]}]


@pytest.mark.parametrize("limits", [{"max_parts_total": 60}, {"max_parts_total_bytes": 60_000}], ids=str)
def test_a_bomb_of_archives_in_archives_is_one_failure_and_hurts_nothing_else(world: PartsWorld, limits: dict[str, int]) -> None:
    world.configure(**limits)
    world.service.put("bomb.zip", bomb(width=6, levels=3))
    world.service.put("beside.txt", b"beside")
    world.service.put("other.zip", archive(("a.txt", "a")))

    world.sync()

    assert world.texts == {"beside.txt": "beside", "other.zip/a.txt": "a"}
    assert "bomb.zip" not in world.documents
    assert [(f.item, f.code) for f in world.failures] == [("bomb.zip", "resource")]
    left = world.rows("SELECT status, count(*) AS n FROM files WHERE path LIKE 'bomb%' AND status <> 'deleted' GROUP BY 1")
    assert left == [{"status": "failed", "n": 1}]


def test_a_process_that_dies_between_storing_parts_and_recording_them_doubles_nothing(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a.txt", "a"), ("b.txt", "b")))
    for stage in ("listing", "files"):
        world.run_stage(stage, DayRange())

    with pytest.raises(KilledError), world.session(with_blobs(Dying)) as session:
        operations.run_stage(session, "documents", DayRange())
    assert len(list(world.services.blobs.keys(session.endpoint.tenant_id))) == 2, "the bytes of a part were stored"
    assert world.rows("SELECT 1 FROM files WHERE parent_id IS NOT NULL") == []

    world.sync()

    assert world.texts == {"all.zip/a.txt": "a", "all.zip/b.txt": "b"}
    assert len(world.rows("SELECT 1 FROM blobs")) == 3


def test_a_blob_store_that_is_away_while_parts_are_stored_stops_the_stage_and_fails_no_file(world: PartsWorld) -> None:
    world.service.put("all.zip", archive(("a.txt", "a")))
    for stage in ("listing", "files"):
        world.run_stage(stage, DayRange())

    with pytest.raises(Unavailable), world.session(with_blobs(Full)) as session:
        operations.run_stage(session, "documents", DayRange())

    assert world.failures == []
    world.sync()
    assert world.texts == {"all.zip/a.txt": "a"}


def test_nothing_is_left_in_the_folder_where_files_are_unpacked(world: PartsWorld, tmp_path: Path) -> None:
    world.service.put("all.zip", archive(("bad.pdf", BROKEN), ("in.zip", deep(2))))

    world.sync()

    assert list((tmp_path / "objects" / ".spool").iterdir()) == []
