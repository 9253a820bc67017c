"""What an endpoint of kind `rest_api` may set: an API, and what to read from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from connector_pipelines.core.config import Slug
from connector_pipelines.core.durations import Duration
from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.sources.rest_api.checks import check_stream, lineage
from connector_pipelines.sources.rest_api.paging import DottedPath, Part
from connector_pipelines.sources.rest_api.streams import Scalar, StreamSettings

__all__ = ["BaseUrl", "Config", "WebhookTarget"]


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be an address such as https://api.example.com/v3")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password; give them under `auth` of the connector")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("has a port that is no number from 0 to 65535") from error
    return url.rstrip("/") + "/"


BaseUrl = Annotated[str, AfterValidator(_address)]
"""`https://` or `http://`, host, and where needed port and path; no credentials. Kept with a slash at its end."""


class WebhookTarget(Part):
    """How the payload of a webhook names records, so that only those are read. What is in the payload beside is not believed."""

    stream: Slug = Field(description="The stream it is about. It needs `detail`.")
    events: DottedPath | None = Field(
        None, description="Where the payload holds a list of events. Default: the payload is the event, or the list of them."
    )
    key: tuple[DottedPath, ...] = Field(
        ("id",), min_length=1, description="Where an event holds the fields of the stream's `primary_key`, in the same order."
    )
    parent_key: tuple[DottedPath, ...] = Field((), description="Where it holds the key of the parent, for streams that have one.")
    field: DottedPath | None = Field(
        None, description="Field of an event that tells whether it is about this stream, as `object`. Default: each is."
    )
    equals: tuple[Scalar, ...] = Field((), description="The values that mean it is.")

    @model_validator(mode="after")
    def _fits(self) -> WebhookTarget:
        if (self.field is None) != (not self.equals):
            raise ValueError("`field` and `equals` go together")
        return self


class Config(SourceConfig):
    """An API that answers in JSON. The sign-in is the connector's `auth`."""

    base_url: BaseUrl = Field(description="What all addresses begin with, as `https://api.example.com/v3`.")
    fallback_url: BaseUrl | None = Field(None, description="A second one, used while the first does not answer.")
    hosts: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:\d+)?$")], ...] = Field(
        (), description="Further hosts that may be given our credentials, as `files.example.com`; others are asked without."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Sent with every request, as `Accept` or a version. No secrets: see `auth`."
    )
    allow_private: bool = Field(False, description="Whether addresses of private networks and of this machine may be called.")
    max_connections: int = Field(8, ge=1, le=100, description="Requests at once.")
    max_requests_per_second: float | None = Field(
        None, gt=0, le=10_000, description="Of the connector, in all processes together. Default: as the API allows, which is learnt."
    )
    read_timeout: Duration = Field(timedelta(seconds=60), description="How long an answer may be silent.")
    retry_budget: Duration = Field(timedelta(minutes=2), description="How long one request is tried again and waited for in all.")
    max_answer_bytes: int = Field(
        64 * 1024**2, ge=1024, description="Bytes of one page; a larger one is an error. Attachments have no such limit."
    )
    error_field: DottedPath | None = Field(
        None, description="Field of an answer that, where it is set, makes a 200 a fault, as `error`; for APIs that never answer otherwise."
    )
    page_records: int = Field(
        1000, ge=1, le=20_000, description="Records recorded in one transaction, where the pages of the API are larger."
    )
    streams: tuple[StreamSettings, ...] = Field(min_length=1, max_length=500, description="What to read.")
    webhooks: tuple[WebhookTarget, ...] = Field(
        (), description="How webhooks name what changed. Default: a webhook starts an ordinary sync."
    )

    @model_validator(mode="after")
    def _streams_fit(self) -> Config:
        by_name = {stream.name: stream for stream in self.streams}
        if len(by_name) < len(self.streams):
            raise ValueError(f"two streams have one name; there are {', '.join(stream.name for stream in self.streams)}")
        for stream in self.streams:
            check_stream(stream, by_name)
        if all(stream.read == "sweep" for stream in self.streams) and not self.webhooks:
            raise ValueError("every stream is read by sweeps only, and no webhook tells of changes between")
        return self

    @model_validator(mode="after")
    def _webhooks_fit(self) -> Config:
        by_name = {stream.name: stream for stream in self.streams}
        for hook in self.webhooks:
            if hook.stream not in by_name:
                raise ValueError(f"a webhook is about stream {hook.stream!r}; there are {', '.join(by_name)}")
            stream, *above = lineage(by_name[hook.stream], by_name)
            if any(one.detail is None for one in (stream, *above)):
                raise ValueError(
                    f"a webhook is about stream {hook.stream!r}, which has no `detail` to read one record, or its parent has none"
                )
            if len(above) > 1:
                raise ValueError(f"a webhook is about stream {hook.stream!r}, whose parent has a parent: a payload does not tell both")
            if len(hook.key) != len(stream.primary_key) or len(hook.parent_key) != (len(above[0].primary_key) if above else 0):
                raise ValueError(
                    f"the webhook of {hook.stream!r} needs as many fields in `key` and `parent_key` as the keys of it and of its parent"
                )
        return self
