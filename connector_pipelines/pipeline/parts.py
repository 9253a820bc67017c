"""Files inside a file: their bytes into the blob store, a name for each, and what is left out for being too deep or too much."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from connector_pipelines.core.config import ExtractionLimits
from connector_pipelines.core.errors import ResourceError
from connector_pipelines.core.types import Part, Shortfall
from connector_pipelines.net.postgres import storable
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.catalog.parts import StoredPart
from connector_pipelines.store.catalog.work import Claimed

__all__ = ["part_names", "store_parts", "too_deep"]

_CHUNK_BYTES = 1024**2

_LONGEST_NAME = 1000
"""Bytes of UTF-8. An index holds the name, and takes 2,700 bytes."""


def store_parts(session: Session, parts: Sequence[Part]) -> tuple[StoredPart, ...]:
    """The parts, with their bytes in the blob store.

    Raises:
        ResourceError: Together they have more bytes than a file may unpack to.
        Unavailable: The blob store did not take them.
    """
    sizes = [part.path.stat().st_size for part in parts]
    _check_size(sum(sizes), session.endpoint.extraction)
    names = part_names([part.name for part in parts])
    return tuple(_stored(session, *one) for one in zip(parts, names, sizes, strict=True))


def part_names(told: Sequence[str]) -> list[str]:
    """A name for each, in order: of several that are called the same, the second is ``name (2).txt``."""
    plain = [_storable_name(name) for name in told]
    taken, given, counts = set(plain), set[str](), dict[str, int]()
    names = []
    for name in plain:
        unique = name
        while unique in given or (unique in taken and unique != name):
            counts[name] = counts.get(name, 1) + 1
            unique = _numbered(name, counts[name])
        given.add(unique)
        names.append(unique)
    return names


def too_deep(file: Claimed, parts: Sequence[Part], limits: ExtractionLimits) -> Shortfall | None:
    """What to say where `file` is so deep that its parts are left out."""
    if not parts or file.depth < limits.max_depth:
        return None
    what = "1 file inside it was" if len(parts) == 1 else f"{len(parts)} files inside it were"
    return Shortfall(
        message=f"{what} left out: it lies {file.depth} files deep, and parts at most {limits.max_depth}",
        advice="raise `extraction.max_depth` of the endpoint, if they matter",
        limit=f"max_depth={limits.max_depth}",
    )


def _check_size(size: int, limits: ExtractionLimits) -> None:
    if size > limits.max_unpacked_bytes:
        raise ResourceError(
            f"holds {size} bytes of files, {limits.max_unpacked_bytes} are allowed",
            advice="raise `extraction.max_unpacked_bytes` of the endpoint, if you trust the file",
            limit=f"max_unpacked_bytes={limits.max_unpacked_bytes}",
        )


def _stored(session: Session, part: Part, name: str, size: int) -> StoredPart:
    blob = session.services.blobs.put(session.endpoint.tenant_id, _chunks(part.path), size=size)
    return StoredPart(
        name=name, media_type=part.media_type, modified_at=part.modified_at, sha256=bytes.fromhex(blob.sha256), key=blob.key, size=blob.size
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _storable_name(told: str) -> str:
    """`told` as a row takes it; one too long keeps its end, where the suffix is, and says by a digest which it was."""
    name = storable(told) or "unnamed"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{digest}…{name.encode()[-200:].decode(errors='ignore')}"


def _numbered(name: str, number: int) -> str:
    """Before the suffix, by which the format is told."""
    suffix = PurePosixPath(name).suffix
    return f"{name.removesuffix(suffix)} ({number}){suffix}"
