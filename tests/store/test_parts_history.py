"""Through any history, what is inside a file is what was last found in it, and the counts add up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector_pipelines.store.catalog import reports, work
from tests.catalog_world import ALWAYS
from tests.store.parts_acts import holding, part, save
from tests.store.test_reports import History

DEEPEST = 3


class Unpacking(History):
    """A history in which some files hold others."""

    def __init__(self, world, seed):
        super().__init__(world, seed)
        self.inside = {}

    def step(self):
        acts = (self.list_source, self.download, self.extract, self.extract, self.extract, self.deliver, self.finish_late, self.pass_time)
        self.random.choice(acts)()

    def extract(self):
        self.work("stored", self.unpack, "documents")

    def unpack(self, files):
        found = {f.file_id: self.parts(f) for f in files}
        saved = save(self.world, *(holding(f, *found[f.file_id]) for f in files))
        self.inside |= {i: {p.name for p in parts} for i, parts in found.items() if i in saved.file_ids}

    def parts(self, file: work.Claimed):
        names = self.random.sample("xyz", self.random.randrange(4)) if file.depth < DEEPEST else []
        return [part(n, f"{n} {self.random.randrange(2)}") for n in names]

    def settle(self):
        while self.late:
            self.finish_late()
        self.world.now += timedelta(hours=1)
        self.world.save_stored(self.world.claim("listed"))
        while claimed := self.world.claim("stored"):
            self.unpack(claimed)
        while owed := self.world.owed():
            self.tell(owed)


def adds_up(world):
    with world.database.operator() as tx:
        (found,) = reports.endpoint_status(tx, "docs")
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        days = reports.day_counts(tx, world.endpoint, ALWAYS)
    (live,) = world.rows("SELECT count(*) AS n, count(parent_id) AS parts FROM files WHERE status <> 'deleted'")
    assert (found.seen, found.parts) == (live["n"], live["parts"])
    assert found.seen == found.waiting + found.stored + found.extracted + sum(found.skipped.values()) + sum(found.failed.values())
    assert (sum(d.files for d in days), sum(d.parts for d in days)) == (found.seen - found.parts, found.parts)
    for day in days:
        assert day.files == day.waiting + day.stored + day.extracted + day.skipped + day.failed
        assert day.parts == day.parts_stored + day.parts_extracted + day.parts_skipped + day.parts_failed
    for sink in found.sinks.values():
        assert sink["delivered"] + sink["failed"] + sink["owed"] == found.extracted


ORPHANS = """
    SELECT f.path FROM files f JOIN files p ON p.id = f.parent_id
    WHERE f.status <> 'deleted' AND (p.status IN ('deleted', 'failed', 'skipped') OR f.path <> p.path || '/' || f.part_name OR f.window_day <> p.window_day)
"""


@pytest.mark.parametrize("seed", range(8))
def test_parts_are_those_last_found_through_any_history(world, seed):
    history = Unpacking(world, seed)
    for _ in range(40):
        history.step()
        adds_up(world)
        assert world.rows(ORPHANS) == []

    history.settle()

    adds_up(world)
    live = world.rows("SELECT id, parent_id, part_name, status, path, generation FROM files WHERE status <> 'deleted'")
    held = {}
    for one in live:
        held.setdefault(one["parent_id"], set()).add(one["part_name"])
    assert history.inside, "nothing was unpacked, so nothing is proven"
    for one in live:
        if one["status"] == "extracted":
            assert held.get(one["id"], set()) == history.inside[one["id"]]
    told = world.rows(
        "SELECT x.id::text, f.path, f.generation FROM documents x JOIN files f ON f.id = x.file_id WHERE f.status = 'extracted'"
    )
    assert {r["id"]: (r["generation"], r["path"]) for r in told} == {i: held for i, held in history.sink.items() if held[1]}


def test_what_may_happen_to_a_part_is_among_what_happens(world):
    """The history above fails and loses parts too, or it would prove less than it says."""
    happened = set()
    history = Unpacking(world, 1)
    for _ in range(120):
        history.step()
        happened |= {r["status"] for r in world.rows("SELECT DISTINCT status FROM files WHERE parent_id IS NOT NULL")}

    assert happened >= {"stored", "extracted", "failed", "deleted"}
