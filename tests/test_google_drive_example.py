"""The example of a Google Drive, run as its page says: does a reader get what is promised, at no more cost, and who may see it?"""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from tests.test_rest_examples import EXAMPLES, run

EXAMPLE = EXAMPLES / "google_drive"


def test_the_drive_is_read_edited_and_read_again(tmp_path: Path, database_url: str) -> None:
    told = run("google_drive", tmp_path, database_url)

    assert "plans: 5 new" in told
    assert "north-quay.txt\n  plans: Drawings/north-quay.txt" in told
    assert "plans: 4 changed, 1 deleted" in told
    assert "Minutes.md\n  plans: Minutes.md\n  Minutes of Tuesday" in told
    costs = re.findall(r"That took: (.*)\.", told)
    assert costs == [
        "1 × changes.list, 1 × drives.list, 1 × files.export, 2 × permissions.list",
        "1 × changes.list, 1 × drives.list, 1 × permissions.list",
    ]
    robot = "user:robot@fake-project.iam.gserviceaccount.com"
    members = {"user:ada@example.com", "user:bram@example.com", robot}
    assert who_may_see(database_url) == {
        "Minutes.md": members,
        "Drawings as built/north-quay.txt": members,
        "Drawings as built/south-quay.txt": members,
        "Money/offer.txt": {"user:ada@example.com", "user:chiara@example.com", robot},
    }
    assert found_by(database_url, "chiara@example.com") == {"Money/offer.txt"}
    assert found_by(database_url, "bram@example.com") == {
        "Minutes.md",
        "Drawings as built/north-quay.txt",
        "Drawings as built/south-quay.txt",
    }


def test_every_file_of_the_example_is_named_on_its_page() -> None:
    page = (EXAMPLE / "README.md").read_text()

    assert [file.name for file in EXAMPLE.glob("*.*") if file.name != "README.md" and f"`{file.name}`" not in page] == []


def who_may_see(database_url: str) -> dict[str, set[str]]:
    """By the query of the page: readers of each document that is there."""
    with psycopg.connect(database_url) as connection:
        return {path: set(acl["readers"]) for path, acl in connection.execute(shown(EXAMPLE / "README.md")).fetchall()}


def found_by(database_url: str, person: str) -> set[str]:
    """By the query of the page of the kind: what one person may find."""
    query = shown(EXAMPLES.parent / "docs/sources/google_drive.md").replace(b"ann@example.com", person.encode())
    with psycopg.connect(database_url) as connection:
        return {path for (path,) in connection.execute(query).fetchall()}


def shown(page: Path) -> bytes:
    """The SQL on a page."""
    found = re.search(r"^```sql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].encode()
