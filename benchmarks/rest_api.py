"""How fast do records get from an API into a table, beside dlt's `rest_api` source into the same Postgres?

Both read the same fake API over loopback, page by page, and end with one typed row per record that a later run updates by key.
Beyond that, ours leaves a ledger row for every record (version, window, deletion followed), its bytes in the object store, and what the
sink was told; dlt leaves its load packages' state. dlt is run as its documentation does: one process, its default
workers, `merge` by its default strategy. (Its other one, `upsert`, is quadratic on a table Postgres has no statistics of: at 200,000
records its MERGE did not end within nine minutes.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks._costs import Action, contest
from benchmarks._figures import Figure, alone
from benchmarks._installation import Installation, installation
from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.pipeline.operations import sync
from connector_pipelines.store.catalog import configuration
from connector_pipelines.testing.fake_api import NextUrl, RemoteFakeApi, StreamShape, fake_api_process

__all__ = ["figures"]

_PAGE = 1000
_STREAM = "deals"


def figures(*, quick: bool) -> Iterator[Figure | str]:
    count, rounds = (20_000, 1) if quick else (200_000, 3)
    with installation() as place, fake_api_process() as api:
        api.add(StreamShape(name=_STREAM, paginator=NextUrl(path="next", max_size=_PAGE)))
        api.fill(_STREAM, count)
        _configure(place, api, rounds)
        ours, peer = contest(place.meter, rounds, partial(_ours, place, count, "rows"), partial(_dlt, place, api, count))
        yield Figure(
            what=f"{count:,} new records to the table",
            peer_name="dlt rest_api, merge",
            ours=ours,
            peer=peer,
            items=count,
            unit="record",
            goal=1.5,
        )
        again = place.meter.cost(_synced(place, "rows0", count, new=False))
        yield alone("unchanged", again, count, "record")
        few = min(count, 20_000)
        api.add(StreamShape(name="notes", paginator=NextUrl(path="next", max_size=_PAGE)))
        api.fill("notes", few)
        yield alone("to the index", place.meter.cost(_synced(place, "index", few, new=True)), few, "record")


def _configure(place: Installation, api: RemoteFakeApi, rounds: int) -> None:
    def endpoint(slug: str, stream: str, sinks: tuple[str, ...]) -> EndpointConfig:
        described = {
            "name": stream, "path": stream, "record_selector": "data", "params": {"limit": _PAGE},
            "paginator": {"type": "next_url", "path": "next"}, "modified": "updated_at",
        }  # fmt: skip
        settings = {"base_url": api.url, "allow_private": True, "streams": [described]}
        return EndpointConfig(slug=slug, settings=settings, sinks=sinks)

    endpoints = [*(endpoint(f"rows{n}", _STREAM, ("rows",)) for n in range(rounds)), endpoint("index", "notes", ("rows", "search"))]
    wanted = ConnectorsFile(
        connectors=(ConnectorConfig(name="crm", kind="rest_api", endpoints=tuple(endpoints)),),
        sinks={"rows": SinkSettings(kind="postgres_table"), "search": SinkSettings(kind="postgres_text")},
    )
    with place.services.database.operator() as tx:
        configuration.apply(tx, wanted, actor="benchmark")


def _ours(place: Installation, count: int, name: str, number: int) -> Action:
    return _synced(place, f"{name}{number}", count, new=True)


def _synced(place: Installation, slug: str, count: int, *, new: bool) -> Action:
    def action() -> None:
        with place.services.open(slug, "benchmark") as session:
            report = sync(session)
        counts = report.stages["listing"].counts
        assert counts["new" if new else "unchanged"] == count, counts
        if new:
            assert report.stages["rows"].counts["delivered"] == count, report.stages["rows"].counts

    return action


def _dlt(place: Installation, api: RemoteFakeApi, count: int, number: int) -> Action:
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "DLT_DATA_DIR": str(place.base / "dlt")}
    import dlt
    from dlt.sources.rest_api import rest_api_source

    resource: Any = {
        "name": _STREAM, "primary_key": "id", "write_disposition": "merge",
        "endpoint": {"path": _STREAM, "data_selector": "data", "params": {"limit": _PAGE}},
    }  # fmt: skip
    source = rest_api_source(
        {"client": {"base_url": api.url, "paginator": {"type": "json_link", "next_url_path": "next"}}, "resources": [resource]}
    )
    pipeline = dlt.pipeline(
        f"benchmark{number}",
        destination=dlt.destinations.postgres(place.url),
        dataset_name=f"dlt{number}",
        pipelines_dir=str(Path(place.base / "pipelines")),
    )

    def action() -> None:
        pipeline.run(source)
        with psycopg.connect(place.url) as connection:
            found = connection.execute(f"SELECT count(*) FROM dlt{number}.{_STREAM}").fetchone()
        assert found == (count,), found

    return action
