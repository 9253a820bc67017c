"""The pure parts of listing: the tree of folders, questions about several folders, names, versions, locators."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from connector_pipelines.core.errors import NotFound
from connector_pipelines.core.types import Folder, Skipped, Upserted
from connector_pipelines.sources.google_drive import Config
from connector_pipelines.sources.google_drive.calls import Corpus
from connector_pipelines.sources.google_drive.descent import Descent
from connector_pipelines.sources.google_drive.items import Maker
from connector_pipelines.sources.google_drive.locator import Locator, read_locator
from connector_pipelines.sources.google_drive.names import name_of
from connector_pipelines.sources.google_drive.tree import Tree
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.sources.google_drive.conftest import Opened
from tests.sources.google_drive.mirror import Mirror
from tests.sources.google_drive.reached import ADA

_ROOT = Folder("root", None, "")
_FILE: dict[str, Any] = {"id": "1", "name": "a.txt", "mimeType": "text/plain", "modifiedTime": "2026-05-01T12:00:00.000Z", "size": "3"}


def _tree(*folders: Folder) -> Tree:
    return Tree(Mirror(folders={each.id: each for each in (_ROOT, *folders)}))


def test_a_folder_follows_those_above_it_before_that_is_recorded() -> None:
    tree = _tree(Folder("a", "root", "a"), Folder("b", "a", "a/b"), Folder("c", "b", "a/b/c"))
    tree.put(Folder("a", "root", "z"))
    assert [found.path for key in "bc" if (found := tree.get(key))] == ["z/b", "z/b/c"]
    tree.remove("b")
    assert (tree.get("c"), tree.get("a")) == (None, Folder("a", "root", "z"))


def test_a_folder_is_not_found_below_itself() -> None:
    tree = _tree(Folder("a", "root", "a"), Folder("b", "a", "a/b"))
    assert tree.get("b", avoiding="a") is None
    assert tree.get("b", avoiding="c") == Folder("b", "a", "a/b")


def test_a_shortcut_is_no_way_to_what_it_lies_in() -> None:
    tree = _tree(Folder("t", "root", "t"), Folder("s", "t", "t/s", target="t"), Folder("r", "root", "r", target="t"))
    assert [each.id for each in tree.leading_to(["t"])["t"]] == ["r"]
    tree.remove("r")
    assert tree.leading_to(["t"]) == {}


class _Blind:
    """Finds nothing in several folders at once, as Drive did."""

    def __init__(self, children: dict[str, list[str]]) -> None:
        self._children, self._lock, self.questions = children, threading.Lock(), list[int]()

    def call(self, method: str, *, q: str, **_: object) -> dict[str, object]:
        asked = [key for key in self._children if f"'{key}' in parents" in q]
        with self._lock:
            self.questions.append(len(asked))
        found = [{"id": child} for key in asked for child in self._children[key]] if len(asked) == 1 else []
        return {"files": found}


def test_folders_in_which_nothing_is_found_together_are_asked_about_singly() -> None:
    drive = _Blind({"a": ["1"], "b": ["2"], "c": []})
    descent = Descent(drive, Corpus(), 10, ["a", "b", "c"])  # type: ignore[arg-type]
    assert sorted((item["id"], item["parents"]) for page in descent for item in page.items) == [("1", ["a"]), ("2", ["b"])]
    assert sorted(drive.questions) == [1, 1, 1, 3]


def test_a_folder_that_goes_while_it_is_listed_stops_nothing(fake: FakeDrive, opened: Opened) -> None:
    scope = fake.world.create_folder("scope", owner=ADA)
    folders = [fake.world.create_folder(f"f{number}", parent=scope) for number in range(3)]
    files = [fake.world.create(parent=folder, name="a.txt", content=b"a") for folder in folders]
    pages = iter(opened(folder=scope, page_size=1).changes())
    listed = [next(pages), next(pages)]
    fake.world.delete(folders[1])
    listed += pages
    named = {change.ref.id for page in listed for change in page.changes if isinstance(change, Upserted)}
    assert {files[0], files[2]} <= named


@pytest.mark.parametrize(
    ("name", "shown"), [("a/b", "a／b"), (".", "．"), ("..", "．．"), ("", "(no name)"), ("a\0", "a␀"), ("...", "..."), ("ü\n", "ü\n")]
)
def test_a_name_is_one_part_of_a_path(name: str, shown: str) -> None:
    assert name_of(name) == shown


def test_the_version_of_bytes_goes_by_what_differs_with_them() -> None:
    sums = {"sha256Checksum": "AB", "headRevisionId": "r1", "md5Checksum": "cd"}

    def version(**changed: str | None) -> str:
        item = {**_FILE, **sums, **changed}
        made = Maker(Config(my_drive=True)).change({key: value for key, value in item.items() if value is not None}, _ROOT, None, None)
        assert isinstance(made, Upserted)
        return made.ref.version

    # Uploaded once more, renamed, with other times: the same bytes.
    assert version() == version(headRevisionId="r2", name="b.txt", modifiedTime="2020-01-01T00:00:00.000Z", version="99")
    assert version() != version(sha256Checksum="ac")
    assert version(sha256Checksum=None) != version(sha256Checksum=None, headRevisionId="r2")
    bare = {"sha256Checksum": None, "headRevisionId": None}
    assert len({version(**bare), version(**bare, md5Checksum="ce"), version(**bare, size="4")}) == 3


def test_a_document_of_googles_own_is_what_it_is_exported_as() -> None:
    document = {**_FILE, "name": "Plan", "mimeType": "application/vnd.google-apps.document", "size": "1024"}
    made = Maker(Config(my_drive=True)).change(document, _ROOT, None, ADA)
    assert isinstance(made, Upserted)
    as_pdf = Maker(Config(my_drive=True, exports={"document": "pdf"})).change(document, _ROOT, None, ADA)
    assert isinstance(as_pdf, Upserted)
    assert (made.ref.path, made.ref.size, made.ref.checksum) == ("Plan.docx", None, None)
    assert (as_pdf.ref.media_type, as_pdf.ref.path) == ("application/pdf", "Plan.pdf")
    assert made.ref.version != as_pdf.ref.version
    assert read_locator(made.ref.locator) == Locator(user=ADA, export=made.ref.media_type)


def test_what_cannot_be_exported_is_skipped_with_the_reason() -> None:
    form = {**_FILE, "mimeType": "application/vnd.google-apps.form"}
    made = Maker(Config(my_drive=True)).change(form, _ROOT, None, None)
    assert made == Skipped("1", "a.txt", "no_export", "root")


@pytest.mark.parametrize("text", ["{", "[]", '{"user":1}', '{"host":"x"}', "null"])
def test_a_locator_nobody_wrote_opens_nothing(text: str) -> None:
    with pytest.raises(NotFound):
        read_locator(text)
