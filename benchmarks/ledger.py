"""What does the catalog cost beside a bare COPY and upsert of the same rows on the same server?

The peer's table has the columns and indexes of `files`. It knows nothing of tenants, generations, moves or deletions, and
takes all rows in one transaction; ours takes pages of a thousand, as the sources send them, and proves what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg

from benchmarks._costs import Action, contest
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from connector_pipelines.core.types import ChangePage, Cursor, FileRef, Upserted
from connector_pipelines.store.catalog.configuration import Endpoint
from connector_pipelines.store.catalog.listing import open_listing
from connector_pipelines.store.catalog.reports import stage_log

__all__ = ["figures"]

_PAGE = 1000
_PEER = "raw COPY and upsert"
_COLUMNS = "external_id, path, version, identity, size, media_type, source_modified_at"
_UPSERT = f"""
    INSERT INTO raw_files AS f (tenant_id, endpoint_id, {_COLUMNS}, window_day, status, first_sync)
    SELECT %(tenant)s, %(endpoint)s, {_COLUMNS}, (source_modified_at AT TIME ZONE 'UTC')::date, 'listed', 1 FROM page
    ON CONFLICT (endpoint_id, external_id) DO UPDATE SET path = excluded.path, version = excluded.version, identity = excluded.identity,
        size = excluded.size, media_type = excluded.media_type, source_modified_at = excluded.source_modified_at
    WHERE (f.path, f.version, f.identity, f.size, f.media_type, f.source_modified_at)
        IS DISTINCT FROM (excluded.path, excluded.version, excluded.identity, excluded.size, excluded.media_type, excluded.source_modified_at)
"""


def figures(*, quick: bool) -> Iterator[Figure | str]:
    count, rounds = (10_000, 1) if quick else (50_000, 3)
    first = _refs(count)
    changed = [replace(ref, version="2", size=(ref.size or 0) + 1) if n % 100 == 0 else ref for n, ref in enumerate(first)]
    with installation() as place, psycopg.connect(place.url, autocommit=True) as raw:
        place.configure({f"round{n}": {"root": str(place.base)} for n in range(rounds)})
        raw.execute("CREATE TABLE raw_files (LIKE files INCLUDING ALL)")
        endpoints = [place.endpoint(f"round{n}") for n in range(rounds)]
        for what, refs in (("new", first), ("unchanged", first), ("1 % of them changed", changed)):
            ours, peer = contest(place.meter, rounds, partial(_ours, place, endpoints, refs), partial(_raw, raw, endpoints, refs))
            yield Figure(
                what=f"a snapshot of {count:,} files, {what}", peer_name=_PEER, ours=ours, peer=peer, items=count, unit="file", goal=0.5
            )


def _refs(count: int) -> list[FileRef]:
    start = datetime(2025, 1, 1, 8, tzinfo=UTC)
    return [
        FileRef(
            id=f"id-{n:08}", path=f"Project {n % 40}/Folder {n % 700}/Report on axis {n}.pdf", version=f"{n}-1", media_type="application/pdf",
            size=20_000 + n, modified_at=start + timedelta(minutes=n), identity=f"2049:{n}",
        )
        for n in range(count)
    ]  # fmt: skip


def _ours(place: Installation, endpoints: Sequence[Endpoint], refs: Sequence[FileRef], number: int) -> Action:
    endpoint = endpoints[number]
    database, now = place.services.database, datetime.now(UTC)

    def action() -> None:
        with (
            stage_log(database, endpoint, "benchmark", "listing") as log,
            open_listing(database, endpoint, log.id, now, land=_no_land) as listing,
        ):
            for start in range(0, len(refs), _PAGE):
                listing.record(ChangePage(changes=tuple(map(Upserted, refs[start : start + _PAGE])), snapshot=True))
            listing.find_moved()
            listing.finish_snapshot([r.id for r in listing.absent().refs], Cursor("end"))

    return action


def _no_land(pack: bytes) -> str:
    raise AssertionError(f"files bring no content, and {len(pack)} bytes came")


def _raw(connection: psycopg.Connection[tuple[object, ...]], endpoints: Sequence[Endpoint], refs: Sequence[FileRef], number: int) -> Action:
    endpoint = endpoints[number]

    def action() -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE page ON COMMIT DROP AS SELECT {_COLUMNS} FROM files WITH NO DATA")
            with cursor.copy(f"COPY page ({_COLUMNS}) FROM STDIN") as copy:
                for r in refs:
                    copy.write_row((r.id, r.path, r.version, r.identity, r.size, r.media_type, r.modified_at))
            cursor.execute(_UPSERT, {"tenant": endpoint.tenant_id, "endpoint": endpoint.id})

    return action
