"""Whether a system lets itself be asked to tell of changes: a subscription is opened, and stopped."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.push import Subscribes
from connector_pipelines.core.types import Ability
from connector_pipelines.telemetry import redact, scrub

__all__ = ["can_subscribe"]

_NAME: Final = "tell of changes"
_LIFE: Final = timedelta(minutes=10)


def can_subscribe(source: Subscribes, address: str | None) -> Ability:
    """Try it with the first thing there is to hear of. What is sent to the address meanwhile is refused there, as of a subscription nobody has.

    Args:
        address: Where calls are taken; None where no public address is set.
    """
    if address is None:
        advice = "Set CONNECTORS_PUBLIC_URL to where the gateway is reached from outside."
        return Ability(_NAME, works=False, detail=f"There is no public address, and changes are found as scheduled. {advice}")
    try:
        return Ability(_NAME, works=True, detail=_tried(source, address))
    except ConnectorError as error:
        return Ability(_NAME, works=False, detail=scrub(f"{error} {error.advice}".strip()))


def _tried(source: Subscribes, address: str) -> str:
    resource, life = next(iter(source.resources().items()), (None, _LIFE))
    if resource is None:
        return "There is nothing to hear of yet."
    secret = secrets.token_urlsafe(32)
    redact(secret, passing=True)
    until = datetime.now(UTC) + min(life, _LIFE)
    found = source.subscribe(resource, address=address, subscription_id=str(uuid.uuid4()), secret=SecretStr(secret), until=until)
    opened = f"A subscription for {address} was opened"
    try:
        source.unsubscribe(found)
    except ConnectorError as error:
        return scrub(f"{opened}. It could not be stopped ({error}) and ends at {found.expires_at.isoformat()}.")
    return f"{opened}, and stopped."
