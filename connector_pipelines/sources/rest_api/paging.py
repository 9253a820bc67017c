"""How an API divides what it lists into pages: the `paginator` of a stream."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "CursorPages", "DottedPath", "KeysetPages", "LinkHeaderPages", "NextUrlPages", "NoPages", "NumberedPages", "OffsetPages", "Paginator", "Part", "Place",
]  # fmt: skip

DottedPath = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^.].*[^.]$|^[^.]$")]
"""Names from the outside in, joined by dots: `paging.next.after`. A name that holds dots itself, as `@odata.nextLink`, is found too. `*` is every element of a list."""

Place = Literal["query", "body"]


class Part(BaseModel):
    """Base of what settings are made of."""

    # Inputs hidden: a traceback shows pydantic's error too, and what is wrong may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Pages(Part):
    size: int | None = Field(
        None, ge=1, le=100_000, description="Records asked for in one page. Default: as many as the API gives unasked."
    )
    size_parameter: str | None = Field(None, min_length=1, description="Parameter that carries `size`, as `limit` or `per_page`.")
    place: Place = Field(
        "query",
        description="Where the parameters of pages go: into the address, or into the JSON body of a request by POST, where a name may be"
        " dotted (`page.size`) and a number names the element of a list (`filters.0.value`).",
    )
    max_pages: int = Field(1_000_000, ge=1, description="Pages of one pass after which it stops with an error: a bound, not a choice.")

    @model_validator(mode="after")
    def _size_can_be_said(self) -> _Pages:
        if self.size_parameter is not None and self.size is None:
            raise ValueError("size_parameter is given without size")
        return self


class NoPages(Part):
    """One answer holds everything. Where it looks as if there were more, `connectors test` and the log say so."""

    type: Literal["none"] = "none"


class LinkHeaderPages(_Pages):
    """The next page is the `Link` header's `rel="next"` (RFC 8288): GitHub, GitLab, Okta, Shopify."""

    type: Literal["link_header"] = "link_header"


class NextUrlPages(_Pages):
    """The body holds the address of the next page: Microsoft Graph and OData, JSON:API, Zendesk, Salesforce."""

    type: Literal["next_url"] = "next_url"
    path: DottedPath = Field(description="Where the address is in the body, as `@odata.nextLink`, `links.next` or `nextRecordsUrl`.")


class CursorPages(_Pages):
    """The answer holds a token that asks for the next page: HubSpot, Slack, Notion, most of Google."""

    type: Literal["cursor"] = "cursor"
    path: DottedPath | None = Field(None, description="Where the token is in the body, as `paging.next.after` or `nextPageToken`.")
    header: str | None = Field(None, min_length=1, description="Header of the answer that holds the token, where the body does not.")
    parameter: str = Field(min_length=1, description="Parameter that carries the token, as `after` or `pageToken`.")
    more: DottedPath | None = Field(
        None, description="Where the body says whether there are more pages, as `has_more`. Default: there are while there is a token."
    )

    @model_validator(mode="after")
    def _token_is_somewhere(self) -> CursorPages:
        if (self.path is None) == (self.header is None):
            raise ValueError("give either `path` or `header`, where the token of the next page is")
        return self


class OffsetPages(_Pages):
    """The request says how many records to pass over. Each page overlaps the one before by a record, so that pages that shift are noticed."""

    type: Literal["offset"] = "offset"
    parameter: str = Field("offset", min_length=1, description="Parameter that says how many records to pass over.")
    start: int = Field(0, ge=0, le=1, description="What asks for the first record.")
    size: int = Field(ge=1, le=100_000, description="Records asked for in one page.")
    size_parameter: str = Field("limit", min_length=1, description="Parameter that carries `size`.")
    total: DottedPath | None = Field(None, description="Where the body says how many records there are in all.")
    more: DottedPath | None = Field(
        None, description="Where the body says whether there are more pages. Default: until a page brings nothing new."
    )


class NumberedPages(_Pages):
    """The request names a page by its number."""

    type: Literal["page_number"] = "page_number"
    parameter: str = Field("page", min_length=1, description="Parameter that carries the number.")
    start: int = Field(1, ge=0, le=1, description="Number of the first page.")
    total: DottedPath | None = Field(None, description="Where the body says how many records there are in all.")
    total_pages: DottedPath | None = Field(None, description="Where the body says how many pages there are.")
    more: DottedPath | None = Field(None, description="Where the body says whether there are more pages. Default: until a page is empty.")


class KeysetPages(_Pages):
    """The request asks for what comes after the last record seen: Stripe, many ERPs. Needs an order by that field."""

    type: Literal["keyset"] = "keyset"
    field: DottedPath = Field(description="Field of the records by which they are ordered, and that no two share, as `id`.")
    parameter: str = Field(min_length=1, description="Parameter that carries the last value, as `starting_after` or `$filter`.")
    template: str = Field("{value}", description="What is sent: `{value}` is the last value seen, as in `id gt {value}`.")
    more: DottedPath | None = Field(None, description="Where the body says whether there are more pages. Default: until a page is empty.")

    @model_validator(mode="after")
    def _says_the_value(self) -> KeysetPages:
        if "{value}" not in self.template:
            raise ValueError("template holds no {value}")
        return self


Paginator = Annotated[
    NoPages | LinkHeaderPages | NextUrlPages | CursorPages | OffsetPages | NumberedPages | KeysetPages, Field(discriminator="type")
]
