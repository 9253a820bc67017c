"""A folder on disk as the other side, and the right to be refused."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from connector_pipelines.testing.fake_api import FakeApi
from tests.sources.rest_api_world import Reader

NOBODY = 65534
WRITTEN_AT_NS = 1_779_019_200 * 10**9


class Folder:
    """A `RefusingWorld`. Every file has the same modification time, as after an unpacked archive."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, body: bytes) -> str:
        path = self.root / name
        before_ns = path.stat().st_ctime_ns if path.exists() else None
        path.write_bytes(body)
        os.utime(path, ns=(WRITTEN_AT_NS, WRITTEN_AT_NS))
        # The clock of a file system ticks every few milliseconds before Linux 6.13; two writes in one tick are told apart by nobody.
        while path.stat().st_ctime_ns == before_ns:
            os.utime(path, ns=(WRITTEN_AT_NS, WRITTEN_AT_NS))
        return self.id_of(name)

    def remove(self, file_id: str) -> None:
        self._path(file_id).unlink()

    def rename(self, file_id: str, name: str) -> str:
        self._path(file_id).rename(self.root / name)
        return self.id_of(name)

    def refuse(self, file_id: str) -> None:
        self._path(file_id).chmod(0)

    def forget_cursors(self) -> None:
        """A folder gives out none."""

    def vanish(self) -> None:
        shutil.rmtree(self.root)

    @staticmethod
    def id_of(name: str) -> str:
        # Written out, so that the source's own way is not tested with itself.
        return name.replace("50%25", "50%2525").replace("%FF", "%25FF")

    def _path(self, file_id: str) -> Path:
        (path,) = [path for path in self.root.iterdir() if self.id_of(path.name) == file_id]
        return path


@pytest.fixture
def open_tmp_path() -> Iterator[Path]:
    """As `tmp_path`, but other users may enter it."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def folder(open_tmp_path: Path) -> Folder:
    root = open_tmp_path / "root"
    root.mkdir()
    return Folder(root)


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """Within it, file modes count: root, as whom containers run tests, is refused nothing."""

    @contextmanager
    def without_privilege() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return without_privilege


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Address of moto's S3 and STS, in this process. It checks no signatures unless told to."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def reader() -> Iterator[Reader]:
    """A fake API in this process, and sources over it."""
    with FakeApi() as api, ExitStack() as opened:
        yield Reader(api, opened)
