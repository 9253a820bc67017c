"""What does a record cost on its way from a page of an API to a typed row in Postgres, stage by stage?

The source is in this process and makes pages of a thousand records, of a dozen fields and some 400 bytes each: what is measured is
ours. Then the same records again with nothing changed, with 1 % of them changed, and on to the full text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks._costs import Cost
from benchmarks._installation import Installation, installation
from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings
from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.core.types import RECORD_TYPE, START, ChangePage, Cursor, DayRange, FileRef, Probe, Record, Stream, Upserted
from connector_pipelines.pipeline.operations import run_stage
from connector_pipelines.store.catalog import configuration

__all__ = ["figures"]

PAGE = 1_000
STREAM = Stream(
    name="contacts",
    primary_key=("id",),
    cursor_field="updated_at",
    columns={"id": "integer", "updated_at": "timestamp", "created_at": "timestamp"},
    title="{{ name }}",
    body="{{ name }} {{ company }} {{ note }}",
    link="https://crm.example.com/contacts/{{ id }}",
)
_START = datetime(2025, 1, 1, 8, tzinfo=UTC)


class Source:
    """Pages of records. `changed` says of how many one has another version than the first time; 0: of none."""

    config_type = SourceConfig

    def __init__(self, count: int, changed: int = 0) -> None:
        self._count, self._changed = count, changed

    def test(self) -> Probe:
        return Probe(account="benchmark")

    def list(self, folder: str = "") -> Iterator[FileRef]:
        raise NotImplementedError

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:  # noqa: ARG002 - always from the start
        for start in range(0, self._count, PAGE):
            yield ChangePage(changes=tuple(map(self._change, range(start, min(start + PAGE, self._count)))), snapshot=True)
        yield ChangePage(changes=(), cursor=Cursor("end"), snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        raise NotImplementedError(ref.id)
        yield iter(())

    def streams(self) -> Sequence[Stream]:
        return [STREAM]

    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing."""

    def _change(self, number: int) -> Upserted:
        version = 2 if self._changed and number % self._changed == 0 else 1
        at = _START + timedelta(minutes=number)
        content = json.dumps(_fields(number, version, at), ensure_ascii=False).encode()
        ref = FileRef(
            id=f"contacts:{number}", path=f"contacts/{number}", version=f"{version}", media_type=RECORD_TYPE, size=len(content),
            modified_at=at, stream=STREAM.name,
        )  # fmt: skip
        return Upserted(ref, content)


def figures(*, quick: bool) -> Iterator[str]:
    count = 20_000 if quick else 200_000
    with installation() as place:
        yield f"making the pages takes {_each(place.meter.cost(lambda: [None for _ in Source(count).changes()]), count)} of it"
        yield from _told(place, "new, to a table", ("table",), Source(count), count)
        yield from _told(place, "unchanged", ("table",), Source(count), count)
        yield from _told(place, "1 % of them changed", ("table",), Source(count, 100), count)
        yield from _told(place, "and to the full text", ("table", "search"), Source(count, 100), count)


def _told(place: Installation, what: str, sinks: tuple[str, ...], source: Source, count: int) -> Iterator[str]:
    _configure(place, sinks)
    yield f"{count:,} records, {what}"
    total = None
    with place.services.open("records", "benchmark") as opened:
        session = replace(opened, source=source)
        for stage in ("listing", "documents", *sinks):
            cost = place.meter.cost(partial(run_stage, session, stage, DayRange(), sweep=True))
            total = cost if total is None else total + cost
            yield f"  {stage:10} {_each(cost, count)}"
    assert total is not None
    yield f"  {'in all':10} {_each(total, count)}"
    _check(place, count)


def _configure(place: Installation, sinks: tuple[str, ...]) -> None:
    kinds = {"table": "postgres_table", "search": "postgres_text"}
    endpoint = EndpointConfig(slug="records", settings={"root": str(place.base)}, sinks=sinks)
    wanted = ConnectorsFile(
        connectors=(ConnectorConfig(name="crm", kind="local_folder", endpoints=(endpoint,)),),
        sinks={name: SinkSettings(kind=kind) for name, kind in kinds.items()},
    )
    with place.services.database.operator() as tx:
        configuration.apply(tx, wanted, actor="benchmark")


def _check(place: Installation, count: int) -> None:
    with place.services.database.operator() as tx:
        held = tx.execute("SELECT count(*) AS n FROM deliveries WHERE sink = 'table' AND status = 'delivered'").fetchone()
    assert held is not None
    assert held["n"] == count, f"{held['n']} of {count} are in the table"


def _each(cost: Cost, count: int) -> str:
    mine, server = cost.cpu_s / count * 1e6, cost.server_cpu_s / count * 1e6
    return (
        f"{count / cost.wall_s:9,.0f}/s   {mine:5.1f} µs of CPU here, {server:5.1f} µs in Postgres, each; "
        f"{cost.peak_bytes / 1024**2:5.0f} MiB at most"
    )


def _fields(number: int, version: int, at: datetime) -> dict[str, object]:
    return {
        "id": number, "name": f"Contact {number} of the works", "email": f"contact{number}@example.com", "phone": f"+41 44 {number:07}",
        "company": f"Company {number % 5000}", "city": ("Zürich", "Bern", "Basel", "Genève")[number % 4], "country": "CH",
        "amount": number * 1.25, "active": number % 3 > 0, "created_at": at.isoformat(), "updated_at": (at + timedelta(days=version)).isoformat(),
        "note": f"The impeller of pump {number % 700} is worn out and is to be replaced before winter; version {version} of this note.",
    }  # fmt: skip
