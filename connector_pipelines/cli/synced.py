"""What became of a sync, per endpoint: counts, failures with their reasons, held deletions, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connector_pipelines.cli.outcome import FAILED, HELD, ITEMS_FAILED
from connector_pipelines.core.errors import DeletionsHeld

if TYPE_CHECKING:
    from connector_pipelines.defs.local_run import LocalRun
    from connector_pipelines.pipeline.session import Services
    from connector_pipelines.store.catalog.administration import StageOutcome
    from connector_pipelines.store.catalog.reports import EndpointStatus

__all__ = ["EndpointResult", "Reason", "exit_code", "print_results", "results_of"]

REASONS_SHOWN = 3

_LISTED = ("new", "changed", "restored", "moved", "deleted", "unchanged", "unlistable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One failed item."""

    id: int
    item: str
    stage: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointResult:
    """One endpoint's part of a run.

    Attributes:
        listed: What the source said: new, changed, restored, moved, deleted, unchanged, unlistable.
        delivered: By sink: documents it was told to hold.
        removed: By sink: documents it was told to hold no more.
        reasons: The open failures, the newest first, a few of them.
        open_failures: Items that have failed, in this run or an earlier one.
        known: Items the endpoint has, whatever became of them.
        held: Deletions that wait for approval.
        left: That another run is syncing it, so that there was nothing to do here; or None.
        error: What stopped it, with its code and advice, or None.
    """

    endpoint: str
    listed: Mapping[str, int]
    stored: int
    extracted: int
    skipped: int
    failed: int
    retried_later: int
    delivered: Mapping[str, int]
    removed: Mapping[str, int]
    reasons: tuple[Reason, ...] = ()
    open_failures: int = 0
    known: int = 0
    held: int = 0
    left: str | None = None
    error: Mapping[str, str] | None = field(default=None)


def exit_code(results: Sequence[EndpointResult], *, strict: bool) -> int:
    """The worst of them; 0 when all is well."""
    if any(r.error for r in results):
        return FAILED
    if any(r.held for r in results):
        return HELD
    return ITEMS_FAILED if strict and any(r.open_failures for r in results) else 0


def print_results(results: Sequence[EndpointResult]) -> None:
    """A few lines for each endpoint."""
    from connector_pipelines.cli.output import one_line

    for result in results:
        if result.left:
            print(f"{result.endpoint}: {result.left}; it does the same work")
            continue
        print(f"{result.endpoint}: {_listed(result)}")
        if work := _work(result):
            print(f"  {work}")
        for reason in result.reasons:
            print(f"  {one_line(reason.item)}: {reason.code}: {one_line(reason.message)}")
        if result.reasons:
            print(f"  `connectors failures --endpoint {result.endpoint}` lists all; `connectors failures explain ID` says what to do")
        if result.held:
            print(f"  {result.held} deletions are held, because so many files are gone at the source; nothing of them was deleted")
            print(f"  fix: `connectors approve {result.endpoint}` if they are meant to be gone; else bring the source back and sync again")
        if result.error:
            print(f"  error: {result.error['code']}: {one_line(result.error['message'])}")
            if result.error.get("advice"):
                print(f"  fix: {result.error['advice']}")


def _listed(result: EndpointResult) -> str:
    told = [f"{result.listed[name]} {name}" for name in _LISTED if result.listed.get(name)]
    return ", ".join(told) or ("nothing was listed" if result.error else "nothing changed" if result.known else "nothing there")


def _work(result: EndpointResult) -> str:
    told = [f"{n} {name}" for name in ("stored", "extracted", "skipped", "failed") if (n := getattr(result, name))]
    if result.retried_later:
        told.append(f"{result.retried_later} tried again later")
    told += [f"{n} delivered to {sink}" for sink, n in result.delivered.items() if n]
    told += [f"{n} removed from {sink}" for sink, n in result.removed.items() if n]
    return ", ".join(told) or "no work to do"


def results_of(services: Services, slugs: Sequence[str], run: LocalRun) -> list[EndpointResult]:
    """What the run did at each of the endpoints."""
    from connector_pipelines.store.catalog.administration import run_outcomes
    from connector_pipelines.store.catalog.failures import failures_of
    from connector_pipelines.store.catalog.reports import endpoint_status

    with services.database.operator() as tx:
        outcomes = run_outcomes(tx, run.run_id)
        results = []
        for slug in slugs:
            state = next(iter(endpoint_status(tx, slug)), None)
            if state is None:
                continue  # put aside, and forgotten, while it was synced
            mine = [o for o in outcomes if o.endpoint == slug]
            held = int(state.held_deletions["files"]) if state.held_deletions else 0
            open_rows = failures_of(tx, slug, limit=REASONS_SHOWN) if _failed(mine) else []
            reasons = tuple(Reason(id=r.id, item=r.item, stage=r.sink or r.stage, code=r.code, message=r.message) for r in open_rows)
            one = _result(slug, mine, reasons, held, _error(slug, run, state))
            results.append(replace(one, open_failures=sum(state.failed.values()), known=state.seen, left=run.left.get(slug)))
    return results


def _failed(outcomes: Sequence[StageOutcome]) -> bool:
    return any(o.counts.get("failed") or o.counts.get("retried_later") for o in outcomes)


def _result(
    slug: str, outcomes: Sequence[StageOutcome], reasons: tuple[Reason, ...], held: int, error: Mapping[str, str] | None
) -> EndpointResult:
    stages = {o.stage: Counter(o.counts) for o in outcomes}
    sinks = {name: counts for name, counts in stages.items() if name not in {"listing", "files", "documents"}}
    total: Counter[str] = sum(stages.values(), Counter())
    listing = stages.get("listing", Counter())
    return EndpointResult(
        endpoint=slug,
        listed={name: listing[name] for name in _LISTED},
        stored=total["stored"],
        extracted=total["extracted"],
        skipped=total["skipped"],
        failed=total["failed"],
        retried_later=total["retried_later"],
        delivered={name: counts["delivered"] for name, counts in sinks.items()},
        removed={name: counts["removed"] for name, counts in sinks.items()},
        reasons=reasons,
        held=held,
        error=error,
    )


def _error(slug: str, run: LocalRun, state: EndpointStatus) -> Mapping[str, str] | None:
    """What stopped the endpoint; None where nothing did, or only that deletions are held."""
    told = run.errors.get(slug)
    if told is None:
        return None
    # The connector's last error, which another endpoint of it may have set since.
    last = state.last_error or {}
    if last and last["message"] not in told:
        last = {}
    if state.held_deletions and last.get("code") == DeletionsHeld.code:
        return None
    return {"code": last.get("code", "failed"), "message": told.strip().splitlines()[-1], "advice": last.get("advice", "")}
