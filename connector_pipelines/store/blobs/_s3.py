"""Objects in S3: bytes by obstore, whose CPU per object is less than half of minio's; buckets and links by minio."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from connector_pipelines.core.errors import ConfigurationError, NotFound, Unavailable
from connector_pipelines.store.blobs._backend import CHUNK_BYTES, Span
from connector_pipelines.store.blobs._faults import disk_faults
from connector_pipelines.store.blobs._s3_clients import S3Settings, minio_client, object_client, s3_faults
from connector_pipelines.store.blobs._spool import Spooled, SpoolFolder

if TYPE_CHECKING:
    from obstore import BytesStream
    from obstore.store import S3Store

__all__ = ["S3"]

_PART_BYTES = 8 * 1024**2
# What is sent in parts is in memory: of a whole process 64 MiB, with parts of 8 MiB. Further uploads wait, on disk.
_UPLOADS_IN_PARTS = 4
_CONCURRENT_PARTS = 2
# S3 takes 10,000 parts at most.
_MOST_PARTS = 9000
# As many as S3 deletes in one request.
_DELETE_BATCH = 1000
# What obstore says where a range was asked for and the answer has status 200, and where it has status 416.
_NO_RANGE = ("non-partial response", "InvalidRange", "416 Range Not Satisfiable")


class S3:
    """`Backend` in a bucket. Bytes wait in `spool`, or for None in a folder of ours among the system's temporary ones."""

    # A smaller object is written in the one request that asking would take.
    ask_from_bytes = 1024**2

    def __init__(self, account: S3Settings, spool: Path | None) -> None:
        self.name = f"{account.endpoint}/{account.bucket}"
        self.spools = SpoolFolder(spool or Path(tempfile.gettempdir()) / f"connector-pipelines-spool-{os.geteuid()}")
        self._account = account
        self._in_parts = threading.BoundedSemaphore(_UPLOADS_IN_PARTS)

    def prepare(self) -> None:
        from minio.error import S3Error

        self.spools.prepare()
        bucket = self._account.bucket
        with s3_faults(self.name):
            try:
                if not self._minio.bucket_exists(bucket):
                    self._minio.make_bucket(bucket, self._account.region)
            except S3Error as error:
                # Somebody was faster.
                if error.code != "BucketAlreadyOwnedByYou":
                    raise
            except ValueError as error:
                raise ConfigurationError(
                    f"MINIO_BUCKET {bucket!r} is not a bucket's name: {error}", advice="see S3's rules for names"
                ) from error

    def size(self, key: str) -> int | None:
        import obstore

        try:
            with s3_faults(self.name, key):
                return obstore.head(self._store, key)["size"]
        except NotFound:
            return None

    def write(self, key: str, content: Spooled) -> None:
        try:
            self._write(key, content)
        except Unavailable:
            # The answer to the last part may have been lost, and asked again an S3 says that there is no such upload; another
            # writer of the same bytes may have been in the way.
            if self.size(key) != content.size:
                self._write(key, content)

    def _write(self, key: str, content: Spooled) -> None:
        import obstore

        with s3_faults(self.name):
            if content.file is None:
                obstore.put(self._store, key, content.memory, use_multipart=False)
            else:
                part_bytes = max(_PART_BYTES, content.size // _MOST_PARTS)
                with self._in_parts:
                    obstore.put(self._store, key, content.file.path, chunk_size=part_bytes, max_concurrency=_CONCURRENT_PARTS)

    @contextmanager
    def open(self, key: str) -> Iterator[Iterator[bytes]]:
        import obstore

        with s3_faults(self.name, key):
            stream = obstore.get(self._reading_store, key).stream(min_chunk_size=CHUNK_BYTES)
        yield self._chunks(key, stream)

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        with self.open(key) as chunks, self.spools.file() as spool:
            for chunk in chunks:
                with disk_faults(self.spools.path):
                    spool.file.write(chunk)
            with disk_faults(self.spools.path):
                spool.file.flush()
            yield spool.path

    def read(self, key: str, spans: Sequence[Span]) -> list[bytes]:
        import obstore
        from obstore.exceptions import GenericError

        # object_store asks for nearby spans at once, and for several at the same time.
        starts, lengths = [start for start, _ in spans], [size for _, size in spans]
        with s3_faults(self.name, key):
            try:
                return [bytes(found) for found in obstore.get_ranges(self._reading_store, key, starts=starts, lengths=lengths)]
            except GenericError as error:
                if not any(said in str(error) for said in _NO_RANGE):
                    raise
        # A server that answers a range with status 200 (rclone does): nobody can tell what it sent. Or the object is shorter.
        with self.local_copy(key) as path, path.open("rb") as file:
            return [_cut(file, start, size) for start, size in spans]

    def delete(self, keys: Sequence[str]) -> None:
        import obstore

        for start in range(0, len(keys), _DELETE_BATCH):
            with suppress(NotFound), s3_faults(self.name, "one of the objects to delete"):
                obstore.delete(self._store, list(keys[start : start + _DELETE_BATCH]))

    def keys(self, prefix: str) -> Iterator[str]:
        import obstore

        pages = iter(obstore.list(self._store, prefix))
        while True:
            with s3_faults(self.name):
                page = next(pages, None)
            if page is None:
                return
            yield from (found["path"] for found in page)

    def link(self, key: str, expires: timedelta, filename: str | None) -> str:
        headers = None
        if filename is not None:
            # RFC 6266, 4.3 with RFC 8187: any name, in ASCII.
            headers = {"response-content-disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}"}
        with s3_faults(self.name):
            return str(self._minio.presigned_get_object(self._account.bucket, key, expires=expires, response_headers=headers))

    def _chunks(self, key: str, stream: BytesStream) -> Iterator[bytes]:
        pieces = iter(stream)
        while True:
            with s3_faults(self.name, key):
                piece = next(pieces, None)
            if piece is None:
                return
            yield bytes(piece)

    @cached_property
    def _minio(self) -> Any:
        return minio_client(self._account)

    @cached_property
    def _store(self) -> S3Store:
        return object_client(self._account, reading=False)

    @cached_property
    def _reading_store(self) -> S3Store:
        return object_client(self._account, reading=True)


def _cut(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)
