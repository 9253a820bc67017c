"""How bytes are kept under the hash of what they are: written once, whole or not at all, read as a stream."""

from __future__ import annotations

import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, NotFound
from connector_pipelines.core.types import Ability, Checksum, Probe
from connector_pipelines.store.blobs._backend import Backend, Span
from connector_pipelines.store.blobs._faults import disk_faults
from connector_pipelines.store.blobs._folder import Folder
from connector_pipelines.store.blobs._s3 import S3
from connector_pipelines.store.blobs._s3_clients import S3Settings
from connector_pipelines.store.blobs._spool import Expected

__all__ = ["Blob", "Blobs", "Slice", "open_blobs"]

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_KEY = re.compile(rf"blobs/{_TENANT.pattern}/[0-9a-f]{{2}}/[0-9a-f]{{2}}/[0-9a-f]{{64}}")
_PROBE_TENANT = "connection-test"
# What lies between two slices is read along where that is cheaper than another request.
_GAP_BYTES = 64 * 1024
_RUN_BYTES = 16 * 1024**2
_READERS = 8


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes we hold. `key` names them in the store, `sha256` is lower-case hexadecimal, `size` is in bytes."""

    key: str
    sha256: str
    size: int


class Slice(NamedTuple):
    """Bytes inside an object: `size` of them, from `position` on. A tuple, because they come by the hundred thousand."""

    key: str
    position: int
    size: int


class Blobs:
    """The object store of an installation. Connects on first use; used by several threads at once.

    Every method raises, beside what it says itself, `Unavailable` when the store is away or full, and
    `ConfigurationError` when it refuses us.
    """

    def __init__(self, backend: Backend) -> None:
        self._place = backend
        self._preparing = threading.Lock()
        self._prepared = False

    def put(
        self,
        tenant_id: str,
        chunks: Iterable[bytes],
        *,
        size: int | None = None,
        checksum: Checksum | None = None,
        max_bytes: int | None = None,
    ) -> Blob:
        """Take in all of `chunks`, whose own errors pass as they are; then, and only then, there is a blob.

        Raises:
            Mismatch: There were not `size` bytes, or they do not have `checksum`.
            ResourceError: There are more than `max_bytes`.
        """
        backend = self._backend()
        with backend.spools.receive(chunks, Expected(size, checksum, max_bytes)) as content:
            blob = Blob(_key(tenant_id, content.sha256), content.sha256, content.size)
            if blob.size < backend.ask_from_bytes or backend.size(blob.key) != blob.size:
                backend.write(blob.key, content)
            return blob

    def open(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes, in chunks of a few MiB at most. On entering, raises `NotFound` when there are none."""
        return self._backend().open(_checked(key))

    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """A file with the bytes, to read only, for the length of the block. On entering, raises `NotFound`."""
        return self._backend().local_copy(_checked(key))

    @contextmanager
    def local_slice(self, found: Slice) -> Iterator[Path]:
        """The same for a slice of an object, which is held in memory on its way."""
        spools = self._backend().spools
        (content,) = self.read_many([found])
        with spools.file() as spool:
            with disk_faults(spools.path):
                spool.file.write(content)
                spool.file.flush()
            yield spool.path

    def read_many(self, slices: Sequence[Slice]) -> list[bytes]:
        """The bytes of each, in memory. Neighbours in an object are read together, several objects at once.

        Raises:
            NotFound: One of the objects is not there, or ends before its slice.
        """
        by_key: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(slices):
            if one.size:
                by_key[one.key].append(number)
        found: list[bytes] = [b""] * len(slices)

        def read(key: str) -> None:
            self._read(_checked(key), slices, by_key[key], found)

        if len(by_key) == 1:
            read(*by_key)
        elif by_key:
            with ThreadPoolExecutor(min(_READERS, len(by_key)), thread_name_prefix="blobs") as pool:
                list(pool.map(read, by_key))
        return found

    def _read(self, key: str, slices: Sequence[Slice], numbers: list[int], found: list[bytes]) -> None:
        """Fill in what lies in one object: read in runs, cut apart in memory."""
        numbers.sort(key=lambda number: slices[number].position)
        runs = list(_runs(slices, numbers))
        spans = [span for span, _ in runs]
        for (start, size), (_, run), whole in zip(spans, runs, self._backend().read(key, spans), strict=True):
            if len(whole) != size:
                raise NotFound(f"{key} ends before what is said to lie in it")
            for number in run:
                _, position, length = slices[number]
                found[number] = whole[position - start : position - start + length]

    def scratch_folder(self) -> AbstractContextManager[Path]:
        """An empty folder for the length of the block, for bytes that may be put. What a killed process leaves in one does not stay."""
        return self._backend().spools.folder()

    def exists(self, key: str) -> bool:
        return self.size(key) is not None

    def size(self, key: str) -> int | None:
        """Bytes, or None where there is no such blob."""
        return self._backend().size(_checked(key))

    def delete(self, keys: Iterable[str]) -> None:
        """Hold these no more; that one was not there is not an error."""
        self._backend().delete([_checked(key) for key in keys])

    def keys(self, tenant_id: str) -> Iterator[str]:
        """Every key of the tenant, in no order."""
        return self._backend().keys(f"blobs/{_tenant(tenant_id)}/")

    def link(self, key: str, expires: timedelta, filename: str | None = None) -> str:
        """Where a person fetches the bytes without signing in, for at most 7 days; `filename` is offered to save them under.

        A secret while it is valid. For a folder it is a file's address, good on this machine and as long as the file.
        """
        return self._backend().link(_checked(key), expires, filename)

    def test(self) -> Probe:
        """Write, read and delete a small object."""
        content = secrets.token_bytes(32)
        done: list[Ability] = []
        try:
            blob = self.put(_PROBE_TENANT, [content])
            done.append(Ability("write", works=True, detail="a small object was written"))
            with self.open(blob.key) as chunks:
                same = b"".join(chunks) == content
            done.append(Ability("read", works=same, detail="it reads as written" if same else "it does not read as written"))
            self.delete([blob.key])
            gone = not self.exists(blob.key)
            done.append(Ability("delete", works=gone, detail="it is deleted" if gone else "it is still there after deleting"))
        except ConnectorError as error:
            failed = ("write", "read", "delete")[len(done)]
            done.append(Ability(failed, works=False, detail=f"{error}; {error.advice}" if error.advice else str(error)))
        return Probe(account=self._place.name, abilities=tuple(done))

    def _backend(self) -> Backend:
        with self._preparing:
            if not self._prepared:
                self._place.prepare()
                self._prepared = True
        return self._place


def open_blobs(folder: Path | None, s3: S3Settings | None) -> Blobs:
    """Blobs in `s3` if it is given, with `folder` for bytes on their way there; else in `folder`."""
    if s3 is not None:
        return Blobs(S3(s3, None if folder is None else folder / ".spool"))
    if folder is None:
        raise ConfigurationError(
            "there is no object store: neither a folder nor an S3 is set", advice="set MINIO_ENDPOINT or CONNECTORS_HOME"
        )
    return Blobs(Folder(folder.absolute()))


def _runs(slices: Sequence[Slice], numbers: Iterable[int]) -> Iterator[tuple[Span, list[int]]]:
    """Spans of one object, and the numbers of the slices in each. `numbers` are in order of position."""
    start = end = 0
    run: list[int] = []
    for number in numbers:
        _, position, size = slices[number]
        if run and (position > end + _GAP_BYTES or position + size > start + _RUN_BYTES):
            yield (start, end - start), run
            run = []
        if not run:
            start = end = position
        end = max(end, position + size)
        run.append(number)
    if run:
        yield (start, end - start), run


def _key(tenant_id: str, sha256: str) -> str:
    return f"blobs/{_tenant(tenant_id)}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _tenant(tenant_id: str) -> str:
    if not _TENANT.fullmatch(tenant_id):
        raise ValueError(f"{tenant_id!r} cannot be part of a key")
    return tenant_id


def _checked(key: str) -> str:
    # A key becomes a path: one that is not of our making must not lead out of the store.
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not the key of a blob")
    return key
