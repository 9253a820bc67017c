"""What a stream looks like from outside: its path, pages, envelope, fields, filters, and what is wrong with it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector_pipelines.testing.fake_api.stamps import Timestamps

__all__ = [
    "AllInOne", "CursorToken", "Filter", "LinkHeader", "NextUrl", "Offset", "PageNumber", "Paginator", "Quirks", "SinceId", "StreamShape", "Tombstone",
]  # fmt: skip


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Paged(_Model):
    size_param: str | None = Field("limit", description="Name of the parameter for the size of a page; None: there is none.")
    size: int = Field(100, ge=1, description="Where none is asked for.")
    max_size: int = Field(1000, ge=1, description="What is asked for beyond it is cut down to it, silently.")


class _Tokened(_Paged):
    by: Literal["key", "offset"] = Field(
        "key", description="`offset`: what is inserted or deleted meanwhile shifts the pages, behind a token too."
    )


class LinkHeader(_Tokened):
    """The next page stands in the header ``Link`` (RFC 8288)."""

    type: Literal["link"] = "link"
    param: str = "page_token"


class NextUrl(_Tokened):
    """The address of the next page stands in the body."""

    type: Literal["next_url"] = "next_url"
    path: str = "next"
    absolute: bool = True
    end: Literal["absent", "null", "empty"] = "null"
    param: str = "page_token"


class CursorToken(_Tokened):
    """A token for the next page stands in the body."""

    type: Literal["cursor"] = "cursor"
    param: str = "after"
    path: str = "paging.next.after"
    header: str | None = Field(None, description="Header that carries the token instead of the body.")
    has_more: str | None = Field(None, description="Where it also says whether there is more.")
    end: Literal["absent", "null", "empty"] = "absent"


class Offset(_Paged):
    type: Literal["offset"] = "offset"
    param: str = "offset"
    first: Literal[0, 1] = 0
    total: str | None = "total"
    has_more: str | None = None


class PageNumber(_Paged):
    type: Literal["page"] = "page"
    param: str = "page"
    first: Literal[0, 1] = 1
    total: str | None = Field(None, description="Where the number of records stands.")
    pages: str | None = Field(None, description="Where the number of pages stands.")
    has_more: str | None = None


class SinceId(_Paged):
    """Records with an id after the one asked for; the end is an empty page."""

    type: Literal["since_id"] = "since_id"
    param: str = "since_id"
    has_more: str | None = None


class AllInOne(_Model):
    """One answer with everything; it does not know a parameter."""

    type: Literal["none"] = "none"


Paginator = Annotated[LinkHeader | NextUrl | CursorToken | Offset | PageNumber | SinceId | AllInOne, Field(discriminator="type")]


class Filter(_Model):
    """By the instant of the last change."""

    since: str | None = "updated_since"
    until: str | None = "updated_until"
    inclusive: bool = Field(True, description="Whether a record of exactly that instant is in; `until` is the same.")


class Tombstone(_Model):
    """What becomes of a deleted record: `hidden`; `shown` among the others; `asked`: only where `param` is true."""

    shown: Literal["hidden", "shown", "asked"] = "hidden"
    field: str | None = None
    value: Literal["true", "timestamp"] = "true"
    param: str = "archived"
    only: bool = Field(False, description="Where it is asked for: whether the deleted ones come alone.")
    list_path: str | None = Field(None, description="Where a stream of deleted records is: id and instant of each.")
    list_field: str = "deleted_at"


class Quirks(_Model):
    """What is wrong with the pages, as it is in the world. Page numbers count from 1, and need a paginator with tokens."""

    empty_page: int | None = Field(None, description="This page is empty, and not the last.")
    short_page: int | None = Field(None, description="This page has half of what it should.")
    repeat_token_on: int | None = Field(None, description="The token this page gives leads to itself.")
    trailing_empty_page: bool = Field(False, description="The last page leads to one more, which is empty.")
    duplicates: bool = Field(False, description="Each page but the first begins with the last record of the one before.")
    total_off_by: int = 0


class StreamShape(_Model):
    """A stream as the API shows it. Dots in a name lead into objects; a dot of the name itself is written ``\\\\.``."""

    name: str
    path: str = Field("", description="Default: `/name`. `{parent}` is the id of the parent record; another name in braces is anything.")
    method: Literal["GET", "POST"] = Field("GET", description="POST: parameters may also stand in a JSON body, by their dotted paths.")
    parent: str | None = Field(None, description="Stream of the parents.")
    parent_field: str | None = Field(None, description="Where a record says its parent's id.")
    touches_parent: bool = Field(False, description="Whether an edit stamps the parent, too.")
    primary_key: str = "id"
    ids: Literal["integer", "text"] = "integer"
    paginator: Paginator = CursorToken()
    select: str = Field("data", description="Where the records lie in an answer; empty: the answer is the list.")
    select_one: str = Field("", description="Where the record lies in the answer of `path/id`.")
    envelope: dict[str, Any] = Field(default_factory=dict, description="What else stands in each answer.")
    fields_under: str = Field("", description="Where a record's own fields lie in it, such as `attributes`.")
    constants: dict[str, Any] = Field(default_factory=dict, description="What else stands in each record.")
    cursor_field: str | None = "updated_at"
    created_field: str | None = None
    timestamps: Timestamps = "iso"
    filter: Filter | None = Filter()
    order: Literal["id", "cursor"] = "id"
    descending: bool = False
    tombstone: Tombstone = Tombstone()
    gone_status: Literal[404, 410] = 404
    detail: bool = True
    files_field: str = Field("files", description="Where a record lists what is attached to it.")
    quirks: Quirks = Quirks()

    @model_validator(mode="after")
    def _consistent(self) -> StreamShape:
        in_body = isinstance(self.paginator, NextUrl) or (isinstance(self.paginator, CursorToken) and self.paginator.header is None)
        if not self.select and (self.envelope or in_body):
            raise ValueError(f"stream {self.name}: an answer that is a list has no place for a token; give `select`")
        if (self.parent is None) == ("{parent}" in self.path):
            raise ValueError(f"stream {self.name}: `parent` and `{{parent}}` in the path go together")
        return self

    @property
    def at(self) -> str:
        return self.path or f"/{self.name}"
