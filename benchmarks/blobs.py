"""Why plain files where obstore has a LocalStore, and why obstore where minio has a client?

All peers are given the same chunks and hash them as they come, as a content-addressed store must. obstore is told the key
beforehand, which a store that names bytes by their hash could not do; so it writes large objects once, where it would have to twice.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._costs import Action, Meter, contest
from benchmarks._figures import Figure
from benchmarks._installation import temporary_folder
from benchmarks._s3_server import s3_server
from connector_pipelines.store.blobs import Blobs, open_blobs
from connector_pipelines.store.blobs._s3_clients import minio_client

if TYPE_CHECKING:
    from obstore.store import LocalStore

    from connector_pipelines.store.blobs import S3Settings

__all__ = ["figures"]

_SMALL = 20_000
_LARGE = 64 * 1024**2
_CHUNK = 1024**2

Put = Callable[[str, bytes], object]


def figures(*, quick: bool) -> Iterator[Figure | str]:
    small, large, rounds = (100, 2, 1) if quick else (500, 4, 5)
    with temporary_folder() as base:
        for count, size in ((small, _SMALL), (large, _LARGE)):
            yield from _folder(base / str(size), count, size, rounds)
        with s3_server(base) as (settings, pid):
            for count, size in ((small, _SMALL), (large, _LARGE)):
                yield from _s3(settings, Meter(pid), open_blobs(base / "spool", settings), (count, size, rounds))


def _folder(base: Path, count: int, size: int, rounds: int) -> Iterator[Figure]:
    from obstore.store import LocalStore

    local = LocalStore(str(base / "local"), mkdir=True)
    blobs = open_blobs(base / "folder", None)
    puts: tuple[Put, ...] = (
        lambda _, body: blobs.put("tenant", _chunks(body), size=len(body)),
        partial(_plain, base / "plain"),
        partial(_obstore, local),
        partial(_obstore_durably, local, base / "local"),
    )
    (base / "plain").mkdir()
    ours, plain, bare, durable = contest(Meter(), rounds, *(partial(_all, put, count, size) for put in puts))
    what, common = f"put of {count} objects of {_named(size)} in a folder", _common(count, size)
    yield Figure(what=f"{what}, synced", peer_name="obstore, files and folders synced", ours=ours, peer=durable, **common)
    yield Figure(what=f"{what}, synced", peer_name="obstore, not synced", ours=ours, peer=bare, **common)
    yield Figure(what=f"{what}, plain files, not synced", peer_name="obstore, not synced", ours=plain, peer=bare, **common)


def _s3(settings: S3Settings, meter: Meter, blobs: Blobs, work: tuple[int, int, int]) -> Iterator[Figure]:
    count, size, rounds = work
    client = minio_client(settings)
    keys: list[str] = []
    # Makes the bucket.
    blobs.put("tenant", [b"first"])

    def ours(_: str, body: bytes) -> None:
        keys.append(blobs.put("tenant", _chunks(body), size=len(body)).key)

    puts: tuple[Put, ...] = (ours, partial(_minio_put, client, settings.bucket))
    common = _common(count, size)
    written, peer = contest(meter, rounds, *(partial(_all, put, count, size) for put in puts))
    yield Figure(what=f"put of {count} objects of {_named(size)} in S3", peer_name="minio", ours=written, peer=peer, **common)
    wanted = keys[-count:]
    read, peer = contest(meter, rounds, lambda _: partial(_read, blobs, wanted), lambda _: partial(_minio_read, client, settings, wanted))
    yield Figure(what=f"get of {count} objects of {_named(size)} from S3", peer_name="minio", ours=read, peer=peer, **common)


def _all(put: Put, count: int, size: int, number: int) -> Action:
    """Objects nobody has put before: what is there already is not written again."""
    source = random.Random(f"{id(put)} {number}")
    base = source.randbytes(size - 16)
    bodies = [base + source.randbytes(16) for _ in range(count)] if size == _SMALL else None

    def action() -> None:
        for n in range(count):
            put(f"{number}-{n}", bodies[n] if bodies else base + n.to_bytes(16, "big"))

    return action


def _chunks(body: bytes) -> Iterator[bytes]:
    view = memoryview(body)
    for start in range(0, len(body), _CHUNK):
        yield bytes(view[start : start + _CHUNK])


def _hashed(body: bytes) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in _chunks(body):
        digest.update(chunk)
        yield chunk
    digest.hexdigest()


def _plain(folder: Path, key: str, body: bytes) -> None:
    with (folder / "part").open("wb") as file:
        for chunk in _hashed(body):
            file.write(chunk)
    (folder / "part").replace(folder / key)


def _obstore(store: LocalStore, key: str, body: bytes) -> None:
    import obstore

    # One small object as one buffer, as obstore is fastest; a large one as it comes.
    obstore.put(store, key, b"".join(_hashed(body)) if len(body) <= _CHUNK else _hashed(body))


def _obstore_durably(store: LocalStore, root: Path, key: str, body: bytes) -> None:
    """In folders by hash, as ours: a folder just made is on disk when the one above it is."""
    name = hashlib.sha256(f"{key} {len(body)}".encode()).hexdigest()
    folder = root / name[:2] / name[2:4]
    _obstore(store, f"{name[:2]}/{name[2:4]}/{name}", body)
    for path in (folder / name, folder, folder.parent, root):
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def _minio_put(client: Any, bucket: str, key: str, body: bytes) -> None:
    hashlib.sha256(body).hexdigest()
    client.put_object(bucket, f"minio/{key}-{len(body)}", BytesIO(body), len(body))


def _read(blobs: Blobs, keys: Sequence[str]) -> None:
    for key in keys:
        with blobs.open(key) as chunks:
            for _ in chunks:
                pass


def _minio_read(client: Any, settings: S3Settings, keys: Sequence[str]) -> None:
    for key in keys:
        answer = client.get_object(settings.bucket, key)
        try:
            for _ in answer.stream(_CHUNK):
                pass
        finally:
            answer.close()
            answer.release_conn()


def _common(count: int, size: int) -> dict[str, Any]:
    return {"items": count, "unit": "object", "megabytes": count * size / 1e6}


def _named(size: int) -> str:
    return "20 KB" if size == _SMALL else "64 MiB"
