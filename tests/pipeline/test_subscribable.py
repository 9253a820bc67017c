"""Whether a system tells of changes, tried: nothing stays open, and what is wrong is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector_pipelines.core.errors import Forbidden, Unavailable
from connector_pipelines.pipeline.subscribable import can_subscribe
from connector_pipelines.testing.memory_push import SERVICES, Config, PushService, Source
from connector_pipelines.testing.tools import plain_tools

# Nobody listens there: what is asked for stands nevertheless.
ADDRESS = "http://127.0.0.1:9/webhooks/t"


@pytest.fixture
def service() -> Iterator[PushService]:
    SERVICES["papers"] = PushService()
    yield SERVICES["papers"]
    del SERVICES["papers"]


def source(**settings: object) -> Source:
    return Source(Config.model_validate({"service": "papers", **settings}), plain_tools())


def test_a_subscription_is_opened_and_stopped(service: PushService) -> None:
    told = can_subscribe(source(resources=("all", "more")), ADDRESS)

    assert (told.works, told.detail) == (True, f"A subscription for {ADDRESS} was opened, and stopped.")
    assert [state for _, state, _ in service.calls] == ["greeting"]
    assert service.promises == {}


def test_what_refuses_says_why(service: PushService) -> None:
    service.refuses = Forbidden("not for you", advice="ask Ann")

    told = can_subscribe(source(), ADDRESS)

    assert (told.works, told.detail) == (False, "not for you ask Ann")


def test_one_that_cannot_be_stopped_works_and_says_when_it_ends(service: PushService, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: Source, subscription: object) -> None:
        raise Unavailable("it is away")

    monkeypatch.setattr(Source, "unsubscribe", away)

    told = can_subscribe(source(), ADDRESS)

    (promise,) = service.promises.values()
    assert told.works
    assert told.detail.endswith(f"It could not be stopped (it is away) and ends at {promise.expires_at.isoformat()}.")


@pytest.mark.usefixtures("service")
def test_without_a_public_address_nothing_is_tried() -> None:
    told = can_subscribe(source(), None)

    assert not told.works
    assert "CONNECTORS_PUBLIC_URL" in told.detail


@pytest.mark.usefixtures("service")
def test_where_there_is_nothing_to_hear_of_nothing_is_tried() -> None:
    assert can_subscribe(source(resources=()), ADDRESS).detail == "There is nothing to hear of yet."
