"""A call of a webhook: proven, stored once, owed to each endpoint, and answered."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector_pipelines.core.errors import Malformed
from connector_pipelines.gateway.inbox import Inbox
from connector_pipelines.store.catalog.schema import HEAD
from tests.gateway.conftest import SECRET, SIGNED, Gate

BY_TOKEN = {"verify": {"type": "token", "secrets": ["file:secret"]}}


def test_a_genuine_call_is_stored_and_owed_to_every_endpoint_before_it_is_answered(gate: Gate) -> None:
    answer = gate.call(b'{"id": 7}', delivery="d-1")

    (row,) = gate.inbox()
    assert (answer.status_code, answer.text) == (202, "")
    assert (row["delivery_id"], row["payload"], row["done_at"]) == ("d-1", {"id": 7}, None)
    assert gate.owed() == [("papers", row["id"]), ("plans", row["id"])]


def test_a_delivery_that_is_made_again_is_answered_alike_and_stored_once(gate: Gate) -> None:
    answers = [gate.call(b'{"id": 7}', delivery="d-1").status_code for _ in range(3)]

    assert answers == [202, 202, 202]
    assert [row["delivery_id"] for row in gate.inbox()] == ["d-1"]


def test_hundreds_at_once_are_each_stored_and_one_that_is_forged_among_them_is_not(gate: Gate) -> None:
    def one(number: int) -> int:
        secret = "another" if number == 150 else SECRET
        return gate.call(json.dumps({"id": number}).encode(), delivery=str(number), secret=secret).status_code

    with ThreadPoolExecutor(24) as threads:
        answers = list(threads.map(one, range(300)))

    assert [number for number, status in enumerate(answers) if status != 202] == [150]
    assert {row["payload"]["id"] for row in gate.inbox()} == set(range(300)) - {150}


def test_what_two_calls_without_a_name_say_alike_may_mean_two_changes_so_it_is_owed_again(gate: Gate) -> None:
    gate.configure({"verify": SIGNED["verify"]})
    gate.call(b'{"id": 7}')
    gate.call(b'{"id": 7}')

    assert [row["told"] for row in gate.inbox()] == [2]


def test_a_delivery_goes_by_a_name_in_its_payload_too(gate: Gate) -> None:
    gate.configure({"verify": SIGNED["verify"], "delivery_id": {"path": "event.id"}})
    gate.call(b'{"event": {"id": 17, "try": 1}}')
    gate.call(b'{"event": {"id": 17, "try": 2}}')
    gate.call(b'{"event": {"id": {"no": "name"}}}')
    gate.call(b"[1, 2]")

    names = [row["delivery_id"] for row in gate.inbox()]
    assert names[0] == "17"
    assert [name.startswith("body:") for name in names[1:]] == [True, True]


@pytest.mark.parametrize(
    ("content_type", "body", "payload"),
    [
        ("application/json; charset=utf-8", '{"a": "ä"}'.encode(), {"a": "ä"}),
        ("application/vnd.api+json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("", b"17", 17),
        ("text/plain", b'{"sent": "as text"}', {"sent": "as text"}),
        ("application/xml", b"<changed id='7'/>", "<changed id='7'/>"),
        ("application/x-www-form-urlencoded", b"id=7&tag=a&tag=b&empty=", {"id": "7", "tag": ["a", "b"], "empty": ""}),
        ("application/json", b"", None),
        ("application/json", b'{"nul": "a\\u0000b", "half": "\\ud800"}', {"nul": "ab", "half": "?"}),
        ("application/json", b'{"large": 1e999}', {"large": None}),
    ],
)
def test_what_a_call_says_is_kept_as_json(gate: Gate, content_type: str, body: bytes, payload: object) -> None:
    answer = gate.call(body, delivery="d", content_type=content_type)

    assert (answer.status_code, [row["payload"] for row in gate.inbox()]) == (202, [payload])


@pytest.mark.parametrize("path", ["/webhooks/erp", "/webhooks/another/crm", "/webhooks/papers", "/webhooks/%00", "/webhooks/a/b/c", "/"])
def test_a_webhook_nobody_has_is_not_found(gate: Gate, path: str) -> None:
    assert gate.call(path=path).status_code == 404
    assert gate.inbox() == []


def test_a_connector_without_a_webhook_is_not_told_from_one_that_does_not_exist(gate: Gate) -> None:
    gate.configure(None)
    without, unknown = gate.call(), gate.call(path="/webhooks/unknown")

    assert (without.status_code, without.content) == (unknown.status_code, unknown.content) == (404, b"there is no such webhook\n")


def test_a_connector_that_was_added_is_found_within_a_second_and_one_that_changed_within_five(gate: Gate) -> None:
    before = gate.call(path="/webhooks/erp").status_code
    gate.configure(name="erp")
    added = gate.call(path="/webhooks/erp").status_code
    gate.configure(None, name="erp")

    assert (before, added, gate.call(path="/webhooks/erp").status_code) == (404, 202, 404)


def test_a_connector_of_another_tenant_has_the_tenant_in_its_address_and_its_rows_are_the_tenants(gate: Gate) -> None:
    gate.configure(name="Großes Lager", tenant="acme", slugs=("stock",))
    assert gate.call(path="/webhooks/acme/Gro%C3%9Fes%20Lager", delivery="d").status_code == 202

    tenants = gate.rows("SELECT t.name FROM webhook_inbox i JOIN tenants t ON t.id = i.tenant_id")
    assert tenants == [{"name": "acme"}]


def test_other_methods_are_refused_with_the_one_that_is_right(gate: Gate) -> None:
    answers = [gate.client.request(method, "/webhooks/crm") for method in ("GET", "PUT", "DELETE")]

    assert [answer.status_code for answer in answers] == [405, 405, 405]
    assert answers[0].headers["Allow"] == "POST"


def test_a_secret_that_was_replaced_is_picked_up_with_a_call_that_is_signed_with_it(gate: Gate) -> None:
    first = gate.call(delivery="1").status_code
    (gate.folder / "secret").write_text("the-next-secret")
    at_once = gate.call(delivery="2", secret="the-next-secret").status_code
    gate.clock.forward(seconds=31)

    assert (first, at_once) == (202, 401)
    assert gate.call(delivery="2", secret="the-next-secret").status_code == 202
    assert gate.call(delivery="3").status_code == 401


def test_while_a_secret_is_replaced_both_are_right_and_one_that_is_not_there_yet_is_no_obstacle(gate: Gate) -> None:
    gate.configure({"verify": {**SIGNED["verify"], "secrets": ["file:secret", "file:next"]}})
    assert gate.call().status_code == 202
    (gate.folder / "next").write_text("the-next-secret")
    gate.clock.forward(seconds=31)

    assert gate.call(secret="the-next-secret").status_code == 202
    assert gate.call().status_code == 202


def test_without_the_secret_nothing_is_refused_and_the_call_is_to_be_made_again(gate: Gate) -> None:
    (gate.folder / "secret").unlink()

    answer = gate.call()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert gate.refused() == {}


def test_while_the_database_is_away_a_call_is_to_be_made_again_and_readiness_says_so(gate: Gate) -> None:
    assert gate.call(delivery="before").status_code == 202
    with gate.way.cut_off():
        gate.clock.forward(seconds=6)
        away = gate.call(delivery="while")
        ready = gate.client.get("/readyz").status_code, gate.client.get("/healthz").status_code
    gate.clock.forward(seconds=6)
    back = gate.call(delivery="while").status_code

    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
    assert ready == (503, 200)
    assert (back, [row["delivery_id"] for row in gate.inbox()]) == (202, ["before", "while"])
    assert gate.client.get("/readyz").status_code == 200


def test_a_token_is_taken_from_where_it_is_said_to_be(gate: Gate) -> None:
    places = {
        "header": ("/webhooks/crm", {"X-Webhook-Token": SECRET}),
        "bearer": ("/webhooks/crm", {"Authorization": f"bearer {SECRET}"}),
        "query": (f"/webhooks/crm?X-Webhook-Token={SECRET}", {}),
    }
    answers = {}
    for place, (path, headers) in places.items():
        gate.configure({"verify": {**BY_TOKEN["verify"], "place": place}}, name=place)
        right = path.replace("crm", place)
        assert gate.client.post(right, headers=headers).status_code == 202
        wrong = {name: value + "x" for name, value in headers.items()}
        answers[place] = (
            gate.client.post(right + ("x" if place == "query" else ""), headers=wrong).text,
            gate.client.post(right.partition("?")[0]).text,
        )

    assert answers == dict.fromkeys(places, ("refused: forged\n", "refused: unsigned\n"))


def test_readiness_needs_the_schema_of_this_version(gate: Gate) -> None:
    assert gate.client.get("/readyz").text == "ok\n"
    with gate.services.database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        gate.clock.forward(seconds=2)
        assert gate.client.get("/readyz").text == f"the database has schema 0001, this version needs {HEAD}\n"
        connection.execute("UPDATE alembic_version SET version_num = %s", [HEAD])


def test_calls_that_wait_when_the_gateway_is_told_to_end_are_stored() -> None:
    stored: list[object] = []

    async def ended() -> None:
        inbox = Inbox(stored.extend)
        running = asyncio.create_task(inbox.run())
        puts = [asyncio.create_task(inbox.put((number,))) for number in range(1200)]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(*puts)

    asyncio.run(ended())

    assert sorted(stored) == list(range(1200))


def test_one_call_the_database_will_not_have_does_not_take_the_others_along() -> None:
    stored: list[object] = []

    def store(calls: list[object]) -> None:
        if 7 in calls:
            raise ValueError("not this one")
        stored.extend(calls)

    async def put() -> list[object]:
        inbox = Inbox(store)  # type: ignore[arg-type]
        puts = [asyncio.create_task(inbox.put((number,))) for number in range(20)]  # type: ignore[arg-type]
        running = asyncio.create_task(inbox.run())
        answers = await asyncio.gather(*puts, return_exceptions=True)
        running.cancel()
        return list(answers)

    answers = asyncio.run(put())

    assert [number for number, answer in enumerate(answers) if isinstance(answer, Malformed)] == [7]
    assert sorted(stored) == [number for number in range(20) if number != 7]
