"""Bringing files in, finding them, seeing that it adds up, and mending, with the real command on a real database."""

from __future__ import annotations

from tests.cli.conftest import Place


def test_from_nothing_to_an_answer_and_back(place: Place) -> None:
    early = place.run("search", "wall")
    first = place.run("sync", "--json")
    again = place.run("sync")
    found = place.run("search", "retaining wall", "--json")
    nothing = place.run("search", "zeppelin")
    status = place.run("status", "--json").json[0]
    failed = place.run("failures", "--json").json
    explained = place.run("failures", "explain", str(failed[0]["id"]))
    place.run("failures", "retry", "--all")
    strict = place.run("sync", "--strict")

    assert (early.code, early.err) == (1, "no document has been delivered yet: run `connectors sync`, then see `connectors status`\n")
    assert first.code == 0
    assert first.json[0]["listed"]["new"] == 3
    assert (first.json[0]["stored"], first.json[0]["extracted"], first.json[0]["failed"]) == (3, 2, 1)
    assert first.json[0]["delivered"] == {"search": 2}
    assert first.json[0]["reasons"][0]["code"] == "malformed"
    assert again.code == 0
    assert again.out == "files: 3 unchanged\n  no work to do\n"
    assert found.code == 0
    assert found.json[0]["path"] == "report.txt"
    assert "12 millimetres" in found.json[0]["snippet"]
    assert (nothing.code, nothing.err) == (1, "nothing found\n")
    assert (status["seen"], status["extracted"], status["failed"], status["adds_up"]) == (3, 2, {"malformed": 1}, True)
    assert status["sinks"]["search"] == {"delivered": 2, "owed": 0, "failed": 0, "to_remove": 0}
    assert [f["item"] for f in failed] == ["broken.pdf"]
    assert "open the file in its own program" in explained.out
    assert strict.code == 3


def test_a_removed_endpoint_stays_searchable_until_it_is_purged(place: Place) -> None:
    place.write("others/note.txt", "The bridge deck was inspected.")
    place.configure("files", "others")
    place.run("sync", "others")
    place.configure("files")

    applied = place.run("apply")
    still = place.run("search", "bridge deck")
    asked = place.run("purge", "others")
    purged = place.run("purge", "others", "--yes")
    gone = place.run("search", "bridge deck", "--json")
    again = place.run("purge", "others", "--yes")
    stored = [
        p for p in (place.folder / "home" / "objects").rglob("*") if p.is_file() and p.read_bytes() == b"The bridge deck was inspected."
    ]

    assert "put aside: others" in applied.err
    assert "`connectors purge others`" in applied.err
    assert still.code == 0
    assert (asked.code, "--yes" in asked.err) == (2, True)
    assert purged.code == 0, purged.err
    assert purged.out == "forgot others: 1 document removed from search, 30 B of stored bytes deleted\n"
    assert gone.json == []
    assert again.code == 2
    assert stored == []


def test_purging_keeps_bytes_that_another_endpoint_holds_too(place: Place) -> None:
    same = "The retaining wall moved 12 millimetres in May.\n"
    place.write("others/copy.txt", same)
    place.configure("files", "others")
    place.run("sync")

    purged = place.run("purge", "others", "--yes")
    redone = place.run("search", "retaining wall", "--json")

    assert purged.out.endswith("0 B of stored bytes deleted\n")
    assert [r["endpoint"] for r in redone.json] == ["files"]


def test_many_deletions_are_held_until_approved(place: Place) -> None:
    for n in range(12):
        place.write(f"files/old/{n}.txt", f"text {n}")
    place.run("sync")
    for path in (place.folder / "files" / "old").iterdir():
        path.unlink()

    held = place.run("sync")
    status = place.run("status")
    alone = place.run("approve", "files")
    approved = place.run("approve", "files", "--yes")
    then = place.run("sync", "--json")
    none = place.run("approve", "files", "--yes")

    assert held.code == 4, held.err
    assert "12 deletions are held" in held.out
    assert "12 of 15 known files are gone" in status.out
    assert alone.code == 2
    assert "old/0.txt" in approved.out
    assert then.code == 0, then.err
    assert then.json[0]["listed"]["deleted"] == 12
    assert then.json[0]["removed"] == {"search": 12}
    assert none.code == 2


def test_a_folder_that_is_not_there_fails_the_sync_and_says_what_to_do(place: Place) -> None:
    place.configure("nowhere")

    ended = place.run("sync")
    tried = place.run("test")
    status = place.run("status")

    assert ended.code == 1
    assert "nowhere" in ended.out
    assert "fix: Create it, mount it, or set `root`" in ended.out
    assert tried.code == 1
    assert "FAILED" in tried.out
    assert "fix: Create it" in status.out


def test_everything_that_works_is_told_to_work(place: Place) -> None:
    shown, told = place.run("test"), place.run("test", "files", "--json").json

    assert shown.code == 0, shown.out
    assert "report.txt" in shown.out
    assert all(a["works"] for one in told for a in one["abilities"])
    assert [one["what"] for one in told] == ["endpoint files (local_folder)", "database", "sink search (postgres_text)", "object store"]


def test_asking_for_a_sync_makes_the_endpoint_due(place: Place) -> None:
    asked = place.run("sync", "files", "--request")

    assert asked.code == 0
    assert "files" in asked.out
    assert place.run("status", "--json").json[0]["seen"] == 0


def test_what_is_not_there_is_named(place: Place) -> None:
    place.run("apply")
    wrong = {
        ("sync", "nope"): "there is no endpoint 'nope'",
        ("status", "nope"): "there is no endpoint 'nope'",
        ("failures", "explain", "77"): "there is no failure 77",
        ("failures", "retry"): "--all",
        ("purge", "nope", "--yes"): "there is no endpoint 'nope'",
        ("search", "wall", "--endpoint", "nope"): "there is no endpoint 'nope'",
        ("test", "nope"): "no endpoint or connector 'nope'",
    }

    ended = {command: place.run(*command) for command in wrong}

    assert {command: e.code for command, e in ended.items()} == dict.fromkeys(wrong, 2)
    assert [command for command, words in wrong.items() if words not in ended[command].err] == []
    assert [command for command, e in ended.items() if "Traceback" in e.err] == []


def test_migrate_brings_an_empty_database_up_and_then_has_nothing_to_do(place: Place) -> None:
    first, again = place.run("migrate"), place.run("migrate")

    assert (first.code, again.code) == (0, 0)
    assert "it had none" in first.out
    assert "nothing to do" in again.out
