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
    contacts = StreamShape(
        name="contacts", ids="text", select="results", fields_under="properties", cursor_field="updatedAt", timestamps="iso_millis",
        paginator=CursorToken(), filter=Filter(since="updatedAfter", until="updatedBefore"), tombstone=Tombstone(shown="shown", field="archived"),
        quirks=Quirks(duplicates=True, short_page=2, empty_page=3, trailing_empty_page=True),
    )  # fmt: skip
    deals = StreamShape(
        name="deals", order="cursor", timestamps="epoch_ms", paginator=LinkHeader(size_param="per_page"), filter=Filter(inclusive=False),
        tombstone=Tombstone(list_path="/deals/deleted"),
    )  # fmt: skip
    tickets = StreamShape(
        name="tickets", timestamps="iso_offset", paginator=NextUrl(path="links.next", absolute=False),
        tombstone=Tombstone(shown="asked", field="archived_at", value="timestamp"),
    )  # fmt: skip
    companies = StreamShape(name="companies", select="", paginator=AllInOne(), filter=None)
    links = {"type": "link_header", "size": page, "size_parameter": "per_page"}
    gone = {
        "type": "deleted_items", "path": "deals/deleted", "record_selector": "data", "primary_key": ["id"], "paginator": links,
        "cursor": _exact("deleted_at"),
    }  # fmt: skip
    return [
        Told(
            endpoint="crm", share=0.24, shape=contacts, under="properties",
            settings={
                "paginator": {"type": "cursor", "path": "paging.next.after", "parameter": "after", "size": page, "size_parameter": "limit"},
                "cursor": _cursor("updatedAfter", "updatedAt"), "deletions": {"type": "tombstone", "field": "archived"},
                "detail": "contacts/{id}", "window": {"start": "updatedAfter", "end": "updatedBefore"},
                "title": "{{ properties.name }}", "body": "{{ properties.name }}\n{{ properties.note }}", "link": "https://crm.example.com/{{ id }}",
            },
        ),
        Told(
            endpoint="crm", share=0.18, shape=deals,
            settings={
                "paginator": links, "deletions": gone, "detail": "deals/{id}", "confirm_deletions": True,
                "cursor": _exact("updated_at"),
            },
        ),
        Told(
            endpoint="crm", share=0.10, shape=tickets,
            settings={
                "paginator": {"type": "next_url", "path": "links.next", "size": page, "size_parameter": "limit"}, "params": {"archived": True},
                "cursor": _cursor("updated_since"), "deletions": {"type": "tombstone", "field": "archived_at"}, "detail": "tickets/{id}",
                "attachments": [
                    {"list": "files", "file_name": "name", "size": "size", "media_type": "content_type", "url": "signed_url"},
                ],
            },
        ),
        Told(endpoint="crm", share=0.06, shape=companies, settings={"read": "sweep", "detail": "companies/{id}"}, notified=True),
    ]  # fmt: skip


def _crm_below(page: int) -> list[Told]:
    orders = StreamShape(
        name="orders", timestamps="epoch_s", paginator=CursorToken(header="X-Next"), tombstone=Tombstone(shown="shown", field="cancelled"),
        quirks=Quirks(duplicates=True),
    )  # fmt: skip
    lines = StreamShape(
        name="lines", path="/orders/{parent}/lines", parent="orders", parent_field="order_id", touches_parent=True, paginator=AllInOne(),
        cursor_field=None, filter=None,
    )  # fmt: skip
    projects = StreamShape(
        name="projects", timestamps="naive", paginator=PageNumber(total="meta.total"), tombstone=Tombstone(shown="shown", field="closed"),
        quirks=Quirks(),
    )  # fmt: skip
    tasks = StreamShape(
        name="tasks", path="/projects/{parent}/tasks", parent="projects", parent_field="project.id", paginator=SinceId(has_more="more"),
        filter=None,
    )  # fmt: skip
    numbered = {"type": "page_number", "size": page, "size_parameter": "limit", "total": "meta.total"}
    return [
        Told(
            endpoint="crm", share=0.012, shape=orders,
            settings={
                "paginator": {"type": "cursor", "header": "X-Next", "parameter": "after", "size": page, "size_parameter": "limit"},
                "cursor": _cursor("updated_since", format="epoch_s"), "deletions": {"type": "tombstone", "field": "cancelled"},
            },
        ),
        Told(
            endpoint="crm", share=0.168, shape=lines,
            settings={"parent": {"stream": "orders", "params": {"above": "id"}, "copy_fields": {"order_number": "number"}}, "concurrency": 4},
        ),
        Told(
            endpoint="crm", share=0.001, shape=projects,
            settings={
                "paginator": numbered, "cursor": _cursor("updated_since"), "deletions": {"type": "tombstone", "field": "closed"},
                "columns": {"id": "text", "score": "text", "details": "json"},
            },
        ),
        Told(
            endpoint="crm", share=0.016, shape=tasks, below_all=True,
            settings={
                "paginator": {"type": "keyset", "field": "id", "parameter": "since_id", "more": "more", "size": 15, "size_parameter": "limit"},
                "parent": {"stream": "projects", "params": {"above": "id"}, "only_changed": False}, "concurrency": 3,
            },
        ),
    ]  # fmt: skip


def _erp(page: int) -> list[Told]:
    articles = StreamShape(name="articles", paginator=Offset(first=1))
    stock = StreamShape(name="stock", paginator=PageNumber(first=0))
    prices = StreamShape(name="prices", ids="text", paginator=PageNumber(total="found", size_param="rows"), timestamps="date")
    movements = StreamShape(name="movements", select="", paginator=SinceId(size_param="top"), cursor_field=None, filter=None)
    notices = StreamShape(name="notices", paginator=NextUrl(by="offset", end="absent"))
    depots = StreamShape(name="depots", paginator=AllInOne())
    bins = StreamShape(name="bins", path="/depots/{parent}/bins", parent="depots", parent_field="depot", paginator=Offset(), filter=None)
    return [
        Told(
            endpoint="erp", share=0.07, shape=articles,
            settings={"paginator": {"type": "offset", "start": 1, "size": page, "total": "total"}, "label": "name"},
        ),
        Told(
            endpoint="erp", share=0.05, shape=stock, key=("warehouse", "id"),
            settings={"paginator": {"type": "page_number", "start": 0, "size": page, "size_parameter": "limit"}},
        ),
        Told(
            endpoint="erp", share=0.05, shape=prices,
            settings={"paginator": {"type": "page_number", "size": page, "size_parameter": "rows", "total": "found"}},
        ),
        Told(
            endpoint="erp", share=0.03, shape=movements,
            settings={"paginator": {"type": "keyset", "field": "id", "parameter": "since_id", "size": page, "size_parameter": "top"}},
        ),
        Told(
            endpoint="erp", share=0.012, shape=notices,
            settings={"paginator": {"type": "next_url", "path": "next", "size": page, "size_parameter": "limit"}, "completeness": "two_passes"},
        ),
        Told(endpoint="erp", share=0.001, shape=depots),
        Told(
            endpoint="erp", share=0.01, shape=bins,
            settings={
                "paginator": {"type": "offset", "size": 10}, "parent": {"stream": "depots", "params": {"above": "id"}, "copy_fields": {"depot_name": "name"}},
            },
        ),
    ]  # fmt: skip
