"""What does the whole path of a file cost, stage by stage, beside reading, hashing and writing the same bytes?

The peers are lower bounds, not rivals: a copy extracts, embeds and indexes nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import psycopg

from benchmarks._costs import Action, Cost
from benchmarks._figures import Figure, alone
from benchmarks._installation import Installation, installation
from benchmarks._trees import binary_tree, files_below, text_tree
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline.operations import run_stage, stages_of
from connector_pipelines.pipeline.session import Session

__all__ = ["figures"]

_READ = 1024**2
_TEXT_BYTES = 20_000
_LARGE_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class _Tree:
    """Files of one size. `what` says what becomes of them."""

    slug: str
    files: int
    size: int
    what: str

    @property
    def megabytes(self) -> float:
        return self.files * self.size / 1e6


def figures(*, quick: bool) -> Iterator[Figure | str]:
    texts, large = (200, 4) if quick else (2_000, 40)
    trees = (
        _Tree("small", texts, _TEXT_BYTES, f"{texts:,} text files of 20 KB through all stages, embedded and in both sinks"),
        _Tree("large", large, _LARGE_BYTES, f"{large} files of 16 MiB, stored and looked at; no extractor takes them"),
    )
    with installation() as place, psycopg.connect(place.url, autocommit=True) as raw:
        # With the default of 64 MB the vectors' index over more than 20,000 chunks takes twice the time.
        raw.execute("ALTER DATABASE connectors SET maintenance_work_mem = '512MB'")
        text_tree(place.base / "warm", 10, 2_000)
        text_tree(place.base / "small", texts, _TEXT_BYTES)
        binary_tree(place.base / "large", large, _LARGE_BYTES)
        place.configure({slug: {"root": str(place.base / slug)} for slug in ("warm", "small", "large")})
        # The sinks' tables and the model's import are not what is asked here.
        _through(place, _Tree("warm", 10, 2_000, ""))
        for tree in trees:
            yield from _measured(place, tree)


def _measured(place: Installation, tree: _Tree) -> Iterator[Figure | str]:
    copies = {
        name: place.meter.cost(_copy(place.base / tree.slug, place.base / f"copy-{tree.slug}-{durable}", durable=durable))
        for durable, name in ((False, "read, sha256, write"), (True, "the same, with fsync"))
    }
    stages = _through(place, tree)
    whole = reduce(add, stages.values())
    for name, copy in copies.items():
        yield Figure(what=tree.what, peer_name=name, ours=[whole], peer=[copy], items=tree.files, unit="file", megabytes=tree.megabytes)
    for stage, cost in stages.items():
        yield alone(stage, cost, tree.files, "file", tree.megabytes)


def _through(place: Installation, tree: _Tree) -> dict[str, Cost]:
    with place.services.open(tree.slug, "benchmark") as session:
        costs = {stage: place.meter.cost(_stage(session, stage)) for stage in stages_of(session)}
        with session.database.tenant(session.endpoint.tenant_id) as tx:
            row = tx.execute(
                "SELECT count(*) AS n FROM files WHERE endpoint_id = %s AND status IN ('extracted', 'skipped')", [session.endpoint.id]
            ).fetchone()
    if not row or row["n"] != tree.files:
        raise RuntimeError(f"{tree.slug}: {row} files came through, {tree.files} were expected")
    return costs


def _stage(session: Session, stage: str) -> Action:
    return lambda: run_stage(session, stage, DayRange())


def _copy(root: Path, target: Path, *, durable: bool) -> Action:
    """Every file read once, hashed, and written under its hash."""

    def action() -> None:
        target.mkdir()
        for path in files_below(root):
            digest = hashlib.sha256()
            with open(path, "rb") as source, (target / "part").open("wb") as copy:  # noqa: PTH123 - the path is scandir's text
                while block := source.read(_READ):
                    digest.update(block)
                    copy.write(block)
                copy.flush()
                if durable:
                    os.fsync(copy.fileno())
            (target / "part").rename(target / digest.hexdigest())

    return action
