"""What is to be done about an endpoint's subscriptions, by its rows and the time alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.core.push import KnownSubscription, Subscription
from connector_pipelines.pipeline.subscribing import Plan, plan, renew_at, webhook_address
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog import subscriptions as rows_of
from connector_pipelines.store.catalog.configuration import Endpoint, apply, endpoint
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.subscriptions import SubscriptionRow

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
WEEK, HOUR, MINUTE = timedelta(days=7), timedelta(hours=1), timedelta(minutes=1)
HERE = "https://hooks.example.com/webhooks/crm"
WANTED = {"all": WEEK}
OPEN = SubscriptionRow(
    id="1", resource="all", address=HERE, handle="h", state="open", may_exist=True, expires_at=NOW + WEEK, renew_at=NOW + WEEK * 2 / 3,
    created_at=NOW, closed_at=None, calls=0, heard_at=None, last_error=None, failing_since=None, retry_at=None,
)  # fmt: skip
OPENING, FAILED = replace(OPEN, id="2", state="opening"), replace(OPEN, id="3", state="failed", retry_at=NOW + HOUR)


@pytest.mark.parametrize(
    ("rows", "opens"),
    [
        ([], True),
        ([OPEN], False),
        ([replace(OPEN, renew_at=NOW)], True),
        ([replace(OPEN, address="https://elsewhere.example.com/webhooks/crm")], True),
        ([OPENING], False),
        ([replace(OPENING, created_at=NOW - 11 * MINUTE)], True),
        ([FAILED], False),
        ([replace(FAILED, retry_at=NOW)], True),
        ([replace(OPEN, renew_at=NOW), FAILED], False),
        ([replace(OPEN, state="closing")], True),
        ([replace(OPEN, state="closed")], True),
        ([replace(OPEN, resource="other")], True),
    ],
)
def test_one_is_opened_where_none_is_good_or_under_way_or_waits_to_be_tried_again(rows: list[SubscriptionRow], opens: bool) -> None:
    assert plan(rows, WANTED, HERE, NOW).opening == (("all",) if opens else ())


def test_one_that_is_to_be_replaced_is_not_stopped_before() -> None:
    assert plan([replace(OPEN, renew_at=NOW)], WANTED, HERE, NOW) == Plan(opening=("all",))


def test_what_nobody_wants_is_stopped_and_what_was_lost_is_found() -> None:
    assert plan([OPEN, FAILED, OPENING], {}, HERE, NOW) == Plan(closing=("1", "3"))
    assert plan([replace(OPENING, created_at=NOW - 10 * MINUTE)], {}, HERE, NOW).lost == ("2",)


@pytest.mark.parametrize(("life", "left"), [(WEEK, timedelta(hours=56)), (HOUR, 20 * MINUTE), (timedelta(days=3), timedelta(days=1))])
def test_a_third_of_its_life_is_left_to_replace_it_in(life: timedelta, left: timedelta) -> None:
    found = Subscription(id="1", resource="all", handle="h", expires_at=NOW + life)

    assert found.expires_at - renew_at(found, NOW) == left


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    schema.upgrade(SecretStr(database_url))
    found = Database(SecretStr(database_url))
    yield found
    found.close()


@pytest.fixture
def papers(database: Database) -> Endpoint:
    file = {
        "tenants": [{"name": "Grün & Co"}],
        "connectors": [
            {
                "name": "Big Store",
                "tenant": "Grün & Co",
                "kind": "local_folder",
                "endpoints": [{"slug": "papers", "settings": {"root": "x"}}],
            }
        ],
    }
    with database.operator() as tx:
        apply(tx, ConnectorsFile.model_validate(file), actor="test", now=NOW)
        return endpoint(tx, "papers")


def test_the_address_is_the_one_under_which_the_gateway_knows_the_connector(papers: Endpoint) -> None:
    assert (
        webhook_address("https://example.com/in", papers.tenant, papers.connector)
        == "https://example.com/in/webhooks/Gr%C3%BCn%20%26%20Co/Big%20Store"
    )
    assert webhook_address("https://example.com", "default", papers.connector) == "https://example.com/webhooks/Big%20Store"


def test_what_was_planned_is_not_opened_where_another_has_done_so_since(database: Database, papers: Endpoint) -> None:
    def opens(number: int, at: datetime = NOW) -> bool:
        asked = Subscription(id=f"00000000-0000-0000-0000-{number:012}", resource="all", handle=None, expires_at=at + WEEK)
        with database.operator() as tx:
            return rows_of.opening(tx, papers, asked, address=HERE, secret_sha256=b"s" * 32, now=at)

    assert (opens(1), opens(2)) == (True, False)
    with database.operator() as tx:
        one = Subscription(id="00000000-0000-0000-0000-000000000001", resource="all", handle="h", expires_at=NOW + WEEK)
        rows_of.opened(tx, papers, one, renew_at=renew_at(one, NOW), now=NOW)
    assert opens(3, NOW + HOUR) is False
    assert opens(4, NOW + timedelta(days=5)) is True


@pytest.mark.parametrize("given", ["", "a-secre", "a-secret ", "A-SECRET", "ä\udcff"])
def test_a_subscription_knows_its_secret_and_no_other(given: str) -> None:
    from hashlib import sha256

    known = KnownSubscription(id="1", resource="all", handle=None, expires_at=NOW, secret_sha256=sha256(b"a-secret").digest())

    assert known.has_secret("a-secret")
    assert not known.has_secret(given)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("http://hooks.example.com", "no system that calls us takes an address without TLS"),
        ("hooks.example.com", "is not an address of ours"),
        ("https://me:hunter2@hooks.example.com", "is not an address of ours"),
        ("https://hooks.example.com/?a=b", "is not an address of ours"),
    ],
)
def test_a_public_address_that_nobody_would_call_is_refused_and_not_repeated(value: str, fault: str) -> None:
    with pytest.raises(Exception, match=fault) as caught:
        load_settings({"CONNECTORS_PUBLIC_URL": value})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["https://hooks.example.com/", "https://example.com/in/", "http://127.0.0.1:8090", "http://localhost:8090"]
)
def test_a_public_address_is_taken_without_the_slash_at_its_end(value: str) -> None:
    assert load_settings({"CONNECTORS_PUBLIC_URL": value}).public_url == value.rstrip("/")
