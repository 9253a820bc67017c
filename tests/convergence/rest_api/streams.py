"""What the company has: each stream as its API shows it, and as an endpoint describes it. One for each manner of reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connector_pipelines.testing.fake_api import (
    AllInOne,
    CursorToken,
    Filter,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Quirks,
    SinceId,
    StreamShape,
    Tombstone,
)

__all__ = ["LOOK_BACK", "Told", "streams"]

LOOK_BACK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A stream.

    Attributes:
        endpoint: `crm` reads what changed, `erp` reads everything each time and compares.
        share: Of all records.
        settings: As in `streams` of the endpoint, without the name and path.
        key: Fields that name a record.
        under: Object that a record's own fields lie in.
        notified: Whether nothing but notifications and sweeps tells of its changes.
        below_all: A child that is read below all its parents, and not only the changed ones.
    """

    endpoint: str
    share: float
    shape: StreamShape
    settings: Mapping[str, Any] = field(default_factory=dict)
    key: Sequence[str] = ("id",)
    under: str = ""
    notified: bool = False
    below_all: bool = False

    @property
    def name(self) -> str:
        return self.shape.name

    @property
    def parent(self) -> str | None:
        return self.shape.parent

    @property
    def has_cursor(self) -> bool:
        return "cursor" in self.settings

    @property
    def looks_back(self) -> bool:
        """Whether what is stamped a little late is found. Where not, ties are all that may be asked for again."""
        return "cursor" not in self.settings or self.settings["cursor"]["look_back"] != "0s"

    def described(self) -> dict[str, Any]:
        """As the settings of an endpoint say it."""
        path = self.shape.at.removeprefix("/").replace("{parent}", "{above}")
        return {
            "name": self.name,
            "path": path,
            "primary_key": list(self.key),
            "record_selector": self.shape.select or None,
            **self.settings,
        }


def streams(page: int) -> list[Told]:
    """All of them; those that others lie below come first."""
    return [*_crm(page), *_crm_below(page), *_erp(page)]


def _cursor(parameter: str, name: str = "updated_at", **more: Any) -> dict[str, Any]:
    return {"field": name, "parameter": parameter, "look_back": f"{LOOK_BACK.seconds}s", **more}


def _exact(name: str) -> dict[str, Any]:
    """Of a stream in order, to the millisecond: nothing but ties is read again."""
    return _cursor("updated_since", name, format="epoch_ms", inclusive=False, order="ascending", look_back="0s")


def _crm(page: int) -> list[Told]:
    companies = StreamShape(name="companies", select="", paginator=AllInOne(), filter=None)
    told = Told(endpoint="crm", share=0.06, shape=companies, settings={"read": "sweep", "detail": "companies/{id}"}, notified=True)
    return [_contacts(page), _deals(page), _tickets(page), told]


def _contacts(page: int) -> Told:
    """Pages with every fault there is; a mark for what is gone; asked for by windows, too."""
    shape = StreamShape(
        name="contacts", ids="text", select="results", fields_under="properties", cursor_field="updatedAt", timestamps="iso_millis",
        paginator=CursorToken(), filter=Filter(since="updatedAfter", until="updatedBefore"), tombstone=Tombstone(shown="shown", field="archived"),
        quirks=Quirks(duplicates=True, short_page=2, empty_page=3, trailing_empty_page=True),
    )  # fmt: skip
    settings = {
        "paginator": {"type": "cursor", "path": "paging.next.after", "parameter": "after", "size": page, "size_parameter": "limit"},
        "cursor": _cursor("updatedAfter", "updatedAt"), "deletions": {"type": "tombstone", "field": "archived"},
        "detail": "contacts/{id}", "window": {"start": "updatedAfter", "end": "updatedBefore"},
        "title": "{{ properties.name }}", "body": "{{ properties.name }}\n{{ properties.note }}", "link": "https://crm.example.com/{{ id }}",
    }  # fmt: skip
    return Told(endpoint="crm", share=0.24, shape=shape, under="properties", settings=settings)


def _deals(page: int) -> Told:
    """In order of change; a list of what was deleted."""
    shape = StreamShape(
        name="deals", order="cursor", timestamps="epoch_ms", paginator=LinkHeader(size_param="per_page"), filter=Filter(inclusive=False),
        tombstone=Tombstone(list_path="/deals/deleted"),
    )  # fmt: skip
    links = {"type": "link_header", "size": page, "size_parameter": "per_page"}
    gone = {
        "type": "deleted_items", "path": "deals/deleted", "record_selector": "data", "primary_key": ["id"], "paginator": links,
        "cursor": _exact("deleted_at"),
    }  # fmt: skip
    settings = {"paginator": links, "cursor": _exact("updated_at"), "deletions": gone, "detail": "deals/{id}", "confirm_deletions": True}
    return Told(endpoint="crm", share=0.18, shape=shape, settings=settings)


def _tickets(page: int) -> Told:
    """Deleted ones are shown where they are asked for; files hang on them, at addresses that expire."""
    shape = StreamShape(
        name="tickets", timestamps="iso_offset", paginator=NextUrl(path="links.next", absolute=False),
        tombstone=Tombstone(shown="asked", field="archived_at", value="timestamp"),
    )  # fmt: skip
    settings = {
        "paginator": {"type": "next_url", "path": "links.next", "size": page, "size_parameter": "limit"}, "params": {"archived": True},
        "cursor": _cursor("updated_since"), "deletions": {"type": "tombstone", "field": "archived_at"}, "detail": "tickets/{id}",
        "attachments": [{"list": "files", "file_name": "name", "size": "size", "media_type": "content_type", "url": "signed_url"}],
    }  # fmt: skip
    return Told(endpoint="crm", share=0.10, shape=shape, settings=settings)


def _crm_below(page: int) -> list[Told]:
    return [*_orders(page), *_projects(page)]


def _orders(page: int) -> list[Told]:
    """An order changes when its lines do, so they are read below changed orders only."""
    orders = StreamShape(
        name="orders", timestamps="epoch_s", paginator=CursorToken(header="X-Next"), tombstone=Tombstone(shown="shown", field="cancelled"),
        quirks=Quirks(duplicates=True),
    )  # fmt: skip
    lines = StreamShape(
        name="lines", path="/orders/{parent}/lines", parent="orders", parent_field="order_id", touches_parent=True, paginator=AllInOne(),
        cursor_field=None, filter=None,
    )  # fmt: skip
    settings = {
        "paginator": {"type": "cursor", "header": "X-Next", "parameter": "after", "size": page, "size_parameter": "limit"},
        "cursor": _cursor("updated_since", format="epoch_s"), "deletions": {"type": "tombstone", "field": "cancelled"},
    }  # fmt: skip
    below = {"stream": "orders", "params": {"above": "id"}, "copy_fields": {"order_number": "number"}}
    return [
        Told(endpoint="crm", share=0.012, shape=orders, settings=settings),
        Told(endpoint="crm", share=0.168, shape=lines, settings={"parent": below, "concurrency": 4}),
    ]


def _projects(page: int) -> list[Told]:
    """A project says nothing of its tasks, so they are read below all of them; some columns are declared as what they are not."""
    projects = StreamShape(
        name="projects", timestamps="naive", paginator=PageNumber(total="meta.total"), tombstone=Tombstone(shown="shown", field="closed")
    )
    tasks = StreamShape(
        name="tasks", path="/projects/{parent}/tasks", parent="projects", parent_field="project.id", paginator=SinceId(has_more="more"),
        filter=None,
    )  # fmt: skip
    settings = {
        "paginator": {"type": "page_number", "size": page, "size_parameter": "limit", "total": "meta.total"},
        "cursor": _cursor("updated_since"), "deletions": {"type": "tombstone", "field": "closed"},
        "columns": {"id": "text", "score": "text", "details": "json"},
    }  # fmt: skip
    below = {
        "paginator": {"type": "keyset", "field": "id", "parameter": "since_id", "more": "more", "size": 15, "size_parameter": "limit"},
        "parent": {"stream": "projects", "params": {"above": "id"}, "only_changed": False}, "concurrency": 3,
    }  # fmt: skip
    return [
        Told(endpoint="crm", share=0.001, shape=projects, settings=settings),
        Told(endpoint="crm", share=0.016, shape=tasks, settings=below, below_all=True),
    ]


def _erp(page: int) -> list[Told]:
    """Everything is read each time, by pages that shift; each has its own proof that nothing was missed."""
    limited = {"size": page, "size_parameter": "limit"}
    ways: list[tuple[float, StreamShape, dict[str, Any]]] = [
        (0.07, StreamShape(name="articles", paginator=Offset(first=1)), {"type": "offset", "start": 1, "size": page, "total": "total"}),
        (0.05, StreamShape(name="stock", paginator=PageNumber(first=0)), {"type": "page_number", "start": 0, **limited}),
        (
            0.05, StreamShape(name="prices", ids="text", paginator=PageNumber(total="found"), timestamps="date"),
            {"type": "page_number", **limited, "total": "found"},
        ),
        (
            0.03, StreamShape(name="movements", select="", paginator=SinceId(), cursor_field=None, filter=None),
            {"type": "keyset", "field": "id", "parameter": "since_id", **limited},
        ),
        (0.012, StreamShape(name="notices", paginator=NextUrl(by="offset", end="absent")), {"type": "next_url", "path": "next", **limited}),
        (0.001, StreamShape(name="depots", paginator=AllInOne()), {"type": "none"}),
    ]  # fmt: skip
    more: dict[str, dict[str, Any]] = {"articles": {"label": "name"}, "notices": {"completeness": "two_passes"}}
    tops = [
        Told(
            endpoint="erp", share=share, shape=shape, settings={"paginator": pages, **more.get(shape.name, {})},
            key=("warehouse", "id") if shape.name == "stock" else ("id",),
        )
        for share, shape, pages in ways
    ]  # fmt: skip
    bins = StreamShape(name="bins", path="/depots/{parent}/bins", parent="depots", parent_field="depot", paginator=Offset(), filter=None)
    below = {"stream": "depots", "params": {"above": "id"}, "copy_fields": {"depot_name": "name"}}
    return [*tops, Told(endpoint="erp", share=0.01, shape=bins, settings={"paginator": {"type": "offset", "size": 10}, "parent": below})]
