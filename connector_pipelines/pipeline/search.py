"""Hybrid search: every searchable sink is asked, the answers are fused, and each hit is checked against the catalog."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from connector_pipelines.core.config import SinkSettings
from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.core.protocols import EmbedsChunks, Reindexes, Searches, Sink
from connector_pipelines.core.types import Hit, Query
from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.pipeline.ranking import fuse, snippet
from connector_pipelines.pipeline.session import Services, open_sink
from connector_pipelines.store.catalog.configuration import sink_settings, tenant_named
from connector_pipelines.store.catalog.reports import Citation, citations
from connector_pipelines.telemetry import get_logger

__all__ = ["Result", "Searcher", "search"]

_LOG = get_logger(__name__)

CANDIDATES = 50
"""Hits asked of each sink, whatever the limit: fusion needs depth to agree on the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One passage found. `score` compares within one answer only; `found_by` names the sinks."""

    citation: Citation
    snippet: str
    score: float
    found_by: tuple[str, ...]


class Searcher:
    """Answers queries for as long as it is open, with sinks that stay open between them. Used by several threads at once.

    What is configured is looked at for every query: a sink whose settings changed is opened anew, and so is one that failed.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sinks: dict[str, tuple[SinkSettings, Sink]] = {}
        self._lock = threading.Lock()

    def search(self, text: str, *, tenant: str, endpoint: str | None = None, limit: int = 10) -> list[Result]:
        """The best passages of a tenant's documents, best first, at most one per document and place.

        Raises:
            ConfigurationError: There is no such tenant or endpoint, or no sink that can be searched.
        """
        database = self._services.database
        with database.operator() as tx:
            tenant_id, sinks = tenant_named(tx, tenant), sink_settings(tx)
        hits = self._ask(sinks, Query(text=text, tenant_id=tenant_id, endpoint=endpoint, limit=max(CANDIDATES, limit)))
        if not hits:
            return []
        ranked = fuse(list(hits.values()))
        found: list[tuple[Hit, Citation]] = []
        with database.tenant(tenant_id) as tx:
            # Nearly all are there; the passages of many more than are shown would be read for nothing.
            for some in (ranked[at : at + 2 * limit] for at in range(0, len(ranked), 2 * limit)):
                known = citations(tx, [(h.document_id, h.ordinal) for h in some])
                found += [(h, known[h.document_id, h.ordinal]) for h in some if (h.document_id, h.ordinal) in known]
                if len(found) >= limit:
                    break
        return [_result(text, hit, citation, hits) for hit, citation in found[:limit]]

    def close(self) -> None:
        with self._lock:
            held, self._sinks = self._sinks, {}
        for _, sink in held.values():
            sink.close()

    def _ask(self, configured: Mapping[str, SinkSettings], query: Query) -> dict[str, list[Hit]]:
        """By sink, its hits. A sink that embeds is asked with a vector of its model."""
        answers: dict[str, list[Hit]] = {}
        searchable, refused = 0, list[ConnectorError]()
        for name in configured:
            sink = self._opened(name, configured)
            if not isinstance(sink, Searches):
                continue
            searchable += 1
            try:
                answers[name] = list(sink.search(_for(self._services, sink, query)))
            except ConnectorError as error:
                refused.append(error)
                self._drop(name, sink)
                _LOG.warning("sink_not_searched", sink=name, code=error.code, message=str(error))
        if refused and len(refused) == searchable:
            raise refused[0]
        if not searchable:
            raise ConfigurationError("no sink can be searched", advice="add a `pgvector` or `postgres_text` sink to connectors.yaml")
        return {name: hits for name, hits in answers.items() if hits}

    def _opened(self, name: str, configured: Mapping[str, SinkSettings]) -> Sink:
        with self._lock:
            settings, sink = self._sinks.get(name, (None, None))
            if sink is not None and settings == configured[name]:
                return sink
            fresh = open_sink(name, configured, self._services.tools)
            self._sinks[name] = configured[name], fresh
        if sink is not None:
            sink.close()
        return fresh

    def _drop(self, name: str, failed: Sink) -> None:
        """Forget it: what it was opened with, a password for one, may no longer hold."""
        with self._lock:
            _, held = self._sinks.get(name, (None, None))
            if held is failed:
                del self._sinks[name]
        failed.close()


def search(services: Services, text: str, *, tenant: str, endpoint: str | None = None, limit: int = 10) -> list[Result]:
    """As `Searcher.search`, once: for who searches often, its sinks are opened too often."""
    with closing(Searcher(services)) as searcher:
        return searcher.search(text, tenant=tenant, endpoint=endpoint, limit=limit)


def _for(services: Services, sink: Sink, query: Query) -> Query:
    if not isinstance(sink, EmbedsChunks):
        return query
    name = sink.searched_model if isinstance(sink, Reindexes) else sink.model
    model = load_model(name, cache=services.settings.home / "models")
    return Query(
        text=query.text, tenant_id=query.tenant_id, endpoint=query.endpoint, limit=query.limit, vector=model.embed([query.text])[0]
    )


def _result(text: str, hit: Hit, citation: Citation, hits: dict[str, list[Hit]]) -> Result:
    found_by = tuple(name for name, some in hits.items() if any((h.document_id, h.ordinal) == (hit.document_id, hit.ordinal) for h in some))
    return Result(citation=citation, snippet=snippet(citation.text, text.split()), score=hit.score, found_by=found_by)
