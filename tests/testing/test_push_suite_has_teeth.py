"""A source that can be told of changes, and is wrong in one way, is caught by the test that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from connector_pipelines.core.errors import Forbidden
from connector_pipelines.core.protocols import KnownSubscription, Subscription, WebhookAnswer, WebhookRequest
from connector_pipelines.testing._source_push import receiving
from connector_pipelines.testing.memory_push import SERVICES, Config, PushService, Source
from connector_pipelines.testing.source_suite import Remembered, SubscribesContract, plain_tools
from tests.testing.faults import CAUGHT, run

BELIEVED = "test_a_call_is_believed_by_the_secret_and_the_handle_of_its_subscription_only"
NAMED = "test_what_it_wants_to_hear_of_has_the_same_names_each_time"
ASKED_FOR = "test_a_subscription_is_the_one_asked_for_and_ends_when_it_says"


class Lax:
    """Subscriptions as somebody sees them who looks at one thing less."""

    def __init__(self, inner: Any, **not_looked_at: object) -> None:
        self._inner, self._not_looked_at = inner, not_looked_at

    def find(self, subscription_id: str) -> KnownSubscription | None:
        found = self._inner.find(subscription_id)
        return found and replace(found, **self._not_looked_at)


class BelievesAnybody(Source):
    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        import hashlib

        given = hashlib.sha256(request.headers.get("x-memory-secret", "").encode()).digest()
        self._subscriptions = Lax(self._subscriptions, secret_sha256=given)
        return super().accept(request)


class BelievesAnyHandle(Source):
    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        self._subscriptions = Lax(self._subscriptions, handle=None)
        return super().accept(request)


class KnowsNobodyBeforeTheAnswer(Source):
    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        known = self._subscriptions.find(request.headers.get("x-memory-id", ""))
        if known is None or known.handle is None:
            raise Forbidden("not open yet")
        return super().accept(request)


class NamesResourcesAnew(Source):
    _number = count()

    def resources(self) -> Mapping[str, timedelta]:
        return {f"{name}-{next(self._number)}": life for name, life in super().resources().items()}


class WantsNothing(Source):
    def resources(self) -> Mapping[str, timedelta]:
        return {}


class TakesAnIdOfItsOwn(Source):
    def subscribe(self, resource: str, **asked: Any) -> Subscription:
        return replace(super().subscribe(resource, **asked), id="mine")


class SaysItNeverEnds(Source):
    def subscribe(self, resource: str, **asked: Any) -> Subscription:
        found = super().subscribe(resource, **asked)
        return replace(found, expires_at=found.expires_at + timedelta(days=365))


class NewDeliveryEachTime(Source):
    _number = count()

    def accept(self, request: WebhookRequest) -> WebhookAnswer:
        answer, number = super().accept(request), next(self._number)
        heard = tuple(replace(one, delivery_ids=tuple(f"{name}-{number}" for name in one.delivery_ids)) for one in answer.heard)
        return replace(answer, notifications=tuple((f"{name}-{number}", told) for name, told in answer.notifications), heard=heard)


class GoesOnCalling(Source):
    def unsubscribe(self, subscription: Subscription) -> None:
        pass


FAULTS: dict[type[Source], str] = {
    BelievesAnybody: BELIEVED,
    BelievesAnyHandle: BELIEVED,
    KnowsNobodyBeforeTheAnswer: "test_a_change_is_told_by_its_subscription",
    NamesResourcesAnew: NAMED,
    WantsNothing: NAMED,
    TakesAnIdOfItsOwn: ASKED_FOR,
    SaysItNeverEnds: ASKED_FOR,
    NewDeliveryEachTime: "test_a_call_that_is_made_again_is_the_same_delivery",
    GoesOnCalling: "test_who_let_it_go_is_told_nothing_more_and_may_say_so_twice",
}


def tried(kind: type[Source], test: str) -> None:
    world, remembered = PushService(), Remembered()
    SERVICES["teeth"] = world
    source = kind(Config(service="teeth"), replace(plain_tools(), subscriptions=remembered))
    with receiving(source) as receiver:
        run(SubscribesContract, test, lambda: {"world": world, "source": source, "receiver": receiver, "remembered": remembered})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_source_that_is_wrong_is_caught(fault: type[Source]) -> None:
    with pytest.raises(CAUGHT):
        tried(fault, FAULTS[fault])


@pytest.mark.parametrize("test", sorted(set(FAULTS.values())))
def test_one_that_is_right_is_not(test: str) -> None:
    tried(Source, test)
