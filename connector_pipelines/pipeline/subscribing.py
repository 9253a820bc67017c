"""How an endpoint's subscriptions are kept: opened, replaced before they end, stopped when nobody wants them any more.

They are a shortcut, never the truth: whatever goes wrong here is told in `connectors status` and fails no sync.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError, RateLimited, TransientError, Unauthenticated
from connector_pipelines.core.push import Subscribes, Subscription
from connector_pipelines.pipeline.session import Services, open_source
from connector_pipelines.store.catalog import subscriptions as rows_of
from connector_pipelines.store.catalog.configuration import Endpoint, endpoint
from connector_pipelines.store.catalog.subscriptions import LOST_AFTER, Fault, SubscriptionRow
from connector_pipelines.telemetry import get_logger, redact, scrub

__all__ = ["Kept", "Plan", "keep_subscribed", "plan", "renew_at", "stop_subscriptions", "webhook_address"]

LOOK_EVERY = timedelta(hours=1)
"""How often a source is asked what there is to hear of, where nothing says that it is another now."""

REFUSED_EVERY = timedelta(minutes=30)
"""And where it could not say, or did not know us."""

STOP_AGAIN_AT_MOST = timedelta(hours=1)
AT_ONCE = 8
"""Subscriptions opened or stopped at the same time, for one endpoint."""

SHARE_LEFT = 3
"""One is replaced when this part of its life is left."""

TRIES = 24
"""In the part that is left, it is tried at least so often; and as often as the schedule looks, while it began to fail only now."""

_INTERRUPTED = {"code": "interrupted", "class": "transient", "message": "whoever opened it ended before there was an answer", "advice": ""}

T = TypeVar("T")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was done at an endpoint, and what is so now.

    Attributes:
        wanted: Resources to hear of; None where the source could not say, or is not to be asked just now.
        open: Resources that have an open subscription.
        failing: Resources that could not be subscribed to.
        error: Why the source could not say, or why the first that fails does.
    """

    slug: str
    wanted: int | None
    open: int = 0
    opened: int = 0
    stopped: int = 0
    failing: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: resources to subscribe to, ids that are to be stopped, ids of which nobody knows how they went."""

    opening: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def webhook_address(public_url: str, tenant: str, connector: str) -> str:
    """Where calls for the connector are taken."""
    names = (connector,) if tenant == "default" else (tenant, connector)
    return "/".join([f"{public_url}/webhooks", *(quote(name, safe="") for name in names)])


def plan(rows: Sequence[SubscriptionRow], wanted: Mapping[str, timedelta], address: str, now: datetime) -> Plan:
    """What is lacking, what soon ends, and what nobody wants.

    One that is to be replaced is not among those to be stopped: it goes when the new one is there.
    """
    lost = tuple(row.id for row in rows if row.state == "opening" and now - row.created_at >= LOST_AFTER)
    unwanted = tuple(row.id for row in rows if row.state in {"open", "failed"} and row.resource not in wanted)
    return Plan(tuple(each for each in wanted if _is_lacking(rows, each, address, now)), unwanted, lost)


def renew_at(found: Subscription, now: datetime) -> datetime:
    """When another is to take the place of one that was opened `now`."""
    return found.expires_at - (found.expires_at - now) / SHARE_LEFT


def keep_subscribed(
    services: Services, slug: str, *, stop: threading.Event | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Kept:
    """Do what is to be done at the endpoint, put aside or not. May be stopped anywhere and run again, and by several at once.

    Raises:
        ConfigurationError: There is no such endpoint.
        Unavailable: The database is away.
    """
    services = services.acting_for("subscriptions")
    with services.database.operator() as tx:
        found = endpoint(tx, slug, even_removed=True)
        rows_of.forget(tx, found.id, clock())
        wants = rows_of.wanting(tx, found.id) and services.settings.public_url is not None
    if not wants and found.status == "error":
        # It waits for a person, and so does what it has.
        return Kept(slug=slug, wanted=None)
    try:
        source = open_source(found, services, stop)
    except ConnectorError as error:
        return _cannot_say(services, found, error, clock())
    try:
        return (
            _kept(_Work(services, found, source, stop or threading.Event(), clock), wants=wants)
            if isinstance(source, Subscribes)
            else _unable(found)
        )
    finally:
        source.close()


def stop_subscriptions(services: Services, slug: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Kept:
    """Stop all the endpoint has. They are opened again when it is next looked at, unless it is paused or its connector has no webhook."""
    services = services.acting_for("subscriptions")
    with services.database.operator() as tx:
        found = endpoint(tx, slug, even_removed=True)
        theirs = rows_of.of_endpoint(tx, found.id)
    if not any(row.state in {"opening", "open", "closing", "failed"} for row in theirs):
        return Kept(slug=slug, wanted=None)
    source = open_source(found, services)
    try:
        return (
            _kept(_Work(services, found, source, threading.Event(), clock), wants=False)
            if isinstance(source, Subscribes)
            else _unable(found)
        )
    finally:
        source.close()


@dataclass(frozen=True, slots=True)
class _Work:
    services: Services
    endpoint: Endpoint
    source: Subscribes
    stop: threading.Event
    clock: Callable[[], datetime]
    refused: threading.Event = field(default_factory=threading.Event)

    def rows(self) -> list[SubscriptionRow]:
        with self.services.database.operator() as tx:
            return rows_of.of_endpoint(tx, self.endpoint.id)


def _kept(work: _Work, *, wants: bool) -> Kept:
    wanted: Mapping[str, timedelta] = {}
    try:
        wanted = work.source.resources() if wants else {}
    except ConnectorError as error:
        told = _cannot_say(work.services, work.endpoint, error, work.clock())
        _stop_closing(work)
        return told
    address = webhook_address(work.services.settings.public_url or "", work.endpoint.tenant, work.endpoint.connector)
    before = work.rows()
    planned = plan(before, wanted, address, work.clock())
    with work.services.database.operator() as tx:
        for lost in planned.lost:
            rows_of.failed(tx, lost, Fault(error=_INTERRUPTED, since=work.clock(), retry_at=work.clock()), may_exist=True)
        rows_of.close_later(tx, planned.closing)
    opened = _each(work, lambda resource: _open(work, resource, wanted[resource], address, before), planned.opening)
    stopped = _stop_closing(work)
    # What was left out because somebody was refused has no row that says so.
    every = REFUSED_EVERY if work.refused.is_set() else LOOK_EVERY
    with work.services.database.operator() as tx:
        rows_of.look_again(tx, work.endpoint.id, work.clock() + every if wants else None, None)
    return _told(work, wanted, address, opened, stopped)


def _open(work: _Work, resource: str, life: timedelta, address: str, before: Sequence[SubscriptionRow]) -> bool:
    now, secret = work.clock(), secrets.token_urlsafe(32)
    redact(secret, passing=True)
    asked = Subscription(id=str(uuid.uuid4()), resource=resource, handle=None, expires_at=now + life)
    digest = hashlib.sha256(secret.encode()).digest()
    with work.services.database.operator() as tx:
        if not rows_of.opening(tx, work.endpoint, asked, address=address, secret_sha256=digest, now=now):
            return False
    try:
        found = work.source.subscribe(resource, address=address, subscription_id=asked.id, secret=SecretStr(secret), until=asked.expires_at)
    except ConnectorError as error:
        _not_opened(work, asked, error, _since(before, resource, now), life)
        return False
    with work.services.database.operator() as tx:
        gap = rows_of.opened(tx, work.endpoint, found, renew_at=renew_at(found, now), now=work.clock())
    _log.info("subscription_opened", endpoint=work.endpoint.slug, resource=resource, expires_at=found.expires_at.isoformat(), gap=gap)
    return True


def _not_opened(work: _Work, asked: Subscription, error: ConnectorError, since: datetime, life: timedelta) -> None:
    now = work.clock()
    again_at = now + min(now - since, life / SHARE_LEFT / TRIES)
    if isinstance(error, TransientError) and error.retry_after_s is not None:
        again_at = max(again_at, now + timedelta(seconds=error.retry_after_s))
    if isinstance(error, Unauthenticated):
        # The others would be refused as well, and guessing may lock an account.
        work.refused.set()
    may_exist = isinstance(error, TransientError) and not isinstance(error, RateLimited)
    with work.services.database.operator() as tx:
        rows_of.failed(tx, asked.id, Fault(error=_scrubbed(error), since=since, retry_at=again_at), may_exist=may_exist)
    _log.warning("subscription_refused", endpoint=work.endpoint.slug, resource=asked.resource, code=error.code, reason=str(error))


def _stop_closing(work: _Work) -> int:
    now = work.clock()
    waiting = [
        row
        for row in work.rows()
        if row.state == "closing" and row.handle is not None and row.expires_at > now and (row.retry_at is None or row.retry_at <= now)
    ]
    return _each(work, lambda row: _stop(work, row), waiting)


def _stop(work: _Work, row: SubscriptionRow) -> bool:
    try:
        work.source.unsubscribe(row.subscription)
    except ConnectorError as error:
        now = work.clock()
        since = row.failing_since or now
        fault = Fault(error=_scrubbed(error), since=since, retry_at=now + min(now - since, STOP_AGAIN_AT_MOST))
        if isinstance(error, Unauthenticated):
            work.refused.set()
        with work.services.database.operator() as tx:
            rows_of.not_closed(tx, row.id, fault)
        return False
    with work.services.database.operator() as tx:
        rows_of.closed(tx, row.id, work.clock())
    return True


def _each(work: _Work, act: Callable[[T], bool], items: Sequence[T]) -> int:
    """How many of them it did. None is begun any more once the run is to end, or the other side does not know us."""

    def one(item: T) -> bool:
        return not work.stop.is_set() and not work.refused.is_set() and act(item)

    if not items:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(items)), "subscribing") as threads:
        try:
            return sum(threads.map(one, items))
        except BaseException:
            work.stop.set()
            raise


def _is_lacking(rows: Sequence[SubscriptionRow], resource: str, address: str, now: datetime) -> bool:
    mine = [row for row in rows if row.resource == resource]
    if any(row.state == "open" and row.address == address and row.renew_at > now for row in mine):
        return False
    under_way = any(row.state == "opening" and now - row.created_at < LOST_AFTER for row in mine)
    waits = any(row.state == "failed" and row.retry_at is not None and row.retry_at > now for row in mine)
    return not under_way and not waits


def _since(before: Sequence[SubscriptionRow], resource: str, now: datetime) -> datetime:
    since = [row.failing_since for row in before if row.resource == resource and row.state == "failed" and row.failing_since is not None]
    return min(since, default=now)


def _cannot_say(services: Services, found: Endpoint, error: ConnectorError, now: datetime) -> Kept:
    with services.database.operator() as tx:
        rows_of.look_again(tx, found.id, now + REFUSED_EVERY, _scrubbed(error))
    _log.warning("subscriptions_unknown", endpoint=found.slug, code=error.code, reason=str(error))
    return Kept(slug=found.slug, wanted=None, error=scrub(str(error)))


def _unable(found: Endpoint) -> Kept:
    return Kept(slug=found.slug, wanted=None, error=f"{found.kind} cannot be asked for calls")


def _told(work: _Work, wanted: Mapping[str, timedelta], address: str, opened: int, stopped: int) -> Kept:
    rows, now = work.rows(), work.clock()
    failing = [row for row in rows if row.state == "failed"]
    good = sum(row.state == "open" and row.address == address and row.expires_at > now for row in rows)
    error = next((str(row.last_error["message"]) for row in failing if row.last_error), "")
    return Kept(slug=work.endpoint.slug, wanted=len(wanted), open=good, opened=opened, stopped=stopped, failing=len(failing), error=error)


def _scrubbed(error: ConnectorError) -> dict[str, str]:
    return {name: scrub(text) for name, text in error.as_json().items()}
