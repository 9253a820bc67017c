"""What one stream of a REST API is: the entries of `streams`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from connector_pipelines.core.config import Slug
from connector_pipelines.core.durations import Duration
from connector_pipelines.core.types import ColumnType
from connector_pipelines.sources.rest_api.paging import DottedPath, NoPages, Paginator, Part, Place

__all__ = [
    "Attachments", "CursorField", "CursorFormat", "DeletedItems", "Deletions", "Parent", "Scalar", "StreamSettings", "Sweep", "Tombstone", "Window",
]  # fmt: skip

Scalar = str | int | float | bool
CursorFormat = Literal["iso", "epoch_s", "epoch_ms", "date", "number", "text"]
TIMES: frozenset[str] = frozenset({"iso", "epoch_s", "epoch_ms", "date"})
"""Formats of cursor that say when, so that they can be compared with the clock."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class CursorField(Part):
    """By which field what is new is told from what is known, and how it is asked for."""

    field: DottedPath = Field(description="Field of a record that rises whenever it changes, as `updated_at`.")
    format: CursorFormat = Field(
        "iso",
        description="What the field holds: an instant by ISO 8601 (without a zone it is UTC), seconds or milliseconds since 1970, a date, a number, or text that sorts.",
    )
    parameter: str = Field(
        min_length=1, description="Parameter that asks for what changed, as `updated_since`; dotted where `place` is `body`."
    )
    template: str = Field("{cursor}", description="What is sent: `{cursor}` is the value, as in `updated_at>={cursor}`.")
    place: Place = Field("query", description="Where the parameter goes: into the address, or into the JSON body of a request by POST.")
    request_format: str | None = Field(
        None,
        description="How the value is written in the request: `iso`, `epoch_s`, `epoch_ms`, `date`, or a pattern of strftime as"
        " `%Y-%m-%dT%H:%M:%S.000+0000`. Default: as `format`.",
    )
    initial: Scalar | None = Field(None, description="What is asked for the first time. Default: the parameter is left out.")
    inclusive: bool = Field(
        True, description="Whether the API also gives records whose value equals the one asked for. Where not, a little less is asked for."
    )
    look_back: Duration = Field(
        timedelta(minutes=1),
        description="How far before the last value is read again, for what was written late. Not for `number` and `text`.",
    )
    order: Literal["ascending", "none"] = Field(
        "none",
        description="`ascending`: records come in the order of this field, because the parameters ask for it; then what was read is kept"
        " when a pass breaks off. `none`: in any order; the place moves on when a pass is complete. `number` and `text` need `ascending`.",
    )
    rejected_statuses: tuple[Annotated[int, Field(ge=400, le=499)], ...] = Field(
        (410,), description="Answers that mean the value is too old for the API: then everything is read anew."
    )

    @model_validator(mode="after")
    def _fits(self) -> CursorField:
        if "{cursor}" not in self.template:
            raise ValueError("template holds no {cursor}")
        if self.format not in TIMES and self.order != "ascending":
            raise ValueError(
                f"a cursor of format {self.format} needs `order: ascending`: no clock says which values were there when a pass began"
            )
        if self.format == "text" and not self.inclusive:
            raise ValueError(
                "a cursor of format text must be inclusive: there is no value just before another, and equal ones would be lost"
            )
        if self.request_format is not None and self.request_format not in TIMES and "%" not in self.request_format:
            raise ValueError("request_format is one of iso, epoch_s, epoch_ms, date, or a pattern with %")
        return self


class Sweep(Part):
    """Records that are gone are found by reading everything: each time where no stream has a cursor, else by the nightly sweep."""

    type: Literal["sweep"] = "sweep"


class Tombstone(Part):
    """A record that is gone is still listed, with a mark."""

    type: Literal["tombstone"] = "tombstone"
    field: DottedPath = Field(description="The field that marks it, as `deleted_at` or `archived`.")
    equals: tuple[Scalar, ...] | None = Field(None, description="Values that mean gone. Default: any but null, false, zero and empty text.")
    matches: str | None = Field(None, description="Regular expression that the whole value matches, instead of `equals`.")

    @model_validator(mode="after")
    def _readable(self) -> Tombstone:
        if self.equals is not None and self.matches is not None:
            raise ValueError("give either `equals` or `matches`")
        try:
            re.compile(self.matches or "")
        except re.error as error:
            raise ValueError(f"matches is no regular expression: {error}") from error
        return self


class DeletedItems(Part):
    """Another address lists what was deleted. Read before the stream itself, so that what was put back stays."""

    type: Literal["deleted_items"] = "deleted_items"
    path: str = Field(min_length=1, description="Address below `base_url`, as `contacts/deleted`.")
    params: dict[str, Scalar | tuple[Scalar, ...]] = Field(default_factory=dict, description="Parameters of the address.")
    record_selector: DottedPath | None = Field(None, description="As of the stream.")
    primary_key: tuple[DottedPath, ...] = Field(
        min_length=1,
        description="Fields that hold what the stream's `primary_key` holds, in the same order. Text or numbers in a list: `.`.",
    )
    cursor: CursorField | None = Field(
        None, description="By which only what was deleted since is asked for. Default: all is read each time."
    )
    paginator: Paginator = Field(NoPages(), description="As of the stream.")


Deletions = Annotated[Sweep | Tombstone | DeletedItems, Field(discriminator="type")]


class Parent(Part):
    """The stream is read once for each record of another, as the lines of each invoice."""

    stream: Slug = Field(description="Name of the other stream.")
    params: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")], DottedPath] = Field(
        min_length=1,
        description="Placeholders for `path`, `params` and `request_body` of this stream, and the field of the parent each is taken from: `invoice_id: id`"
        " fills `invoices/{invoice_id}/lines`.",
    )
    copy_fields: dict[str, DottedPath] = Field(
        default_factory=dict, description="Fields added to each record of this stream, and the field of the parent each is taken from."
    )
    only_changed: bool = Field(
        True,
        description="Between sweeps, read only below parents that are new or changed. False: below all of them, which reads the parents whole.",
    )


class Attachments(Part):
    """Files that hang on the records of a stream. They are downloaded and searched like any file."""

    name: Slug = Field("attachments", description="Tells several of one stream apart. Part of the files' ids: not to be changed.")
    list: DottedPath | None = Field(None, description="Field of a record that holds the list of its files, as `attachments`.")
    path: str | None = Field(
        None, description="Address that lists the files of a record, as `tickets/{id}/attachments`; fields of `primary_key` fill it."
    )
    record_selector: DottedPath | None = Field(None, description="Where the list is in the answer of `path`.")
    paginator: Paginator = Field(NoPages(), description="Of `path`.")
    id: DottedPath = Field("id", description="Field of a file that names it, unique below its record.")
    file_name: DottedPath | None = Field(None, description="Field with its name. Default: its id.")
    version: tuple[DottedPath, ...] = Field(
        (), description="Fields that differ when its bytes do, as `etag` or `updated_at`. Default: all fields but that of `url`."
    )
    size: DottedPath | None = Field(None, description="Field with its size in bytes.")
    media_type: DottedPath | None = Field(None, description="Field with its media type. Default: as its name tells.")
    modified: DottedPath | None = Field(None, description="Field with the time of its last change, ISO 8601. Default: that of its record.")
    url: DottedPath | None = Field(
        None,
        description="Field with the address of its bytes. It is asked for anew at each download, because such addresses expire, and left out of"
        " the record: whoever has it may read the file.",
    )
    url_template: str | None = Field(
        None,
        description="Address of its bytes instead of `url`, as `attachments/{attachment_id}/content`; fields of the record's `primary_key` fill it too.",
    )
    include: tuple[str, ...] = Field(("**/*",), min_length=1, description="Only files whose name matches one of these globs, as `*.pdf`.")
    max_file_bytes: int | None = Field(
        None, gt=0, description="Bytes; a file said to be larger is skipped, with that reason. Null: no limit."
    )

    @model_validator(mode="after")
    def _can_be_had(self) -> Attachments:
        if (self.list is None) == (self.path is None):
            raise ValueError("give either `list`, where a record holds its files, or `path`, which lists them")
        if (self.url is None) == (self.url_template is None):
            raise ValueError("give either `url` or `url_template`, where the bytes are")
        return self


class Window(Part):
    """How the API is asked for a span of source time, so that a backfill of some days does not read everything."""

    start: str = Field(min_length=1, description="Parameter for the first instant, as `created_after`.")
    end: str | None = Field(None, min_length=1, description="Parameter for the first instant after it, as `created_before`. Default: open.")
    template: str = Field("{value}", description="What is sent for `start`: `{value}` is the instant, as in `>={value}`.")
    end_template: str = Field("{value}", description="What is sent for `end`.")
    format: str = Field("iso", description="`iso`, `epoch_s`, `epoch_ms`, `date`, or a pattern of strftime.")
    place: Place = Field("query", description="Where the parameters go.")

    @model_validator(mode="after")
    def _fits(self) -> Window:
        if "{value}" not in self.template or "{value}" not in self.end_template:
            raise ValueError("a template holds no {value}")
        if self.start == self.end and self.place == "body":
            raise ValueError("start and end cannot be one parameter of a body")
        if self.format not in TIMES and "%" not in self.format:
            raise ValueError("format is one of iso, epoch_s, epoch_ms, date, or a pattern with %")
        return self


class StreamSettings(Part):
    """One kind of record, and how the API lists it."""

    name: Slug = Field(description="Unique in the endpoint. It begins the ids of its records and names its table: not to be changed.")
    path: str = Field(min_length=1, description="Address below `base_url` that lists the records, as `crm/v3/objects/contacts`.")
    method: Literal["GET", "POST"] = Field("GET", description="POST is for addresses that search; it is taken to change nothing.")
    params: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        default_factory=dict, description="Parameters of the address: fields to bring, filters, order. A list repeats its name."
    )
    request_body: dict[str, Any] | None = Field(None, description="JSON sent by POST.")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with the requests of this stream. No secrets: see `auth`.")
    record_selector: DottedPath | None = Field(
        None,
        description="Where the records are in an answer, as `results` or `data.items`; `groups.*.members` joins several lists."
        " Default: the answer is the list, or the one field of it that holds a list of objects.",
    )
    missing_is_empty: bool = Field(
        False,
        description="Whether an answer without `record_selector` holds no records, as Google's do. Else it is an error: the API has changed, or it is no answer.",
    )
    primary_key: tuple[DottedPath, ...] = Field(
        ("id",), min_length=1, description="Fields that together name a record; below a parent, within it."
    )
    cursor: CursorField | None = Field(
        None, description="How only what changed is asked for. Default: the stream is read whole and compared."
    )
    paginator: Paginator = Field(NoPages(), description="How what is listed is divided into pages.")
    completeness: Literal["auto", "trust", "total", "two_passes"] = Field(
        "auto",
        description="What proves that no record was missed while pages shifted. `total`: as many records as the API says. `two_passes`: two in a row that"
        " name the same records. `trust`: nothing. `auto`: the overlap of pages for `offset`; `total` for `page_number` where it says one; two passes where"
        " else pages are numbered; trust where the API keeps the place. See the page of the kind.",
    )
    parent: Parent | None = Field(None, description="Where the stream is read once for each record of another.")
    deletions: Deletions = Field(Sweep(), description="How it is known that a record is gone.")
    read: Literal["sync", "sweep"] = Field(
        "sync", description="`sync`: at each. `sweep`: only when everything is read; between, webhooks tell what changed."
    )
    detail: str | None = Field(
        None,
        description="Address of one record, as `contacts/{id}`; fields of `primary_key` fill it (a nested one by its last name), and"
        " placeholders of `parent` that come from the parent's own key. For webhooks, attachments, and to look again before a deletion.",
    )
    detail_selector: DottedPath | None = Field(
        None, description="Where the record is in the answer of `detail`, as `data`. Default: the answer is the record."
    )
    confirm_deletions: bool = Field(
        False,
        description="Whether a record that is missing from the list is asked for by `detail` before it is taken for gone. Only where the list is not"
        " filtered: a record that no longer passes a filter is still there, and would stay.",
    )
    columns: dict[str, ColumnType] = Field(
        default_factory=dict, description="Types of fields for tables. Others are found out from the records."
    )
    title: str | None = Field(None, description="Jinja template over the fields: what a record is called. Default: its key.")
    body: str | None = Field(None, description="Jinja template over the fields: what is searched. Default: all fields that hold text.")
    link: str | None = Field(None, description="Jinja template over the fields: where a person opens the record.")
    label: DottedPath | None = Field(None, description="Field that names a record in paths and lists. Default: its key.")
    modified: DottedPath | None = Field(
        None, description="Field with the time of the last change, which decides the window. Default: that of `cursor`, where it is a time."
    )
    created: DottedPath | None = Field(None, description="Field with the time it was made; decides the window where there is no other.")
    ignore_fields: tuple[DottedPath, ...] = Field(
        (),
        description="Fields that change by themselves, as `last_viewed_at` or `score`. They are left out, so that they make no new version.",
    )
    window: Window | None = Field(
        None, description="How a span of source time is asked for. Default: everything is read, and what lies outside is dropped."
    )
    attachments: tuple[Attachments, ...] = Field((), description="Files that hang on the records.")
    concurrency: int = Field(4, ge=1, le=32, description="Parents below which this stream is read at once, or lists of attachments.")

    @field_validator("title", "body", "link")
    @classmethod
    def _is_a_template(cls, text: str | None) -> str | None:
        from jinja2 import TemplateSyntaxError
        from jinja2.sandbox import SandboxedEnvironment

        try:
            SandboxedEnvironment().parse(text or "")
        except TemplateSyntaxError as error:
            raise ValueError(f"is no Jinja template: {error.message} (line {error.lineno})") from error
        return text

    @model_validator(mode="after")
    def _fits(self) -> StreamSettings:
        if self.confirm_deletions and self.detail is None:
            raise ValueError(f"stream {self.name!r} is to confirm deletions, and has no `detail` to look at a record")
        if (self.method == "POST") < (self.request_body is not None):
            raise ValueError(f"stream {self.name!r} has a request_body, which only `method: POST` sends")
        return self

    @model_validator(mode="after")
    def _files_can_be_had(self) -> StreamSettings:
        names = [files.name for files in self.attachments]
        if len(set(names)) < len(names):
            raise ValueError(f"two attachments of stream {self.name!r} have one name")
        for files in self.attachments:
            if files.url and files.list and self.detail is None:
                raise ValueError(
                    f"attachments {files.name!r} of {self.name!r} need `detail`: the address of a file is asked for anew at each download"
                )
        return self
