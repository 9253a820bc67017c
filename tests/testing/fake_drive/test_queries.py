"""files.list: what `q` finds, and in which pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.testing.fake_drive.items import FOLDER
from tests.testing.fake_drive.asking import ADA, BOB, DRIVES, EVE, Asking, Refused

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def with_files(ask: Asking) -> dict[str, str]:
    world = ask.world
    plans = world.create_folder("Plans", owner=ADA)
    return {
        "plans": plans,
        "inner": world.create(parent=plans, name="inner.txt", content=b"1", modified_at=MARCH),
        "pdf": world.create(
            owner=ADA, name="It's a plan.pdf", content=b"22", mime_type="application/pdf", modified_at=MARCH + timedelta(days=1)
        ),
        "doc": world.create_native("document", "text", owner=ADA, name="HelloWorld", modified_at=MARCH + timedelta(days=2)),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Plans", "inner.txt", "It's a plan.pdf", "HelloWorld"}),
        (f"mimeType = '{FOLDER}'", {"Plans"}),
        (f"mimeType!='{FOLDER}' and mimeType != 'application/pdf'", {"inner.txt", "HelloWorld"}),
        ("mimeType contains 'google-apps'", {"Plans", "HelloWorld"}),
        ("name = 'It\\'s a plan.pdf'", {"It's a plan.pdf"}),
        ("name contains 'plan'", {"Plans", "It's a plan.pdf"}),
        ("name contains 'World'", set()),
        ("name contains 'hello'", {"HelloWorld"}),
        ("modifiedTime > '2026-03-01T00:00:00' and modifiedTime <= '2026-03-02T01:00:00.000+01:00'", {"It's a plan.pdf"}),
        ("not name contains 'plan' and trashed = false", {"inner.txt", "HelloWorld"}),
        ("not (name = 'inner.txt' or name = 'HelloWorld')", {"Plans", "It's a plan.pdf"}),
        ("name = 'inner.txt' or name = 'HelloWorld' and trashed = true", {"inner.txt"}),
        ("'me' in owners and mimeType = 'application/pdf'", {"It's a plan.pdf"}),
        ("'bob@example.com' in owners", set()),
        ("'root' in parents", {"Plans", "It's a plan.pdf", "HelloWorld"}),
        ("sharedWithMe", set()),
        ("trashed=true", set()),
        ("starred = false and name = 'HelloWorld'", {"HelloWorld"}),
    ],
)
def test_a_query_finds_what_it_says(ask: Asking, query: str, found: set[str]) -> None:
    with_files(ask)

    assert set(ask.names(query)) == found


@pytest.mark.parametrize(
    "query",
    ["name", "name =", "name = 'a", "name = a", "name ~ 'a'", "(name = 'a'", "name = 'a')", "and", "size > '1'", "'x' in", "'x' in colours",
     "modifiedTime > 'yesterday'", "name > 'a'", "trashed = 'maybe'", "name = 'a' name = 'b'", "not", "mimeType < 'a'"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(ask: Asking, query: str) -> None:
    with pytest.raises(Refused) as refused:
        ask("files", q=query)

    assert (refused.value.status, refused.value.reason, refused.value.location) == (400, "invalid", "q")


def test_children_of_a_folder_are_found_by_its_id_and_by_several(ask: Asking) -> None:
    files = with_files(ask)
    other = ask.world.create_folder("Other", owner=ADA)
    ask.world.create(parent=other, name="else.txt", content=b"")

    assert ask.names(f"'{files['plans']}' in parents") == ["inner.txt"]
    assert ask.names(f"('{files['plans']}' in parents or '{other}' in parents) and trashed = false") == ["inner.txt", "else.txt"]


def test_a_folder_that_is_not_there_is_no_empty_folder(ask: Asking) -> None:
    with pytest.raises(Refused, match="File not found: \\.") as refused:
        ask.names("'1nosuchfolder' in parents")

    assert (refused.value.status, refused.value.reason) == (404, "notFound")


def test_what_is_in_the_trash_is_listed_unless_told_otherwise(ask: Asking) -> None:
    files = with_files(ask)
    ask.world.trash(files["plans"])

    assert "inner.txt" in ask.names()
    assert set(ask.names("trashed = true")) == {"Plans", "inner.txt"}
    assert set(ask.names("trashed = false")) == {"It's a plan.pdf", "HelloWorld"}


def test_what_was_shared_with_me_is_not_what_lies_in_it(ask: Asking) -> None:
    files = with_files(ask)
    ask.world.share(files["plans"], "user", "reader", BOB)

    assert ask.names("sharedWithMe", BOB) == ["Plans"]
    assert set(ask.names("", BOB)) == {"Plans", "inner.txt"}
    assert ask.names(f"'{files['plans']}' in parents", BOB) == ["inner.txt"]
    assert ask.names("", EVE) == []
    ask.world.create(owner=BOB, name="bobs.txt", content=b"")
    assert set(ask.names("sharedWithMe or name = 'bobs.txt'", BOB)) == {"Plans", "bobs.txt"}
    assert set(ask.names("not sharedWithMe", BOB)) == {"inner.txt", "bobs.txt"}


def test_an_item_shared_with_me_shows_no_parent_that_i_cannot_see(ask: Asking) -> None:
    files = with_files(ask)
    ask.world.share(files["inner"], "user", "reader", BOB)

    shown = ask(f"files/{files['inner']}", BOB, fields="parents,sharedWithMeTime,ownedByMe,owners(emailAddress)")

    assert shown.keys() == {"sharedWithMeTime", "ownedByMe", "owners"}
    assert shown["owners"] == [{"emailAddress": ADA}]
    assert ask(f"files/{files['inner']}", ADA, fields="parents") == {"parents": [files["plans"]]}


def test_what_was_shared_with_me_until_then_no_longer_is_though_a_link_still_shows_it(ask: Asking) -> None:
    files = with_files(ask)
    ask.world.share(files["inner"], "user", "reader", BOB, expires_at=datetime.fromtimestamp(ask.world.clock.now() / 1e6 + 3600, UTC))
    ask.world.share(files["inner"], "anyone", "reader")
    assert ask.names("sharedWithMe", BOB) == ["inner.txt"]

    ask.world.pass_time(timedelta(hours=2))

    assert ask.names("sharedWithMe", BOB) == []
    assert ask(f"files/{files['inner']}", BOB, fields="name,sharedWithMeTime") == {"name": "inner.txt"}


def test_items_of_shared_drives_are_for_those_who_say_that_they_know_them(ask: Asking) -> None:
    drive = ask.world.add_drive("Team", {ADA: "organizer"})
    file = ask.world.create(parent=drive, name="shared.txt", content=b"1")

    assert ask.names(f"'{drive}' in parents") == []
    assert ask.names(f"'{drive}' in parents", **DRIVES) == ["shared.txt"]
    assert ask.names(corpora="drive", driveId=drive, **DRIVES) == ["shared.txt"]
    assert ask.names(corpora="allDrives", **DRIVES) == ["shared.txt"]
    assert ask.names(**DRIVES) == []
    with pytest.raises(Refused, match="404"):
        ask(f"files/{file}")
    assert ask(f"files/{file}", supportsAllDrives=True)["driveId"] == drive
    with pytest.raises(Refused) as refused:
        ask.names(corpora="drive", driveId=drive, user=BOB, **DRIVES)
    assert (refused.value.status, refused.value.location) == (404, "driveId")
    with pytest.raises(Refused, match="if and only if"):
        ask.names(corpora="drive", **DRIVES)


def test_names_may_repeat_and_hold_anything(ask: Asking) -> None:
    names = ["same", "same", "a/b", "..", " ", "line\nbreak", "naïve ☃", "quote'", "back\\slash", "x" * 250]
    for name in names:
        ask.world.create(owner=ADA, name=name, content=b"")

    assert ask.names() == names
    assert ask.names("name = 'back\\\\slash'") == ["back\\slash"]


def test_pages_hold_a_hundred_unless_told_and_a_thousand_at_most(ask: Asking) -> None:
    ask.world.fill(ask.world.create_folder("Many", owner=ADA), 2100, 10)

    assert len(ask("files")["files"]) == 100
    assert [len(page["files"]) for page in ask.pages("files", pageSize=5000)] == [1000, 1000, 101]
    with pytest.raises(Refused, match="within the range"):
        ask("files", pageSize=0)


def test_without_naming_the_token_a_listing_ends_after_a_page(ask: Asking) -> None:
    ask.world.fill(ask.world.create_folder("Many", owner=ADA), 5, 10)

    assert ask("files", pageSize=2, fields="files(name)").keys() == {"files"}
    assert "nextPageToken" in ask("files", pageSize=2, fields="nextPageToken,files(name)")


def test_a_page_token_is_for_its_query_and_its_user_and_ends(ask: Asking) -> None:
    ask.world.fill(ask.world.create_folder("Many", owner=ADA), 5, 10)
    token = ask("files", pageSize=2)["nextPageToken"]
    others: list[tuple[str, dict[str, Any]]] = [(ADA, {"q": "trashed=false"}), (BOB, {}), (ADA, {"orderBy": "name"})]
    for user, params in others:
        with pytest.raises(Refused) as refused:
            ask("files", user, pageSize=2, pageToken=token, **params)
        assert (refused.value.status, refused.value.reason, refused.value.location) == (400, "invalid", "pageToken")
    for place in range(4, len(token) - 1):
        with pytest.raises(Refused):
            ask("files", pageSize=2, pageToken=token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :])
    assert len(ask("files", pageSize=2, pageToken=token)["files"]) == 2

    ask.world.expire_listings()

    with pytest.raises(Refused):
        ask("files", pageSize=2, pageToken=token)


def test_a_page_leaves_out_what_went_away_since_the_listing_began(ask: Asking) -> None:
    ids = ask.world.fill(ask.world.create_folder("Many", owner=ADA), 6, 10)
    first = ask("files", q="mimeType = 'text/plain' and trashed = false", pageSize=2)
    ask.world.delete(ids[2])
    ask.world.trash(ids[3])

    second = ask("files", q="mimeType = 'text/plain' and trashed = false", pageSize=2, pageToken=first["nextPageToken"])

    assert second["files"] == []
    assert "nextPageToken" in second


def test_empty_and_short_pages_are_not_the_end(ask: Asking) -> None:
    ask.world.fill(ask.world.create_folder("Many", owner=ADA), 40, 10)
    ask.world.quirks(empty_page_every=2, short_pages=0.5)

    pages = [len(page["files"]) for page in ask.pages("files", pageSize=20)]

    assert pages == [10, 0, 10, 0, 10, 0, 10, 0, 1]


def test_a_page_may_name_itself_as_the_next(ask: Asking) -> None:
    ask.world.fill(ask.world.create_folder("Many", owner=ADA), 5, 10)
    ask.world.quirks(repeat_token=True)

    second = ask("files", pageSize=2)["nextPageToken"]

    assert ask("files", pageSize=2, pageToken=second)["nextPageToken"] == second


def test_a_listing_says_when_results_are_missing(ask: Asking) -> None:
    for name in ("One", "Two"):
        ask.world.create(parent=ask.world.add_drive(name, [ADA]), name=f"in {name}", content=b"")
    assert ask("files", corpora="allDrives", **DRIVES)["incompleteSearch"] is False

    ask.world.quirks(incomplete_search=True)

    page = ask("files", corpora="allDrives", **DRIVES)
    assert (page["incompleteSearch"], [file["name"] for file in page["files"]]) == (True, ["in One"])
    assert ask("files")["incompleteSearch"] is False


def test_the_space_of_applications_is_empty(ask: Asking) -> None:
    with_files(ask)

    assert ask.names(spaces="appDataFolder") == []
    assert len(ask.names(spaces="drive,appDataFolder")) == 4
    with pytest.raises(Refused, match="Invalid Value"):
        ask.names(spaces="elsewhere")


def test_files_can_be_made_with_times_apart(ask: Asking) -> None:
    folder = ask.world.create_folder("Years", owner=ADA)
    ask.world.fill(folder, 5, 10, modified_at=MARCH, apart=timedelta(days=365))

    assert ask.names("modifiedTime >= '2028-01-01T00:00:00' and modifiedTime < '2029-06-01T00:00:00Z'") == [
        "file-000002.txt",
        "file-000003.txt",
    ]


def test_order_is_as_asked(ask: Asking) -> None:
    with_files(ask)

    assert ask.names(orderBy="name")[0] == "HelloWorld"
    assert ask.names(orderBy="folder,modifiedTime desc") == ["Plans", "HelloWorld", "It's a plan.pdf", "inner.txt"]
    with pytest.raises(Refused, match="Invalid Value"):
        ask.names(orderBy="colour")


def test_a_domain_finds_what_it_may_find(ask: Asking) -> None:
    files = with_files(ask)
    ask.world.share(files["pdf"], "domain", "reader", "example.com", allow_file_discovery=True)
    ask.world.share(files["doc"], "domain", "reader", "example.com")

    assert ask.names(corpora="domain", user=BOB) == ["It's a plan.pdf"]
    assert ask(f"files/{files['doc']}", BOB)["name"] == "HelloWorld"
    with pytest.raises(Refused):
        ask(f"files/{files['doc']}", EVE)
