"""Whether an endpoint is in order: few failures, everything seen accounted for, sinks holding what the catalog says.

Evaluated in the step of the sync asset, so they cost no step of their own.
"""

from collections.abc import Iterator

import dagster as dg

from connector_pipelines.core.protocols import TakesInventory
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.catalog import deliveries
from connector_pipelines.store.catalog.reports import EndpointStatus, endpoint_status

__all__ = ["CHECKS", "evaluate", "specs"]

CHECKS = {
    "failed_share": "The share of items that failed is within the endpoint's `max_failed_share`.",
    "complete": "Everything seen is accounted for, nothing waits, and every sink has been told everything.",
    "stores_agree": "Each sink holds exactly the documents, at the generations, the catalog says. What differs, the nightly sweep mends.",
}
INVENTORY_LIMIT = 20_000
"""Documents up to which every sync compares the sinks with the catalog; larger endpoints are compared by sweeps."""


def specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=key, description=text) for name, text in CHECKS.items()]


def evaluate(session: Session, key: dg.AssetKey, *, sweep: bool) -> Iterator[dg.AssetCheckResult]:
    """The results now. `stores_agree` is left out, not passed, where a large endpoint was not swept."""
    with session.database.operator() as tx:
        status = endpoint_status(tx, session.endpoint.slug)[0]
    yield _failed_share(key, status, session.endpoint.max_failed_share)
    yield _complete(key, status)
    if sweep or status.extracted <= INVENTORY_LIMIT:
        yield _stores_agree(key, session)


def _failed_share(key: dg.AssetKey, status: EndpointStatus, share: float) -> dg.AssetCheckResult:
    failed = sum(status.failed.values())
    found = failed / (failed + status.extracted) if failed else 0.0
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="failed_share",
        passed=found <= share,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"share": round(found, 4), "allowed": share, "failed": failed, "by_code": dict(status.failed)},
    )


def _complete(key: dg.AssetKey, status: EndpointStatus) -> dg.AssetCheckResult:
    skipped, failed = sum(status.skipped.values()), sum(status.failed.values())
    accounted = status.waiting + status.stored + status.extracted + skipped + failed
    owed = {name: sink.get("owed", 0) + sink.get("to_remove", 0) for name, sink in status.sinks.items()}
    unfinished = status.waiting + status.stored + sum(owed.values())
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="complete",
        passed=accounted == status.seen and not unfinished and not status.held_deletions,
        severity=dg.AssetCheckSeverity.ERROR if accounted != status.seen else dg.AssetCheckSeverity.WARN,
        metadata={
            "seen": status.seen, "extracted": status.extracted, "skipped": skipped, "failed": failed, "waiting": status.waiting + status.stored,
            "owed": owed, "deletions held": bool(status.held_deletions),
        },
    )  # fmt: skip


def _stores_agree(key: dg.AssetKey, session: Session) -> dg.AssetCheckResult:
    differing = {name: _differing(session, name) for name, sink in session.sinks.items() if isinstance(sink, TakesInventory)}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="stores_agree",
        passed=not any(differing.values()),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"documents that differ, by sink": differing, "sinks not compared": sorted(session.sinks.keys() - differing.keys())},
    )


def _differing(session: Session, name: str) -> int:
    endpoint, sink = session.endpoint, session.sinks[name]
    assert isinstance(sink, TakesInventory)  # noqa: S101 - the caller chose it for that
    with session.database.tenant(endpoint.tenant_id) as tx:
        told = deliveries.held(tx, endpoint, name)
    holds = dict(sink.inventory(endpoint.tenant_id, endpoint.slug))
    return sum(told.get(document) != holds.get(document) for document in told.keys() | holds.keys())
