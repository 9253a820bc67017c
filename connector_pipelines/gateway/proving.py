"""Who proves a call: our own checks with the connector's secrets, or its kind. And what it says then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from connector_pipelines.core.errors import ConfigurationError, Forbidden, Malformed
from connector_pipelines.core.protocols import AcceptsWebhooks, Heard, WebhookAnswer, WebhookRequest
from connector_pipelines.core.webhooks import BySource, ByToken, HmacSignature
from connector_pipelines.gateway.calls import Call, Refusal
from connector_pipelines.gateway.payloads import check_depth, delivery_id_of, payload_of
from connector_pipelines.gateway.renewed import Renewed
from connector_pipelines.gateway.subscribed import Subscribed
from connector_pipelines.gateway.verifying import MOST_PARAMETERS, check_signature, check_token, key_of
from connector_pipelines.store.catalog.inbox import Arrived, Receiver
from connector_pipelines.store.secrets import Secrets

__all__ = ["Proven", "Prover"]

KEPT_S = 60.0
DOUBT_S = 30.0
"""A secret that a call does not match is fetched anew, at most this often: it may have been replaced."""

GRACE_S = 3600.0
"""As old as that, a secret is used whose keeper does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A genuine call: what it tells us, by which subscriptions it came, and what its sender waits to be answered."""

    arrived: tuple[Arrived, ...]
    answer: str = field(default="")
    heard: tuple[Heard, ...] = ()


class Prover:
    """Secrets and sources are kept for a minute, so that a call asks nobody.

    Args:
        secrets: What calls are proven with.
        accepting: Opens the source of a connector whose kind proves calls by itself; may block. It is not closed: `accept` connects to nothing.
        subscribed: The subscriptions that calls may come by.
        clock: Now, aware, UTC: what times that are signed are held against.
        now: Seconds, for how old something is that is kept.
    """

    def __init__(
        self,
        secrets: Secrets,
        accepting: Callable[[Receiver, bool], AcceptsWebhooks],
        subscribed: Subscribed,
        clock: Callable[[], datetime],
        now: Callable[[], float],
    ) -> None:
        self._secrets, self._clock, self._subscribed = secrets, clock, subscribed
        self._keys: Renewed[HmacSignature | ByToken, tuple[bytes, ...]] = Renewed(
            self._resolve, lifetime_s=KEPT_S, doubt_s=DOUBT_S, now=now, grace_s=GRACE_S
        )
        self._sources: Renewed[Receiver, AcceptsWebhooks] = Renewed(accepting, lifetime_s=KEPT_S, doubt_s=DOUBT_S, now=now)

    async def prove(self, receiver: Receiver, call: Call) -> Proven:
        """What a genuine call says.

        Raises:
            Refusal: It is not genuine, or cannot be read.
            ConnectorError: A secret cannot be had, or the source not be opened.
        """
        verify = receiver.settings.verify
        if isinstance(verify, BySource):
            return await self._by_source(receiver, call)
        try:
            timestamp = self._checked(verify, await self._keys.get(verify), call)
        except Refusal as refusal:
            if refusal.reason != "forged":
                raise
            timestamp = self._checked(verify, await self._keys.doubt(verify), call)
        payload = payload_of(call.header("content-type") or "", call.body)
        name, named = delivery_id_of(receiver.settings.delivery_id, call, payload, timestamp)
        return Proven(arrived=(self._arrived(receiver, name, payload, named=named),))

    def _checked(self, verify: HmacSignature | ByToken, keys: tuple[bytes, ...], call: Call) -> str | None:
        if isinstance(verify, HmacSignature):
            return check_signature(verify, keys, call, self._clock())
        check_token(verify, keys, call)
        return None

    async def _by_source(self, receiver: Receiver, call: Call) -> Proven:
        request = _request(call)
        try:
            try:
                await self._subscribed.refresh()
                answer = await _accepted(await self._sources.get(receiver), request)
            except Forbidden:
                # The first call of a subscription may be here before the answer to whoever asked for it.
                await self._subscribed.look_again()
                answer = await _accepted(await self._sources.doubt(receiver), request)
        except Forbidden as error:
            raise Refusal("forged") from error
        except Malformed as error:
            raise Refusal("malformed") from error
        for _, payload in answer.notifications:
            check_depth(payload)
        told_by = {name: one.subscription_id for one in answer.heard for name in one.delivery_ids}
        arrived = tuple(
            self._arrived(receiver, name, payload, named=True, subscription_id=told_by.get(name)) for name, payload in answer.notifications
        )
        return Proven(arrived=arrived, answer=answer.body, heard=answer.heard)

    def _arrived(self, receiver: Receiver, name: str, payload: Any, *, named: bool, subscription_id: str | None = None) -> Arrived:
        return Arrived(
            tenant_id=receiver.tenant_id,
            connector_id=receiver.connector_id,
            delivery_id=name,
            payload=payload,
            received_at=self._clock(),
            named=named,
            subscription_id=subscription_id,
        )

    def _resolve(self, verify: HmacSignature | ByToken, doubted: bool) -> tuple[bytes, ...]:
        """What can be had of the secrets; one that was removed after it was replaced is no reason to refuse the other's calls."""
        keys, fault = [], None
        for reference in verify.secrets:
            if doubted:
                self._secrets.forget(reference)
            try:
                secret = self._secrets.resolve(reference).get_secret_value()
                keys.append(key_of(verify, secret) if isinstance(verify, HmacSignature) else secret.encode())
            except ConfigurationError as error:
                fault = error
        if not keys and fault is not None:
            raise fault
        return tuple(keys)


async def _accepted(source: AcceptsWebhooks, request: WebhookRequest) -> WebhookAnswer:
    # In a thread: a plugin that takes its time is not to hold up every other call.
    return await asyncio.to_thread(source.accept, request)


def _request(call: Call) -> WebhookRequest:
    headers: dict[str, str] = {}
    for name, value in call.headers:
        # RFC 9110, 5.3: several of a name are one, in order, with commas between.
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    try:
        query = dict(parse_qsl(call.query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS))
    except ValueError as error:
        raise Refusal("malformed") from error
    return WebhookRequest(method=call.method, headers=headers, query=query, body=call.body)
