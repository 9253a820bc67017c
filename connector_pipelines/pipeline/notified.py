"""Notifications an endpoint is owed: followed where its source can, and answered for once what they led to is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from connector_pipelines.core.protocols import FollowsNotifications
from connector_pipelines.core.types import ChangePage
from connector_pipelines.pipeline.session import Session
from connector_pipelines.store.catalog.inbox import Owed, answer, notifications, owed

__all__ = ["answer_for", "follow", "owed_now"]

FOLLOWED_AT_ONCE = 500


def owed_now(session: Session) -> list[Owed]:
    """What the endpoint is owed before its source is looked at: that look answers for these, and for no later one."""
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        return owed(tx, session.endpoint.id)


def follow(session: Session, waiting: Sequence[Owed], record: Callable[[ChangePage], None]) -> list[Owed]:
    """Record what they are about, and only that; those that are left for the feed, where the source cannot tell what they name."""
    source, left = session.source, list(waiting)
    while left and isinstance(source, FollowsNotifications):
        with session.database.tenant(session.endpoint.tenant_id) as tx:
            found = notifications(tx, left, FOLLOWED_AT_ONCE)
        pages = source.follow(list(found.values())) if found else None
        if pages is None:
            break
        for page in pages:
            # What was named is no place in the feed.
            record(replace(page, cursor=None))
        answer_for(session, [one for one in left if one.inbox_id in found])
        left = [one for one in left if one.inbox_id not in found]
    return left


def answer_for(session: Session, answered: Sequence[Owed]) -> None:
    """They led to what is recorded. Killed before this, the next sync does it again."""
    with session.database.tenant(session.endpoint.tenant_id) as tx:
        answer(tx, session.endpoint.id, answered, session.clock())
