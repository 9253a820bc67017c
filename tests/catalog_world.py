"""A catalog to test against: migrated, configured, and driven the way the stages drive it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, Manual, SinkSettings, TenantConfig
from connector_pipelines.core.errors import ConnectorError, Malformed
from connector_pipelines.core.types import (
    Change,
    ChangePage,
    Chunk,
    Cursor,
    DayRange,
    Document,
    Facts,
    FileRef,
    Upserted,
    content_hash,
)
from connector_pipelines.store.catalog import configuration, deliveries, work
from connector_pipelines.store.catalog.configuration import Applied, Endpoint
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.failures import ItemFailure
from connector_pipelines.store.catalog.listing import Absent, Listing, PageCounts, open_listing
from connector_pipelines.store.catalog.reports import stage_log
from connector_pipelines.store.catalog.workers import Worker, worker

__all__ = ["ALWAYS", "EARLIER", "NOW", "Pass", "World", "at_once", "config", "endpoint_config", "ref"]

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
EARLIER = datetime(2026, 3, 1, 8, tzinfo=UTC)
ALWAYS = DayRange()


def ref(file_id: str, version: str = "1", **facts: object) -> FileRef:
    known = {"path": file_id, "media_type": "text/plain", "size": 3, "modified_at": EARLIER} | facts
    return FileRef(id=file_id, version=version, **known)


def endpoint_config(slug: str = "docs", **facts: object) -> EndpointConfig:
    return EndpointConfig(slug=slug, **{"settings": {"root": f"/{slug}"}, "schedule": Manual(), **facts})


def config(*endpoints: EndpointConfig, kind: str = "local_folder", connector: str = "files", tenant: str = "default") -> ConnectorsFile:
    """A file with one connector, whose sinks are `vectors` and `search`."""
    return ConnectorsFile(
        tenants=(TenantConfig(name=tenant),),
        connectors=(ConnectorConfig(name=connector, kind=kind, tenant=tenant, endpoints=endpoints or (endpoint_config(),)),),
        sinks={"vectors": SinkSettings(kind="memory"), "search": SinkSettings(kind="memory")},
    )


class _BrokenOff(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass over the source found."""

    counts: PageCounts
    moved: int
    absent: Absent
    deleted: int


@dataclass(slots=True)
class World:
    """An endpoint `docs` and what is done to it. Every step takes its time from `now`; `objects` are what listings landed."""

    database: Database
    now: datetime = NOW
    seconds: float = 0.0
    objects: dict[str, bytes] = field(default_factory=dict)
    endpoint: Endpoint = field(init=False)
    worker: Worker = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> World:
        self.apply(config())
        self.endpoint = self.find("docs")
        self.worker = self._stack.enter_context(worker(self.database, "run"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def apply(self, wanted: ConnectorsFile, *, actor: str = "tester") -> Applied:
        with self.database.operator() as tx:
            return configuration.apply(tx, wanted, actor=actor, now=self.now)

    def find(self, slug: str) -> Endpoint:
        with self.database.operator() as tx:
            return configuration.endpoint(tx, slug)

    def rows(self, statement: str, *values: object) -> list[dict]:
        """What an operator sees."""
        with self.database.operator() as tx:
            return tx.execute(statement, values).fetchall()

    def execute(self, statement: str, *values: object) -> None:
        with self.database.operator() as tx:
            tx.execute(statement, values)

    def file(self, file_id: str) -> dict:
        found = self.rows("SELECT * FROM files WHERE external_id = %s AND endpoint_id = %s", file_id, self.endpoint.id)
        assert len(found) == 1, f"{file_id} has {len(found)} rows"
        return found[0]

    def statuses(self) -> dict[str, str]:
        return {
            r["external_id"]: r["status"]
            for r in self.rows("SELECT external_id, status FROM files WHERE endpoint_id = %s", self.endpoint.id)
        }

    # listing

    @contextmanager
    def listing(self, endpoint: Endpoint | None = None) -> Iterator[Listing]:
        found = endpoint or self.endpoint
        with (
            stage_log(self.database, found, "run", "listing") as log,
            open_listing(self.database, found, log.id, self.now, land=self._land, seconds=lambda: self.seconds) as listing,
        ):
            yield listing

    def _land(self, pack: bytes) -> str:
        key = f"object {len(self.objects)}"
        self.objects[key] = pack
        return key

    def snapshot(self, *changes: FileRef | Change, cursor: str = "end", endpoint: Endpoint | None = None) -> Pass:
        """One complete pass; everything absent is deleted."""
        with self.listing(endpoint) as listing:
            counts = listing.record(page(*changes, cursor=cursor, snapshot=True))
            moved = listing.find_moved()
            absent = listing.absent()
            deleted = listing.finish_snapshot([r.id for r in absent.refs], Cursor(cursor))
        return Pass(counts, moved, absent, deleted)

    def break_off(self, *changes: FileRef | Change) -> None:
        """A pass that records a page and then ends as if its process did."""
        with suppress(_BrokenOff), self.listing() as listing:
            listing.record(page(*changes, snapshot=True))
            listing.flush()
            raise _BrokenOff

    def delta(self, *changes: FileRef | Change, cursor: str = "next") -> PageCounts:
        with self.listing() as listing:
            listing.record(page(*changes, cursor=cursor))
            return listing.flush()

    # files and documents

    def claim(self, status: str = "listed", *, by: Worker | None = None, days: DayRange = ALWAYS, limit: int = 1000) -> list[work.Claimed]:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return work.claim(tx, self.endpoint, by or self.worker, status=status, days=days, now=self.now, limit=limit)

    def save_stored(self, files: Iterable[work.Claimed], body: bytes | None = None) -> int:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return work.save_stored(tx, self.endpoint, [stored(f, body) for f in files], self.now)

    def save_extracted(self, files: Iterable[work.Claimed], *texts: str) -> int:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return len(work.save_extracted(tx, self.endpoint, [extracted(f, *texts) for f in files], self.now).file_ids)

    def save_failed(
        self,
        files: Iterable[work.Claimed],
        *,
        stage: str = "files",
        error: ConnectorError | None = None,
        retry_at: datetime | None = None,
    ) -> int:
        status = {"files": "listed", "documents": "stored"}[stage]
        failed = [failure(f, stage, error or Malformed("broken"), retry_at) for f in files]
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return work.save_failed(tx, self.endpoint, failed, self.now, status=status)

    def save_skipped(self, files: Iterable[work.Claimed], reason: str = "no_extractor") -> int:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return work.save_skipped(tx, [work.SkippedFile(f, reason) for f in files], self.now)

    def process(self, *texts: str, body: bytes | None = None) -> None:
        """Download and extract everything that waits."""
        self.save_stored(self.claim("listed"), body)
        self.save_extracted(self.claim("stored"), *texts)

    # deliveries

    def plan(self, sink: str = "vectors") -> None:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            deliveries.plan(tx, self.endpoint, sink)

    def owed(self, sink: str = "vectors", *, by: Worker | None = None, days: DayRange = ALWAYS, limit: int = 1000) -> list[deliveries.Owed]:
        self.plan(sink)
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return deliveries.claim(tx, self.endpoint, sink, by or self.worker, days=days, now=self.now, limit=limit)

    def documents(self, owed: Sequence[deliveries.Owed]) -> tuple[list[Document], list[deliveries.Owed]]:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            return deliveries.documents(tx, self.endpoint, owed)

    def told(self, owed: Sequence[deliveries.Owed], sink: str = "vectors") -> None:
        with self.database.tenant(self.endpoint.tenant_id) as tx:
            deliveries.save(tx, sink, owed, self.now)

    def deliver(self, sink: str = "vectors") -> list[deliveries.Owed]:
        """Tell the sink everything it is owed."""
        owed = self.owed(sink)
        self.told(owed, sink)
        return owed

    def delivery(self, file_id: str, sink: str = "vectors") -> dict:
        return self.rows(
            "SELECT d.* FROM deliveries d JOIN files f ON f.id = d.file_id WHERE f.external_id = %s AND d.sink = %s", file_id, sink
        )[0]


def page(*changes: FileRef | Change, cursor: str | None = None, snapshot: bool = False) -> ChangePage:
    items = tuple(Upserted(c) if isinstance(c, FileRef) else c for c in changes)
    return ChangePage(changes=items, cursor=None if cursor is None else Cursor(cursor), snapshot=snapshot)


def stored(file: work.Claimed, body: bytes | None = None) -> work.Stored:
    """The file with bytes of its own for each id and version, or with these."""
    digest = sha256(body if body is not None else f"{file.ref.id} {file.ref.version}".encode()).digest()
    return work.Stored(file, digest, digest.hex(), file.ref.size or 7)


def extracted(file: work.Claimed, *texts: str) -> work.Extracted:
    said = texts or (f"text of {file.ref.id} {file.ref.version}",)
    chunks = tuple(Chunk(ordinal=n, text=text, hash=content_hash(text)) for n, text in enumerate(said))
    return work.Extracted(file, "text/plain", "text 1, chunks 1", Facts(), chunks)


def failure(file: work.Claimed, stage: str, error: ConnectorError, retry_at: datetime | None) -> work.Failed:
    told = ItemFailure(item=file.ref.path, file_id=file.file_id, stage=stage, error=error, attempts=file.attempts + 1, retry_at=retry_at)
    return work.Failed(file, told)


def at_once(*acts: Callable[[], object]) -> None:
    """Each in a thread of its own. Raises what one of them raised."""
    with ThreadPoolExecutor(len(acts)) as pool:
        for running in [pool.submit(act) for act in acts]:
            running.result()
