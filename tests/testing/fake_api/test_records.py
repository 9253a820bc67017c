"""What is edited in the company, as the API then shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connector_pipelines.testing.fake_api import AllInOne, FakeApi, Filter, StreamShape, Tombstone
from connector_pipelines.testing.fake_api.clock import START_AT
from connector_pipelines.testing.fake_api.stamps import Timestamps


def test_a_record_has_its_fields_its_id_and_when_it_was_changed(api: FakeApi, http: httpx.Client) -> None:
    add(api)

    api.company.put("people", {"name": "Ada", "boss": None})

    assert listed(http) == [{"name": "Ada", "boss": None, "id": 1, "updated_at": "2026-03-02T08:00:01Z"}]


def test_an_edit_replaces_the_fields_and_stamps_the_record_and_a_touch_stamps_it_only(api: FakeApi, http: httpx.Client) -> None:
    add(api, created_field="made_at")
    record = api.company.put("people", {"name": "Ada"})

    api.company.put("people", {"name": "Ada Abate"}, id=record)
    edited = listed(http)[0]
    api.company.touch("people", record)

    assert edited == {"name": "Ada Abate", "id": 1, "updated_at": "2026-03-02T08:00:02Z", "made_at": "2026-03-02T08:00:01Z"}
    assert listed(http)[0] == edited | {"updated_at": "2026-03-02T08:00:03Z"}


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        ("iso", "2026-03-02T08:00:01Z"),
        ("iso_millis", "2026-03-02T08:00:01.000Z"),
        ("iso_offset", "2026-03-02T13:30:01+05:30"),
        ("naive", "2026-03-02T08:00:01"),
        ("date", "2026-03-02"),
        ("epoch_s", 1772438401),
        ("epoch_ms", 1772438401000),
    ],
)
def test_instants_are_written_as_the_shape_says_and_read_in_filters(
    api: FakeApi, http: httpx.Client, style: Timestamps, shown: str | int
) -> None:
    add(api, timestamps=style)
    api.company.put_many("people", [{"n": 1}, {"n": 2}])

    assert listed(http)[0]["updated_at"] == shown
    assert {"n": 1} not in [{"n": r["n"]} for r in listed(http, updated_since=listed(http)[1]["updated_at"])] or style == "date"


def test_envelopes_and_nested_fields_are_put_together(api: FakeApi, http: httpx.Client) -> None:
    add(
        api,
        ids="text",
        fields_under="attributes",
        cursor_field="attributes.lastModifiedTime",
        constants={"type": "people", "links": {"self": None}},
        select_one="data",
    )
    api.company.put("people", {"name": "Ada"}, id="urn:ada")

    shown = {
        "type": "people",
        "links": {"self": None},
        "id": "urn:ada",
        "attributes": {"name": "Ada", "lastModifiedTime": "2026-03-02T08:00:01Z"},
    }
    assert listed(http) == [shown]
    assert http.get("/people/urn:ada").json() == {"data": shown}


@pytest.mark.parametrize(("inclusive", "found"), [(True, [2, 3]), (False, [3])])
def test_a_filter_has_or_leaves_out_its_own_instant(api: FakeApi, http: httpx.Client, *, inclusive: bool, found: list[int]) -> None:
    add(api, filter=Filter(inclusive=inclusive))
    api.company.put_many("people", [{}, {}, {}])

    since = listed(http, updated_since="2026-03-02T08:00:02Z")
    until = listed(http, updated_until="2026-03-02T08:00:02Z")

    assert [record["id"] for record in since] == found
    assert [record["id"] for record in until] == ([1, 2] if inclusive else [1])


def test_a_clock_that_stands_makes_ties_and_a_record_may_go_back_in_time(api: FakeApi, http: httpx.Client) -> None:
    add(api, order="cursor")
    api.company.clock.step(timedelta())
    api.company.put_many("people", [{}, {}])

    api.company.put("people", {}, id="2", updated_at=START_AT - timedelta(days=1))

    assert [(r["id"], r["updated_at"]) for r in listed(http)] == [(2, "2026-03-01T08:00:00Z"), (1, "2026-03-02T08:00:00Z")]


def test_the_newest_may_come_first(api: FakeApi, http: httpx.Client) -> None:
    add(api, order="cursor", descending=True)
    api.company.put_many("people", [{}, {}, {}])
    api.company.touch("people", "1")

    assert [record["id"] for record in listed(http)] == [1, 3, 2]


def test_what_is_deleted_is_hidden_and_one_that_was_put_back_is_there(api: FakeApi, http: httpx.Client) -> None:
    add(api)
    api.company.put_many("people", [{}, {}])

    api.company.delete("people", "1")
    hidden = [record["id"] for record in listed(http)], http.get("/people/1").status_code
    api.company.restore("people", "1")

    assert hidden == ([2], 404)
    assert [record["id"] for record in listed(http)] == [1, 2]


def test_a_tombstone_is_shown_with_its_mark(api: FakeApi, http: httpx.Client) -> None:
    add(api, tombstone=Tombstone(shown="shown", field="meta.deleted_at", value="timestamp"))
    api.company.put_many("people", [{}, {}])

    api.company.delete("people", "1")

    assert [(r["id"], r["meta"]["deleted_at"]) for r in listed(http)] == [(1, "2026-03-02T08:00:03Z"), (2, None)]
    assert http.get("/people/1").json()["meta"]["deleted_at"] == "2026-03-02T08:00:03Z"


@pytest.mark.parametrize(("only", "found"), [(True, [(1, True)]), (False, [(1, True), (2, False)])])
def test_deleted_records_may_come_only_where_they_are_asked_for(
    api: FakeApi, http: httpx.Client, *, only: bool, found: list[tuple[int, bool]]
) -> None:
    add(api, tombstone=Tombstone(shown="asked", field="archived", only=only))
    api.company.put_many("people", [{}, {}])

    api.company.delete("people", "1")

    assert [(r["id"], r["archived"]) for r in listed(http)] == [(2, False)]
    assert [(r["id"], r["archived"]) for r in listed(http, archived="true")] == found


def test_a_stream_of_what_was_deleted_says_when_and_a_hard_deletion_leaves_no_trace(api: FakeApi, http: httpx.Client) -> None:
    add(api, tombstone=Tombstone(list_path="/people/deleted"), gone_status=410)
    api.company.put_many("people", [{}, {}, {}])

    api.company.delete("people", "1")
    api.company.hard_delete("people", "2")

    assert http.get("/people/deleted").json()["data"] == [{"id": 1, "deleted_at": "2026-03-02T08:00:04Z"}]
    assert http.get("/people/deleted", params={"updated_since": "2026-03-02T08:00:05Z"}).json()["data"] == []
    assert [record["id"] for record in listed(http)] == [3]
    assert http.get("/people/2").status_code == 410


def test_children_lie_below_their_parent_and_move_with_a_stamp(api: FakeApi, http: httpx.Client) -> None:
    orders_and_lines(api)
    api.company.put_many("orders", [{}, {}])
    line = api.company.put("lines", {"sku": "A"}, parent="1")

    before = lines(http, 1), lines(http, 2)
    api.company.move("lines", line, "2")

    assert before == ([{"sku": "A", "order_id": 1, "id": 1, "updated_at": "2026-03-02T08:00:03Z"}], [])
    assert lines(http, 1) == []
    assert lines(http, 2) == [{"sku": "A", "order_id": 2, "id": 1, "updated_at": "2026-03-02T08:00:04Z"}]
    assert http.get("/orders/2/lines/1").status_code == 200
    assert http.get("/orders/1/lines/1").status_code == 404


def test_children_of_a_deleted_parent_are_gone_with_it(api: FakeApi, http: httpx.Client) -> None:
    orders_and_lines(api)
    api.company.put("orders", {})
    api.company.put("lines", {}, parent="1")

    api.company.delete("orders", "1")

    assert http.get("/orders/1/lines").status_code == 404
    assert api.company.truth("lines") == {}


@pytest.mark.parametrize(("touches", "at"), [(True, "2026-03-02T08:00:03Z"), (False, "2026-03-02T08:00:01Z")])
def test_an_edit_of_a_child_stamps_its_parent_only_where_the_api_does_so(
    api: FakeApi, http: httpx.Client, *, touches: bool, at: str
) -> None:
    orders_and_lines(api, touches_parent=touches)
    api.company.put("orders", {})

    api.company.put("lines", {}, parent="1")

    assert http.get("/orders").json()["data"][0]["updated_at"] == at


def test_the_truth_is_what_a_complete_reading_has(api: FakeApi, http: httpx.Client) -> None:
    add(api, tombstone=Tombstone(shown="shown", field="archived"))
    api.company.fill("people", 30)
    api.company.delete("people", "7")

    assert api.company.truth("people") == {str(r["id"]): r for r in listed(http) if not r["archived"]}
    assert len(api.company.truth("people")) == 29


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01"])
def test_a_filter_that_is_no_instant_is_refused(api: FakeApi, http: httpx.Client, value: str) -> None:
    add(api)

    assert http.get("/people", params={"updated_since": value}).status_code == 400


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ({"select": "", "envelope": {"a": 1}}, "no place for a token"),
        ({"parent": "orders"}, "go together"),
        ({"path": "/orders/{parent}/people"}, "go together"),
    ],
)
def test_a_shape_that_contradicts_itself_is_refused(shape: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        StreamShape(name="people", **shape)


def test_the_clock_may_be_set(api: FakeApi, http: httpx.Client) -> None:
    add(api)
    api.company.clock.set(datetime(2020, 1, 1, tzinfo=UTC))

    api.company.put("people", {})

    assert listed(http)[0]["updated_at"] == "2020-01-01T00:00:01Z"


def add(api: FakeApi, **shape: Any) -> None:
    api.add(StreamShape(name="people", **({"paginator": AllInOne()} | shape)))


def orders_and_lines(api: FakeApi, **shape: Any) -> None:
    api.add(
        StreamShape(name="orders", paginator=AllInOne()),
        StreamShape(name="lines", paginator=AllInOne(), parent="orders", path="/orders/{parent}/lines", parent_field="order_id", **shape),
    )


def listed(http: httpx.Client, **params: str) -> list[dict[str, Any]]:
    return list(http.get("/people", params=params).raise_for_status().json()["data"])


def lines(http: httpx.Client, order: int) -> list[dict[str, Any]]:
    return list(http.get(f"/orders/{order}/lines").json()["data"])
