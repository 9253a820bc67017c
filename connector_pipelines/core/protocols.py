"""What a connector must be: a small mandatory interface, and optional abilities asked for with `isinstance`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, SecretStr

from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.core.push import (
    AcceptsWebhooks,
    Heard,
    KnownSubscription,
    NoSubscriptions,
    Subscribes,
    Subscription,
    Subscriptions,
    WebhookAnswer,
    WebhookRequest,
)
from connector_pipelines.core.types import (
    START,
    ChangePage,
    Cursor,
    DayRange,
    Document,
    DocumentRef,
    FileRef,
    Finding,
    Folder,
    Hit,
    InputFile,
    Notification,
    Probe,
    Query,
    Record,
    Stream,
)

__all__ = [
    "AcceptsWebhooks", "AsksForScopes", "ConfirmsAbsence", "DeclaresStreams", "EmbedsChunks", "Extractor", "Folders", "FollowsNotifications", "Heard", "KeepsRecords",
    "KnownSubscription", "ListsWindows", "Reindexes", "Searches", "Settles", "Sink", "SinkConfig", "Source", "SourceConfig", "Subscribes",
    "Subscription", "Subscriptions", "TakesInventory", "Tools", "WebhookAnswer", "WebhookRequest",
]  # fmt: skip


class SourceConfig(BaseModel):
    """Base of every source's settings. A secret is a reference (`core.references.SecretReference`), never a value."""

    # Inputs hidden: a traceback shows pydantic's error too, and what is wrong may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SinkConfig(BaseModel):
    """Base of every sink's settings. A secret is a reference (`core.references.SecretReference`), never a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Folders(Protocol):
    """The folders of an endpoint as they were last recorded; a source's own changes that were not recorded yet are not among them."""

    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:
        """Those of `ids` that are folders of the endpoint, by id."""
        ...

    def leading_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:
        """The shortcuts that lead to `targets`, by target, in order of their ids."""
        ...


class _NoFolders:
    """For a source that is asked outside an endpoint."""

    def known(self, ids: Collection[str]) -> Mapping[str, Folder]:  # noqa: ARG002
        return {}

    def leading_to(self, targets: Collection[str]) -> Mapping[str, Sequence[Folder]]:  # noqa: ARG002
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the house lends a connector.

    Attributes:
        secret: Resolves a secret reference; raises `ConfigurationError` naming the reference.
        database_url: The installation's own Postgres, for sinks that live in it by default.
        outbound: Proxies and authorities, for a connector that brings a client of its own.
        folders: What the endpoint's source said of its folders before.
        subscriptions: Those that calls of the connector's webhook may come by; in the gateway, where `accept` is asked, and empty elsewhere.
        application: Who our application is to the other side (a client id, a service account), or empty: connectors that share it
            share its limits.
        http: A way to a system behind HTTP, signed in as the connector's `auth` says. The connector closes it.
        stop: Set when the run is to end: whatever waits looks at it.
    """

    secret: Callable[[str], SecretStr]
    database_url: SecretStr
    http: Callable[[HttpOptions], Http]
    stop: threading.Event = field(default_factory=threading.Event)
    outbound: Outbound = field(default_factory=Outbound)
    folders: Folders = field(default_factory=_NoFolders)
    subscriptions: Subscriptions = field(default_factory=NoSubscriptions)
    application: str = ""


@runtime_checkable
class Source(Protocol):
    """A system that files are read from. A module of `connector_pipelines.sources` exports one as ``Source``.

    It is built as ``Source(config, tools)``, connects on first use, and is used by several threads at once.
    Every method raises `ConnectorError` and nothing else for a fault of the other side. Five rules:

    1. `changes(START)` is a snapshot: it names every file.
    2. Every page of a delta carries the cursor at its end; a reader may stop after any page.
    3. A snapshot carries a cursor on its last page only, taken before the listing began.
    4. A cursor the other side has dropped is the source's own business: it yields a snapshot.
    5. There is always at least one page, and the last one has a cursor.
    """

    config_type: ClassVar[type[SourceConfig]]

    def __init__(self, config: Any, tools: Tools) -> None: ...

    def test(self) -> Probe:
        """Try each ability with the cheapest call there is. Raises only where nothing can be tried."""
        ...

    def list(self, folder: str = "") -> Iterator[FileRef]:
        """Yield the files directly in `folder`, for people to browse and preview.

        Raises:
            ConfigurationError: `folder` does not exist or lies outside what is synced.
        """
        ...

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        """Yield what changed after `cursor`, oldest first.

        Raises:
            ConfigurationError: What to sync does not exist or cannot be seen. Never an empty snapshot instead.
        """
        ...

    def open(self, ref: FileRef) -> AbstractContextManager[Iterator[bytes]]:
        """Stream the bytes of `ref.version` or newer, in chunks of at most a few MiB.

        Raises:
            NotFound: The file is gone.
            Forbidden: This file is refused to us.
        """
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...


@runtime_checkable
class ConfirmsAbsence(Protocol):
    """Optional: the source can look again whether files a snapshot did not name are gone."""

    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        """The ids, or under another id the identities, of those of `refs` that exist after all."""
        ...


@runtime_checkable
class ListsWindows(Protocol):
    """Optional: the source can be asked for a span of source time, so that a window costs what is in it."""

    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        """Yield what has a source time in `days` (UTC; a little more is welcome), as delta pages without a cursor. Nothing is told of what is gone."""
        ...


@runtime_checkable
class AsksForScopes(Protocol):
    """Optional: the kind knows what an `auth` that names no scopes has to ask for, so that what it lists can be read.

    Attributes:
        scopes: Of OAuth 2.0; said by the class.
    """

    scopes: ClassVar[tuple[str, ...]]


@runtime_checkable
class DeclaresStreams(Protocol):
    """Optional: what the source lists are, beside files, records of these streams; they come with their content."""

    def streams(self) -> Sequence[Stream]:
        """Every stream, from the settings alone."""
        ...

    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        """The first few records of a stream, for people to look at."""
        ...


@runtime_checkable
class FollowsNotifications(Protocol):
    """Optional: notifications can name what changed, so that only that is fetched."""

    def follow(self, notifications: Sequence[Notification]) -> Iterator[ChangePage] | None:
        """What the notifications are about as it is now, as delta pages without a cursor; None where they do not name all of it, and the feed is to be read."""
        ...


@runtime_checkable
class Sink(Protocol):
    """A system that documents are written to. A module of `connector_pipelines.sinks` exports one as ``Sink``.

    It is built as ``Sink(name, config, tools)``, connects and prepares its tables or collections on first use,
    and is used by several processes at once. A lower generation than the one held, or than the one deleted, is
    refused by doing nothing: it is late, not wrong.
    """

    config_type: ClassVar[type[SinkConfig]]

    def __init__(self, name: str, config: Any, tools: Tools) -> None: ...

    def test(self) -> Probe: ...

    def put(self, documents: Sequence[Document]) -> None:
        """Make each document's chunks exactly what the sink holds for it; all of the batch, or none."""
        ...

    def delete(self, documents: Sequence[DocumentRef]) -> None:
        """Hold nothing for these documents; that it held nothing is not an error."""
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...


@runtime_checkable
class EmbedsChunks(Protocol):
    """Optional, for sinks: chunks must carry a vector of this model."""

    @property
    def model(self) -> str:
        """Name of an embedding model, as `pipeline.embedding` knows it."""
        ...


@runtime_checkable
class Reindexes(Protocol):
    """Optional, for sinks that embed: a change of model fills an index anew while the old one goes on answering.

    Meanwhile `put` and `inventory` are about the new one, `search` is about the old one, and what is deleted or of a lower
    generation leaves both.
    """

    @property
    def searched_model(self) -> str:
        """Model of which the vector of the next query must be; `model` but while an index is filled anew."""
        ...

    def switch(self) -> None:
        """Answer from the index of `model` from now on. Told when nothing is owed any more; does nothing where it does so already."""
        ...


@runtime_checkable
class KeepsRecords(Protocol):
    """Optional, for sinks: keeps the records of streams, not text. It is put documents that carry `record` and no chunks, and no others."""

    def declare(self, tenant_id: str, endpoint: str, streams: Sequence[Stream]) -> None:
        """Say what will be put, before the first put of a delivery. What was declared before and no longer is, stays as it is."""
        ...


@runtime_checkable
class Settles(Protocol):
    """Optional, for sinks: wants to know when a delivery is over."""

    def settle(self) -> None:
        """Do what is better done once than at each put, such as making an index. May be skipped, and called again."""
        ...


@runtime_checkable
class Searches(Protocol):
    """Optional, for sinks: answers queries."""

    def search(self, query: Query) -> Sequence[Hit]:
        """At most `query.limit` hits of the query's tenant, best first; empty before anything was put."""
        ...


@runtime_checkable
class TakesInventory(Protocol):
    """Optional, for sinks: can say what it holds, so that drift is found and healed."""

    def inventory(self, tenant_id: str, endpoint: str) -> Iterator[tuple[str, int]]:
        """Yield (document id, generation) of every document held for the endpoint."""
        ...


@runtime_checkable
class Extractor(Protocol):
    """Turns the bytes of some media types into text, inside a worker process that may be killed.

    A module of `connector_pipelines.extractors` exports one as ``Extractor``; it is built without arguments.

    Attributes:
        version: Rises whenever the text for the same bytes may differ.
        media_types: Claimed types; media type → suffixes with the leading dot, the usual one first.

    One that recognises text in pictures says so by an attribute `recognises`, true: what it makes depends on `InputFile.ocr`, too.
    """

    version: ClassVar[str]
    media_types: ClassVar[dict[str, tuple[str, ...]]]

    def extract(self, file: InputFile) -> Iterator[Finding]:
        """Yield sections in reading order, facts whenever they are known, and the files inside this one.

        Text need not be clean: line ends and characters that stores refuse are seen to. After `Untaken` nothing else is heard.

        Raises:
            Malformed: The bytes are not a readable file of this type.
            Encrypted: None of the passwords opens it.
            ResourceError: A limit of `file` was met.
        """
        ...
