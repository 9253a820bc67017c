"""What people are told: that it adds up, whatever happened before."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from connector_pipelines.core.errors import Malformed, Unavailable
from connector_pipelines.core.types import DayRange, Deleted, Skipped
from connector_pipelines.store.catalog import deliveries, reports
from tests.catalog_world import ALWAYS, EARLIER, NOW, config, endpoint_config, ref


def status(world, slug="docs"):
    with world.database.operator() as tx:
        (found,) = reports.endpoint_status(tx, slug)
    return found


def day_counts(world, days=ALWAYS):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return reports.day_counts(tx, world.endpoint, days)


def citations(world, wanted):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return reports.citations(tx, wanted)


def document_ids(world):
    return {
        r["external_id"]: r["id"] for r in world.rows("SELECT external_id, x.id::text FROM documents x JOIN files f ON f.id = x.file_id")
    }


class History:
    """Whatever may happen to an endpoint, in any order: results come late, workers die, sinks are told late."""

    def __init__(self, world, seed):
        self.world, self.random = world, random.Random(seed)
        self.source, self.sink, self.late = {}, {}, []

    def step(self):
        self.random.choice(
            (self.list_source, self.list_source, self.download, self.extract, self.deliver, self.finish_late, self.pass_time)
        )()

    def list_source(self):
        for name in self.random.sample("abcdefgh", 3):
            gone = self.random.random() < 0.3
            self.source.pop(name, None) if gone else self.source.update({name: self.change(name)})
        self.world.snapshot(*self.source.values())

    def change(self, name):
        day = EARLIER + timedelta(days=self.random.randrange(3))
        if self.random.random() < 0.1:
            return Skipped(name, name, "too_large")
        return ref(name, str(self.random.randrange(3)), path=f"{self.random.randrange(3)}/{name}", modified_at=day)

    def download(self):
        self.work("listed", self.world.save_stored, "files")

    def extract(self):
        self.work("stored", self.world.save_extracted, "documents")

    def work(self, waiting, save, stage):
        claimed = self.world.claim(waiting, limit=self.random.randrange(1, 5))
        if self.random.random() < 0.2:
            self.late.append((save, claimed))
            self.let_go()
            return
        for file in claimed:
            fate = self.random.random()
            if fate < 0.6:
                save([file])
            elif fate < 0.75:
                self.world.save_failed([file], stage=stage, error=Malformed("broken"))
            elif fate < 0.9:
                self.world.save_failed([file], stage=stage, error=Unavailable("away"), retry_at=self.world.now + timedelta(minutes=1))
            elif stage == "documents":
                self.world.save_skipped([file])
        self.let_go()

    def let_go(self):
        """The worker dies and another takes its place."""
        self.world.execute("UPDATE files SET claimed_by = NULL")
        self.world.execute("UPDATE deliveries SET claimed_by = NULL")

    def deliver(self):
        owed = self.world.owed(limit=self.random.randrange(1, 5))
        if self.random.random() < 0.2:
            self.late.append((self.tell, owed))
            self.let_go()
        else:
            self.tell(owed)

    def tell(self, owed):
        """As a sink does it: what is of an older generation is late, and passed over."""
        documents, changed = self.world.documents([o for o in owed if o.put])
        held = [(d.id, d.generation, d.path) for d in documents] + [
            (o.document_id, o.generation, None) for o in owed if not o.put and o.document_id
        ]
        for document_id, generation, path in held:
            if generation >= self.sink.get(document_id, (0, None))[0]:
                self.sink[document_id] = (generation, path)
        passed_over = {o.file_id for o in changed}
        self.world.told([o for o in owed if o.file_id not in passed_over])
        with self.world.database.tenant(self.world.endpoint.tenant_id) as tx:
            deliveries.let_go(tx, "vectors", changed)

    def finish_late(self):
        if self.late:
            finish, what = self.late.pop(self.random.randrange(len(self.late)))
            finish(what)

    def pass_time(self):
        self.world.now += timedelta(minutes=2)

    def settle(self):
        """Everything late comes in, and everything that waits is done."""
        while self.late:
            self.finish_late()
        self.world.now += timedelta(hours=1)
        self.world.process()
        while owed := self.world.owed():
            self.tell(owed)


def adds_up(world, found):
    rows = world.statuses()
    live = [s for s in rows.values() if s != "deleted"]
    assert found.seen == len(live)
    assert found.seen == found.waiting + found.stored + found.extracted + sum(found.skipped.values()) + sum(found.failed.values())
    for sink in found.sinks.values():
        assert sink["delivered"] + sink["failed"] + sink["owed"] == found.extracted
    days = day_counts(world)
    assert sum(d.files for d in days) == found.seen
    for day in days:
        assert day.files == day.waiting + day.stored + day.extracted + day.skipped + day.failed


@pytest.mark.parametrize("seed", range(6))
def test_counts_add_up_and_sinks_converge_through_any_history(world, seed):
    history = History(world, seed)
    for _ in range(30):
        history.step()
        adds_up(world, status(world))

    history.settle()

    adds_up(world, status(world))
    extracted = world.rows(
        "SELECT x.id::text, f.generation, f.path FROM files f JOIN documents x ON x.file_id = f.id WHERE f.status = 'extracted'"
    )
    assert {r["id"]: (r["generation"], r["path"]) for r in extracted} == {i: held for i, held in history.sink.items() if held[1]}
    assert set(world.statuses()) >= set(history.source)
    assert {i for i, s in world.statuses().items() if s != "deleted"} == set(history.source)
    assert status(world).sinks["vectors"]["to_remove"] == 0
    assert status(world).sinks["vectors"]["owed"] == 0


def test_each_kind_of_thing_is_counted_under_its_name(world):
    world.snapshot(*(ref(n) for n in "abcdef"), Skipped("g", "g", "too_large"))
    a, b, c, d, e, _ = world.claim()
    world.save_stored([a, b, c, d])
    world.save_failed([e])
    a, b, c, d = world.claim("stored")
    world.save_extracted([a, b])
    world.save_skipped([c])
    world.told([o for o in world.owed() if o.path == "a"])

    found = status(world)

    assert (found.seen, found.waiting, found.stored, found.extracted) == (7, 1, 1, 2)
    assert (found.skipped, found.failed) == ({"too_large": 1, "no_extractor": 1}, {"malformed": 1})
    assert found.sinks == {
        "vectors": {"delivered": 1, "failed": 0, "owed": 1, "to_remove": 0},
        "search": {"delivered": 0, "failed": 0, "owed": 2, "to_remove": 0},
    }


def test_an_endpoint_that_brought_nothing_has_counts_all_the_same(world):
    found = status(world)

    assert (found.seen, found.bytes, found.skipped, found.failed, found.state) == (0, 0, {}, {}, "idle")
    assert found.sinks["vectors"] == {"delivered": 0, "failed": 0, "owed": 0, "to_remove": 0}


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("UPDATE endpoints SET paused = true, held_deletions = '{}'", "paused"),
        ("UPDATE endpoints SET held_deletions = '{}'", "held"),
        ("UPDATE connectors SET status = 'error'", "error"),
    ],
)
def test_the_state_is_the_one_a_person_has_to_act_on(world, change, state):
    world.execute(change)

    assert status(world).state == state


def test_endpoints_are_told_by_slug_without_those_put_aside(world):
    world.apply(config(endpoint_config("mail"), endpoint_config("docs"), endpoint_config("gone")))
    world.apply(config(endpoint_config("mail"), endpoint_config("docs")))

    with world.database.operator() as tx:
        assert [s.slug for s in reports.endpoint_status(tx)] == ["docs", "mail"]
        assert reports.endpoint_status(tx, "gone") == []


def test_days_are_counted_by_the_time_at_the_source(world):
    world.snapshot(ref("a", size=10), ref("b", size=5), ref("c", modified_at=NOW, size=1), ref("d", modified_at=NOW))
    world.process("one", "two")
    world.deliver()
    world.delta(Deleted("d"))

    first, second = day_counts(world)

    assert (first.day, first.files, first.bytes, first.extracted, first.chunks, first.delivered) == (
        EARLIER.date(),
        2,
        15,
        2,
        4,
        {"vectors": 2},
    )
    assert (second.day, second.files, second.bytes, second.delivered) == (NOW.date(), 1, 1, {"vectors": 1})
    assert day_counts(world, DayRange(NOW.date(), None)) == [second]
    assert day_counts(world, DayRange(None, EARLIER.date())) == [first]


def test_the_days_a_listing_changed_are_those_of_what_it_changed(world):
    world.snapshot(ref("a"), ref("b"), ref("c", modified_at=NOW))
    world.now += timedelta(hours=1)

    world.snapshot(ref("a"), ref("b", version="2"))

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        assert reports.days_changed(tx, world.endpoint, world.now) == {EARLIER.date(): 1, NOW.date(): 1}


# citations


def test_a_passage_is_cited_with_where_it_stands(world):
    world.snapshot(ref("a", path="dir/report.txt", url="http://x/a"))
    world.process("one", "two")
    document = document_ids(world)["a"]

    found = citations(world, [(document, 1), (document, 7)])

    assert list(found) == [(document, 1)]
    told = found[document, 1]
    assert (told.title, told.path, told.url, told.endpoint, told.kind, told.text) == (
        "report.txt", "dir/report.txt", "http://x/a", "docs", "local_folder", "two",
    )  # fmt: skip


@pytest.mark.parametrize("end", ["deleted", "failed", "skipped"])
def test_what_is_no_more_is_not_cited(world, end):
    world.snapshot(ref("a"), ref("b"))
    world.process()
    documents = document_ids(world)
    if end == "deleted":
        world.delta(Deleted("a"))
    elif end == "skipped":
        world.delta(Skipped("a", "a", "too_large"))
    else:
        world.delta(ref("a", "2"))
        world.save_failed(world.claim())

    assert list(citations(world, [(documents["a"], 0), (documents["b"], 0)])) == [(documents["b"], 0)]


def test_another_tenants_passages_are_not_cited(world):
    world.snapshot(ref("a"))
    world.process()
    document = document_ids(world)["a"]

    with world.database.tenant("00000000-0000-0000-0000-000000000000") as tx:
        assert reports.citations(tx, [(document, 0)]) == {}


def test_nothing_found_is_nothing_cited(world):
    assert citations(world, []) == {}


# logs


def logs(world):
    with world.database.tenant(world.endpoint.tenant_id) as tx:
        return reports.last_logs(tx, world.endpoint.id)


def test_a_stage_that_ends_well_logs_what_it_did(world):
    with reports.stage_log(world.database, world.endpoint, "r1", "files") as log:
        assert logs(world)[0]["status"] == "started"
        log.counts["stored"] = 3

    (row,) = logs(world)
    assert (row["run_id"], row["stage"], row["status"], row["counts"], row["error_code"]) == ("r1", "files", "done", {"stored": 3}, None)
    assert row["finished_at"] is not None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("no \x00 answer, password=hunter22"), "unavailable"),
        (KeyError("x"), "KeyError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_stage_that_breaks_off_logs_why_and_breaks_off(world, error, code):
    with pytest.raises(type(error)), reports.stage_log(world.database, world.endpoint, "r1", "files"):
        raise error

    (row,) = logs(world)
    assert (row["status"], row["error_code"], "hunter22" in row["error_message"]) == ("failed", code, False)


def test_the_newest_logs_come_first_and_only_so_many(world):
    for n in range(4):
        with reports.stage_log(world.database, world.endpoint, f"r{n}", "files"):
            pass

    with world.database.tenant(world.endpoint.tenant_id) as tx:
        assert [r["run_id"] for r in reports.last_logs(tx, world.endpoint.id, 2)] == ["r3", "r2"]
