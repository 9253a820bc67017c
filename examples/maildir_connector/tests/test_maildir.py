from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from maildir_connector import Config, Source

from connector_pipelines.core.types import Skipped
from connector_pipelines.testing.source_suite import SourceContract, content, plain_tools, read


class Mailbox:
    """The other side: a real Maildir, written to as a mail server writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for directory in ("new", "cur", "tmp"):
            (root / directory).mkdir(parents=True)

    def put(self, name: str, body: bytes) -> str:
        temporary = self.root / "tmp" / secrets.token_hex(8)
        temporary.write_bytes(body)
        os.utime(temporary, (1_700_000_000, 1_700_000_000))
        temporary.rename(self.root / "cur" / name)
        return f"INBOX/{name}"

    def remove(self, file_id: str) -> None:
        self._path(file_id).unlink()

    def rename(self, file_id: str, name: str) -> str:
        self._path(file_id).rename(self.root / "cur" / name)
        return f"INBOX/{name}"

    def forget_cursors(self) -> None:
        """There is no feed."""

    def vanish(self) -> None:
        self.root.rename(self.root.with_name("elsewhere"))

    def _path(self, file_id: str) -> Path:
        return self.root / "cur" / file_id.removeprefix("INBOX/")


@pytest.fixture
def world(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "Maildir")


@pytest.fixture
def source(world: Mailbox) -> Source:
    return Source(Config(root=world.root, page_size=2), plain_tools())


class TestMaildir(SourceContract):
    @pytest.fixture
    def again(self, world: Mailbox) -> Source:
        return Source(Config(root=world.root), plain_tools())


def test_a_message_that_was_read_is_the_same_message(source: Source, world: Mailbox) -> None:
    file_id = world.put("1700.M1.host", b"Subject: hello\n\n")
    ref = read(source).refs[file_id]

    (world.root / "cur" / "1700.M1.host").rename(world.root / "cur" / "1700.M1.host:2,S")

    assert set(read(source).refs) == {file_id}
    assert content(source, ref) == b"Subject: hello\n\n"


def test_a_trashed_message_is_left_out(source: Source, world: Mailbox) -> None:
    world.put("1700.M1.host:2,ST", b"Subject: hello\n\n")

    changes = [change for page in source.changes() for change in page.changes]

    assert changes == [Skipped("INBOX/1700.M1.host", "INBOX/1700.M1.host", "trashed")]


def test_the_messages_of_other_folders_are_named_by_their_folder(source: Source, world: Mailbox) -> None:
    Mailbox(world.root / ".Sent")
    (world.root / ".Sent" / "new" / "1701.M2.host").write_bytes(b"Subject: sent\n\n")

    assert [ref.path for ref in read(source).named] == ["Sent/1701.M2.host"]
    assert [ref.path for ref in source.list("Sent")] == ["Sent/1701.M2.host"]
