"""What does a sync cost that finds nothing changed, or fifteen files of very many, beside the walk it cannot do without?

The files are listed for real and then written down as extracted and delivered, since taking so many through all stages takes an
hour. And: does memory grow with the number of files?
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks._costs import Action, Cost, contest
from benchmarks._figures import Figure, alone
from benchmarks._installation import Installation, installation
from benchmarks._trees import files_below, many_files
from connector_pipelines.core.types import START, DayRange
from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.pipeline.operations import run_stage, sync
from connector_pipelines.store.catalog.reports import last_logs

__all__ = ["figures"]

_CHANGED = 15
_STAGES = 5
_DELIVERED = """
    UPDATE files SET status = 'extracted', sha256 = sha256(external_id::bytea);
    INSERT INTO blobs (tenant_id, sha256, key, size) SELECT DISTINCT ON (sha256) tenant_id, sha256, encode(sha256, 'hex'), size FROM files
        ON CONFLICT DO NOTHING;
    INSERT INTO documents (tenant_id, file_id, sha256, media_type, content_type, chunk_count, characters, extractor)
        SELECT tenant_id, id, sha256, media_type, 'text/plain', 1, 10, 'text 1' FROM files ON CONFLICT DO NOTHING;
    INSERT INTO deliveries (file_id, sink, tenant_id, endpoint_id, status, generation, owed)
        SELECT f.id, s.name, f.tenant_id, f.endpoint_id, 'delivered', f.generation, false FROM files f, unnest(ARRAY['vectors', 'search']) s(name)
        ON CONFLICT DO NOTHING;
"""


def figures(*, quick: bool) -> Iterator[Figure | str]:
    sizes, rounds = ((1_000, 10_000), 1) if quick else ((10_000, 100_000), 3)
    load_model("wordllama")
    with installation() as place:
        place.configure({f"of{size}": {"root": str(place.base / f"of{size}")} for size in sizes})
        for size in sizes:
            many_files(place.base / f"of{size}", size)
            first = _first(place, f"of{size}")
            yield f"{size:,} files: first listing, then syncs that find nothing, then {_CHANGED} changed"
            yield alone("listing", first, size, "file")
            yield from _syncs(place, size, rounds)


def _first(place: Installation, slug: str) -> Cost:
    with place.services.open(slug, "benchmark") as session:
        cost = place.meter.cost(lambda: run_stage(session, "listing", DayRange()))
    with place.services.database.operator() as tx:
        tx.execute(_DELIVERED)
    # The first sync plans what the sinks are owed, of every file and once.
    _sync(place, slug, expected=0)()
    return cost


def _syncs(place: Installation, size: int, rounds: int) -> Iterator[Figure | str]:
    slug, root = f"of{size}", place.base / f"of{size}"
    sync_again = lambda _: _sync(place, slug, expected=0)  # noqa: E731 - one contender among others
    ours, named, walked = contest(place.meter, rounds, sync_again, lambda _: _named(place, slug), lambda _: partial(files_below, root))
    what = f"a sync of {size:,} files, nothing changed"
    yield Figure(what=what, peer_name="the source's own walk", ours=ours, peer=named, items=size, unit="file")
    yield Figure(what=what, peer_name="scandir and stat", ours=ours, peer=walked, items=size, unit="file")
    ours, walked = contest(place.meter, rounds, partial(_changing, place, slug), lambda _: partial(files_below, root))
    what = f"a sync of {size:,} files, {_CHANGED} changed"
    yield Figure(what=what, peer_name="scandir and stat", ours=ours, peer=walked, items=size, unit="file")
    yield _stage_seconds(place, slug)


def _sync(place: Installation, slug: str, *, expected: int) -> Action:
    def action() -> None:
        with place.services.open(slug, "benchmark") as session:
            stored = sync(session).stages["files"].counts["stored"]
        if stored != expected:
            raise RuntimeError(f"{slug}: {stored} files were stored, {expected} were expected")

    return action


def _named(place: Installation, slug: str) -> Action:
    """What the source says there is, read and thrown away."""

    def action() -> None:
        with place.services.open(slug, "benchmark") as session:
            for _ in session.source.changes(START):
                pass

    return action


def _changing(place: Installation, slug: str, number: int) -> Action:
    for path in sorted(files_below(place.base / slug))[:: max(1, 1_000 // _CHANGED)][:_CHANGED]:
        Path(path).write_text(f"changed in round {number}: {os.path.basename(path)}")  # noqa: PTH119 - the path is scandir's text
    return _sync(place, slug, expected=_CHANGED)


def _stage_seconds(place: Installation, slug: str) -> str:
    endpoint = place.endpoint(slug)
    with place.services.database.operator() as tx:
        logs = last_logs(tx, endpoint.id, limit=_STAGES)
    told = (f"{log['stage']} {(log['finished_at'] - log['started_at']).total_seconds():.2f} s" for log in reversed(logs))
    return f"stages of the last: {', '.join(told)}"
