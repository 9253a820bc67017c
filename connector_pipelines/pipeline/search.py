"""Hybrid search: every searchable sink is asked, the answers are fused, and each hit is checked against the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector_pipelines.core.config import SinkSettings
from connector_pipelines.core.errors import ConfigurationError, ConnectorError
from connector_pipelines.core.protocols import EmbedsChunks, Searches, Sink
from connector_pipelines.core.types import Hit, Query
from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.pipeline.ranking import fuse, snippet
from connector_pipelines.pipeline.session import Services, open_sink
from connector_pipelines.store.catalog.configuration import sink_settings, tenant_named
from connector_pipelines.store.catalog.reports import Citation, citations
from connector_pipelines.telemetry import get_logger

__all__ = ["Result", "search"]

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


def search(services: Services, text: str, *, tenant: str, endpoint: str | None = None, limit: int = 10) -> list[Result]:
    """The best passages of a tenant's documents, best first, at most one per document and place.

    Raises:
        ConfigurationError: There is no such tenant or endpoint, or no sink that can be searched.
    """
    with services.database.operator() as tx:
        tenant_id, sinks = tenant_named(tx, tenant), sink_settings(tx)
    hits = _ask(services, sinks, Query(text=text, tenant_id=tenant_id, endpoint=endpoint, limit=max(CANDIDATES, limit)))
    if not hits:
        return []
    ranked = fuse(list(hits.values()))
    with services.database.tenant(tenant_id) as tx:
        known = citations(tx, [(h.document_id, h.ordinal) for h in ranked])
    found = [(h, known[h.document_id, h.ordinal]) for h in ranked if (h.document_id, h.ordinal) in known]
    return [_result(text, hit, citation, hits) for hit, citation in found[:limit]]


def _ask(services: Services, configured: Mapping[str, SinkSettings], query: Query) -> dict[str, list[Hit]]:
    """By sink, its hits. A sink that embeds is asked with a vector of its model."""
    answers: dict[str, list[Hit]] = {}
    searchable, refused = 0, list[ConnectorError]()
    for name in configured:
        sink = open_sink(name, configured, services.tools)
        try:
            if isinstance(sink, Searches):
                searchable += 1
                answers[name] = list(sink.search(_for(services, sink, query)))
        except ConnectorError as error:
            refused.append(error)
            _LOG.warning("sink_not_searched", sink=name, code=error.code, message=str(error))
        finally:
            sink.close()
    if refused and len(refused) == searchable:
        raise refused[0]
    if not searchable:
        raise ConfigurationError("no sink can be searched", advice="add a `pgvector` or `postgres_text` sink to connectors.yaml")
    return {name: hits for name, hits in answers.items() if hits}


def _for(services: Services, sink: Sink, query: Query) -> Query:
    if not isinstance(sink, EmbedsChunks):
        return query
    model = load_model(sink.model, cache=services.settings.home / "models")
    return Query(
        text=query.text, tenant_id=query.tenant_id, endpoint=query.endpoint, limit=query.limit, vector=model.embed([query.text])[0]
    )


def _result(text: str, hit: Hit, citation: Citation, hits: dict[str, list[Hit]]) -> Result:
    found_by = tuple(name for name, some in hits.items() if any((h.document_id, h.ordinal) == (hit.document_id, hit.ordinal) for h in some))
    return Result(citation=citation, snippet=snippet(citation.text, text.split()), score=hit.score, found_by=found_by)
