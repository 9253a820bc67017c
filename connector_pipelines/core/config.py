"""What `connectors.yaml` may say: tenants, connectors, endpoints, schedules, sinks, partitions.

The same models check the rows made over the API. Each field's description is the reference page's text.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector_pipelines.core.auth import Auth, NoAuth
from connector_pipelines.core.durations import Duration, format_duration, parse_duration
from connector_pipelines.core.references import SecretReference
from connector_pipelines.core.webhooks import WebhookSettings

__all__ = [
    "ConnectorConfig", "ConnectorsFile", "Cron", "Duration", "EndpointConfig", "ExtractionLimits", "Interval", "Manual", "OcrSettings", "PartitionsConfig", "Schedule", "SinkSettings", "Slug", "TenantConfig", "format_duration", "parse_duration",
]  # fmt: skip

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$", description="Lower-case letters, digits and underscores.")]


class _Model(BaseModel):
    # Inputs hidden: a traceback shows pydantic's error too, and what is wrong may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Interval(_Model):
    """Sync whenever this long has passed since the last sync began."""

    type: Literal["interval"] = "interval"
    every: Duration = Field(description="How long, as in `30s`, `5m`, `1h 30m`, `2d`; 10 seconds at least.")

    @field_validator("every")
    @classmethod
    def _long_enough(cls, every: timedelta) -> timedelta:
        if every < timedelta(seconds=10):
            raise ValueError("an interval is 10s at least")
        return every


class Cron(_Model):
    """Sync at set times."""

    type: Literal["cron"] = "cron"
    expression: str = Field(description="Five fields: minute, hour, day of month, month, day of week.")
    timezone: str = Field("UTC", description="IANA name of the time zone the expression is read in.")

    @model_validator(mode="after")
    def _readable(self) -> Cron:
        from croniter import croniter

        if len(self.expression.split()) != 5 or not croniter.is_valid(self.expression):
            raise ValueError(f"{self.expression!r} is not a cron expression of five fields, such as '0 6 * * 1-5'")
        _known_timezone(self.timezone)
        return self


class Manual(_Model):
    """Sync only when asked: from the UI, the command line or the API."""

    type: Literal["manual"] = "manual"


Schedule = Annotated[Interval | Cron | Manual, Field(discriminator="type")]


class OcrSettings(_Model):
    """Recognition of text in scanned pages and pictures. It needs `pip install 'connector-pipelines[ocr]'` and the data of each language."""

    mode: Literal["auto", "off"] = Field(
        "auto",
        description="`auto`: wherever the engine and the data of all languages are installed; where not, documents say so. `off`: never.",
    )
    languages: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_/]{2,40}$")], ...] = Field(
        ("eng",),
        min_length=1,
        max_length=10,
        description="As Tesseract names them (`eng`, `deu`, `chi_sim`), the main one first. Each costs time.",
    )
    data_folder: Path | None = Field(
        None, description="Folder with a `.traineddata` file for each language. Default: where pip, Debian or `TESSDATA_PREFIX` put them."
    )
    resolution_dpi: int = Field(300, ge=72, le=600, description="Dots per inch at which pages are drawn to be recognised.")
    max_pages: int = Field(1000, gt=0, description="Pages of one file that are recognised.")
    page_time_limit: Duration = Field(timedelta(seconds=30), description="Wall time for one page.")
    time_limit: Duration = Field(
        timedelta(minutes=30),
        description="Wall time for all pages of one file, on top of the file's own limit. Pages beyond it are in the ledger.",
    )


class ExtractionLimits(_Model):
    """What one file may cost. A file that needs more becomes one row of the failures ledger."""

    max_file_bytes: int = Field(2 * 1024**3, gt=0, description="Bytes; a larger file is stored but not extracted.")
    max_text_bytes: int = Field(64 * 1024**2, gt=0, description="Bytes of UTF-8 text taken from one file.")
    max_unpacked_bytes: int = Field(
        1024**3, gt=0, description="Bytes a file may unpack to, whether it is an archive by nature (docx, xlsx, pptx) or holds other files."
    )
    max_parts: int = Field(10_000, gt=0, description="Files taken out of one file.")
    max_parts_total: int = Field(
        50_000,
        gt=0,
        description="Files inside one file of the source, at all depths together. One that holds more fails, and none is kept.",
    )
    max_parts_total_bytes: int = Field(8 * 1024**3, gt=0, description="Bytes that those may have, in the same way.")
    max_depth: int = Field(
        5,
        ge=0,
        le=50,
        description="How deep files may lie inside files; what is deeper is left out, and the ledger says so. 0: none is taken out.",
    )
    max_memory_bytes: int = Field(2 * 1024**3, ge=256 * 1024**2, description="Bytes of address space of one extraction worker.")
    time_limit: Duration = Field(timedelta(minutes=2), description="Wall time for one file.")
    passwords: tuple[SecretReference, ...] = Field(
        (), description="References (`env:NAME`, `vault:MOUNT/PATH#FIELD` or another) to passwords tried on encrypted files."
    )
    ocr: OcrSettings = Field(OcrSettings(), description="Recognition of text in scanned pages and pictures.")


class EndpointConfig(_Model):
    """What to sync in a connector: a folder, drive, project or channel."""

    slug: Slug = Field(
        description="Names the endpoint in asset keys, on the command line and in metrics. Given once: unique in the installation, and not to be changed."
    )
    name: str | None = Field(None, description="For people; may change at any time. Default: the slug.")
    settings: dict[str, Any] = Field(default_factory=dict, description="The kind's own settings; see the page of the kind.")
    schedule: Schedule = Field(Manual(), description="When to sync.")
    sinks: tuple[str, ...] | None = Field(None, description="Names of sinks, from `sinks:`. Default: all of them.")
    extraction: ExtractionLimits = Field(ExtractionLimits(), description="Limits for one file.")
    max_delete_share: float = Field(
        0.3,
        ge=0,
        le=1,
        description="A sweep that finds more than this share of the known files gone (and more than 10) deletes nothing and asks: see `connectors approve`.",
    )
    max_failed_share: float = Field(
        0.5, ge=0, le=1, description="A sync in which more than this share of the items taken up (and more than 10) fail is a failed run."
    )
    paused: bool = Field(False, description="True keeps the endpoint and what it brought, and starts no syncs.")

    @property
    def title(self) -> str:
        return self.name or self.slug


class ConnectorConfig(_Model):
    """An account at a kind of system, and what to sync there."""

    name: str = Field(min_length=1, max_length=200, description="Unique in the tenant.")
    kind: str = Field(description="What it talks to; `connectors kinds` lists them.")
    tenant: str = Field("default", description="Name of a tenant from `tenants:`.")
    auth: Auth = Field(NoAuth(), description="How to sign in.")
    webhook: WebhookSettings | None = Field(None, description="How the other system tells us that something changed. Default: it does not.")
    endpoints: tuple[EndpointConfig, ...] = Field(min_length=1, description="What to sync.")

    @model_validator(mode="after")
    def _addressable(self) -> ConnectorConfig:
        if self.webhook is not None and "/" in self.name + self.tenant:
            raise ValueError("a connector with a webhook is a part of its address: neither its name nor its tenant's may have a slash")
        return self


class SinkSettings(_Model):
    """A place documents are delivered to; each endpoint has one asset per sink."""

    kind: str = Field(description="What it is; `connectors kinds` lists them.")
    settings: dict[str, Any] = Field(default_factory=dict, description="The kind's own settings; see the page of the kind.")


class PartitionsConfig(_Model):
    """The windows of source time of one kind. All endpoints of a kind share them."""

    start: date = Field(date(2020, 1, 1), description="First window. Older files belong to it too.")
    every: Literal["day", "week", "month"] = Field("day", description="Length of a window.")
    timezone: str = Field("UTC", description="IANA name; where a day begins.")

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, name: str) -> str:
        return _known_timezone(name)


class TenantConfig(_Model):
    """The isolation boundary: rows of one tenant are never visible to work done for another."""

    name: str = Field(min_length=1, max_length=200, description="Unique in the installation.")


class ConnectorsFile(_Model):
    """The whole of `connectors.yaml`."""

    version: Literal[1] = Field(1, description="Of this format.")
    tenants: tuple[TenantConfig, ...] = Field((TenantConfig(name="default"),), description="Who the data belongs to.")
    sinks: dict[Slug, SinkSettings] = Field(
        default_factory=lambda: {"vectors": SinkSettings(kind="pgvector"), "search": SinkSettings(kind="postgres_text")},
        description="Where documents go. Default: `vectors` (pgvector) and `search` (Postgres full text), both in the installation's own Postgres.",
    )
    connectors: tuple[ConnectorConfig, ...] = Field((), description="What to read from.")
    partitions: dict[str, PartitionsConfig] = Field(
        default_factory=dict, description="Per kind, the windows of its assets. Default: days since 2020-01-01, UTC."
    )


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of the database, such as Europe, is an OSError
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
    return name
