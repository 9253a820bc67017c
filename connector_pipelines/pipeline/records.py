"""Stage `documents` for records: made in this process, by the thousand, where any sink wants text; else only noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate, takewhile

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, NotFound, PermanentError, Unavailable
from connector_pipelines.core.protocols import DeclaresStreams
from connector_pipelines.core.types import Stream
from connector_pipelines.pipeline.rendering import Renderer, made_by
from connector_pipelines.pipeline.report import StageReport
from connector_pipelines.pipeline.session import Progress, Scope, Session
from connector_pipelines.store.blobs import Slice
from connector_pipelines.store.catalog import records
from connector_pipelines.store.catalog.failures import ItemFailure
from connector_pipelines.store.catalog.records import Rendered, Waiting

__all__ = ["BATCH_BYTES", "contents_of", "make_documents", "streams_of", "undeclared"]

BATCH = 5_000
BATCH_BYTES = 32 * 1024**2
"""Content held in memory at once; one record with more goes alone."""

BATCH_UNRENDERED = 20_000


def streams_of(session: Session) -> dict[str, Stream]:
    """The streams of the endpoint's source by name; none where it has no records."""
    return {stream.name: stream for stream in session.source.streams()} if isinstance(session.source, DeclaresStreams) else {}


def undeclared(stream: str) -> PermanentError:
    return PermanentError(f"the source declares no stream {stream!r} any more", advice="the next sweep removes its records")


def contents_of(session: Session, slices: Sequence[Slice | None]) -> list[bytes | NotFound]:
    """The bytes of each, or what is missing."""
    known = [one for one in slices if one is not None]
    try:
        found: Iterator[bytes | NotFound] = iter(session.services.blobs.read_many(known))
    except NotFound:
        found = (_content(session, one) for one in known)
    return [NotFound("its content is not in the object store") if one is None else next(found) for one in slices]


def make_documents(session: Session, scope: Scope, report: StageReport) -> None:
    """Make the documents of all records of the scope that wait, and of those whose templates have changed since."""
    rendered = session.keeps_text
    streams = streams_of(session) if rendered else {}
    wanted = {name: made_by(stream) for name, stream in streams.items()}
    endpoint, database = session.endpoint, session.database
    while session.noted:
        report.add("extracted", *session.noted.popitem())
    with database.tenant(endpoint.tenant_id) as tx:
        records.make_stale(tx, endpoint, wanted, session.clock())
        total = records.waiting(tx, endpoint, days=scope.days, now=session.clock())
    renderers = {name: Renderer(stream, endpoint.extraction.max_text_bytes) for name, stream in streams.items()}
    for made in _rendered(session, scope, renderers, wanted) if rendered else _noted(session, scope):
        for (day, outcome), number in made.items():
            report.add(outcome, day, number)
        done, failed = report.counts["extracted"], report.counts["failed"]
        session.progress(Progress(endpoint=endpoint.slug, stage=report.stage, done=done, failed=failed, total=total))
        if session.stop.is_set():
            raise Unavailable("the run was stopped")


_Made = Counter[tuple[date, str]]


def _noted(session: Session, scope: Scope) -> Iterator[_Made]:
    while True:
        with session.database.tenant(session.endpoint.tenant_id) as tx:
            days = records.save_unrendered(tx, session.endpoint, days=scope.days, now=session.clock(), limit=BATCH_UNRENDERED)
        if not days:
            return
        yield Counter({(day, "extracted"): number for day, number in days.items()})


def _rendered(session: Session, scope: Scope, renderers: Mapping[str, Renderer], wanted: Mapping[str, str]) -> Iterator[_Made]:
    endpoint, now = session.endpoint, session.clock()
    while True:
        with session.database.tenant(endpoint.tenant_id) as tx:
            taken = _bounded(records.take(tx, endpoint, days=scope.days, now=now, limit=BATCH))
            if not taken:
                return
            made, failed = _texts(session, renderers, wanted, taken)
            records.save_rendered(tx, endpoint, made, wanted, now)
            records.save_failed(tx, endpoint, failed, now)
        yield _counted(taken, made, failed)


def _bounded(taken: Sequence[Waiting]) -> Sequence[Waiting]:
    """As many as fit into memory, one at least; the others are free again when the transaction ends."""
    fitting = sum(1 for _ in takewhile(lambda size: size <= BATCH_BYTES, accumulate(one.size for one in taken)))
    return taken[: max(fitting, 1)]


def _texts(
    session: Session, renderers: Mapping[str, Renderer], wanted: Mapping[str, str], taken: Sequence[Waiting]
) -> tuple[list[Rendered], list[ItemFailure]]:
    made, failed = [], []
    contents = contents_of(session, [Slice(one.key, one.position, one.size) if one.key else None for one in taken])
    for one, content in zip(taken, contents, strict=True):
        try:
            text = _renderer(renderers, one.stream).render(_there(content))
        except ConfigurationError:
            raise
        except ConnectorError as error:
            failed.append(ItemFailure(item=one.path, file_id=one.file_id, stage="documents", error=error, attempts=one.attempts + 1))
        else:
            made.append(Rendered(one.file_id, text.title, text.url, wanted[one.stream], text.chunks))
    return made, failed


def _renderer(renderers: Mapping[str, Renderer], stream: str) -> Renderer:
    if stream not in renderers:
        raise undeclared(stream)
    return renderers[stream]


def _there(content: bytes | NotFound) -> bytes:
    if isinstance(content, NotFound):
        raise content
    return content


def _content(session: Session, found: Slice) -> bytes | NotFound:
    try:
        return session.services.blobs.read_many([found])[0]
    except NotFound as error:
        return error


def _counted(taken: Sequence[Waiting], made: Sequence[Rendered], failed: Sequence[ItemFailure]) -> _Made:
    days = {one.file_id: one.day for one in taken}
    counts: _Made = Counter()
    for document in made:
        day = days[document.file_id]
        counts[day, "extracted"] += 1
        counts[day, "chunks"] += len(document.chunks)
    counts.update((days[failure.file_id or 0], "failed") for failure in failed)
    return counts
