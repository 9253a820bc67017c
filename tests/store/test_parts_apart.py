"""Files inside files: what a source says has nothing to do with them; what sinks and people are told of them; work done again."""

from __future__ import annotations

from datetime import timedelta

from connector_pipelines.core.errors import ResourceError
from connector_pipelines.core.types import Acl, Deleted, Unlistable
from connector_pipelines.store.catalog import administration, failures, reports, work
from connector_pipelines.store.catalog.failures import ItemFailure
from tests.catalog_world import ALWAYS, EARLIER, NOW, config, endpoint_config, extracted, failure, ref
from tests.store.parts_acts import EVERYTHING, holding, message, open_failures, part, read_all, save, tree, unpack

# what a source says has nothing to do with them


def test_a_listing_that_names_only_files_deletes_and_counts_no_parts(mail):
    found = mail.snapshot(message(), ref("beside"))

    assert (found.absent.refs, found.absent.known, found.deleted) == ((), 2, 0)
    assert tree(mail) == EVERYTHING


def test_parts_do_not_weigh_in_the_share_of_deletions(mail):
    found = mail.snapshot(ref("mail"))

    assert [r.id for r in found.absent.refs] == ["beside"]
    assert (found.absent.known, found.deleted) == (2, 1)


def test_what_could_not_be_listed_protects_what_is_inside_the_files_there(mail):
    mail.snapshot(ref("beside"), Unlistable("mail", "forbidden", "closed"))

    assert tree(mail) == EVERYTHING


def test_a_file_of_the_source_may_have_the_name_of_a_part(mail):
    mail.delta(ref("mail/note.txt"))

    assert sorted(r["status"] for r in mail.rows("SELECT status FROM files WHERE path = 'mail/note.txt'")) == ["extracted", "listed"]


def test_the_days_a_listing_changed_are_those_of_files(mail):
    mail.now += timedelta(hours=1)
    mail.delta(ref("mail", path="renamed"))

    with mail.database.tenant(mail.endpoint.tenant_id) as tx:
        assert reports.days_changed(tx, mail.endpoint, mail.now) == {EARLIER.date(): 1}


# doing things again


def test_downloading_again_is_of_files_and_their_parts_stay_until_then(mail):
    with mail.database.tenant(mail.endpoint.tenant_id) as tx:
        assert work.redo(tx, mail.endpoint, stage="files", days=ALWAYS) == 2

    assert tree(mail) == EVERYTHING | {"beside": "listed", "mail": "listed"}
    mail.save_stored(mail.claim("listed"))
    assert tree(mail) == EVERYTHING | {"mail": "stored"}


def test_extracting_again_is_of_files_and_parts(mail):
    with mail.database.tenant(mail.endpoint.tenant_id) as tx:
        assert work.redo(tx, mail.endpoint, stage="documents", days=ALWAYS) == 5

    assert set(tree(mail).values()) == {"stored"}


def test_a_part_that_failed_is_tried_again_when_asked_for(mail):
    mail.execute("UPDATE files SET status = 'stored' WHERE path = 'mail/note.txt'")
    mail.save_failed(mail.claim("stored"), stage="documents")

    with mail.database.operator() as tx:
        assert failures.retry(tx) == 1

    assert [c.ref.path for c in mail.claim("stored")] == ["mail/note.txt"]


def test_what_was_left_out_of_a_document_is_in_the_ledger_while_the_document_stands(mail):
    mail.delta(ref("beside", "2"))
    mail.save_stored(mail.claim())
    (file,) = mail.claim("stored")
    lacks = ItemFailure(item="beside", file_id=file.file_id, stage="documents", error=ResourceError("too deep", limit="max_depth=1"))

    save(mail, holding(file, shortfall=lacks))

    assert (tree(mail), open_failures(mail)) == (EVERYTHING, {"beside": "resource"})
    with mail.database.operator() as tx:
        assert reports.endpoint_status(tx, "docs")[0].lacking == 1
        failures.retry(tx)
    (again,) = mail.claim("stored")
    save(mail, extracted(again))
    assert open_failures(mail) == {}


def test_bytes_of_which_something_was_left_out_are_read_again_when_they_come_again(mail):
    mail.delta(ref("beside", "2"))
    mail.save_stored(mail.claim(), b"same")
    (file,) = mail.claim("stored")
    save(mail, holding(file, shortfall=failure(file, "documents", ResourceError("too deep"), None).failure))
    mail.delta(ref("beside", "3"))

    mail.save_stored(mail.claim(), b"same")

    assert (tree(mail)["beside"], open_failures(mail)) == ("stored", {"beside": "resource"})


# what is told of them


def test_a_sink_is_told_which_file_a_part_is_in(mail):
    documents, _ = mail.documents(mail.owed())

    told = {d.path: d.metadata.get("part_of") for d in documents}
    assert told == {
        "beside": None,
        "mail": None,
        "mail/note.txt": "mail",
        "mail/all.zip": "mail",
        "mail/all.zip/deep.txt": "mail/all.zip",
    }


def test_a_part_is_seen_by_whom_its_outermost_file_is(mail):
    mail.deliver()

    mail.delta(message(acl=Acl(readers=frozenset({"user:ann@example.com"}))))

    owed = mail.owed()
    documents, _ = mail.documents(owed)
    assert {d.path: d.acl for d in documents} == {path: {"readers": ["user:ann@example.com"]} for path in EVERYTHING.keys() - {"beside"}}
    assert mail.claim("listed") + mail.claim("stored") == []


def test_a_part_that_comes_later_is_seen_by_whom_its_outermost_file_is(mail):
    mail.delta(message("2", acl=Acl(readers=frozenset({"anyone"}))))
    unpack(mail, "mail", part("note.txt"), part("new.txt"))
    read_all(mail)

    documents, _ = mail.documents(mail.owed())

    assert {d.path for d in documents if d.acl == {"readers": ["anyone"]}} == {"mail", "mail/note.txt", "mail/new.txt"}


def test_every_sink_is_told_when_what_is_inside_goes(mail):
    mail.deliver()

    mail.delta(Deleted("mail"))

    assert {(o.path, o.put) for o in mail.owed()} == {(p, False) for p in EVERYTHING if p != "beside"}


def test_a_status_says_how_many_of_what_was_seen_are_parts(mail):
    with mail.database.operator() as tx:
        (found,) = reports.endpoint_status(tx, "docs")
    with mail.database.tenant(mail.endpoint.tenant_id) as tx:
        (day,) = reports.day_counts(tx, mail.endpoint, ALWAYS)

    assert (found.seen, found.parts, found.extracted, found.bytes) == (5, 3, 5, 6)
    assert (day.files, day.extracted, day.parts, day.parts_extracted, day.bytes) == (2, 2, 3, 3, 6)


def test_the_bytes_of_a_part_are_referred_to(mail):
    mail.execute("DELETE FROM documents WHERE file_id IN (SELECT id FROM files WHERE parent_id IS NOT NULL)")

    with mail.database.operator() as tx:
        assert administration.unreferenced_blobs(tx, mail.endpoint.tenant_id).objects == ()


def test_forgetting_counts_files_and_takes_parts_with_them(mail):
    with mail.database.operator() as tx:
        assert administration.put_aside(tx, mail.endpoint, NOW) == 2
        assert len(administration.documents_of(tx, mail.endpoint)) == 5
        administration.forget(tx, mail.endpoint, NOW, actor="tester")

    assert mail.rows("SELECT 1 FROM files") == []


def test_a_part_belongs_to_the_tenant_of_its_file(mail):
    mail.apply(config(endpoint_config("theirs"), tenant="other", connector="other"))
    theirs = mail.find("theirs").tenant_id

    with mail.database.tenant(theirs) as tx:
        assert tx.execute("SELECT count(*) AS n FROM files").fetchone() == {"n": 0}
    assert {r["tenant_id"] for r in mail.rows("SELECT tenant_id::text FROM files")} == {mail.endpoint.tenant_id}
