"""Values that cross a layer boundary. Frozen, no I/O, no behaviour beyond themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, NewType, TypeAlias

from connector_pipelines.core.access import Acl
from connector_pipelines.core.findings import Facts, Finding, InputFile, Ocr, Part, Place, Recognising, Section, Shortfall, Untaken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "RECORD_TYPE", "START", "Ability", "Acl", "Below", "Change", "ChangePage", "Checksum", "Chunk", "ColumnType", "Cursor", "DayRange", "Deleted", "Document",
    "DocumentRef", "Facts", "FileRef", "Finding", "Folder", "Hit", "InputFile", "Notification", "Ocr", "Part", "Place", "Probe", "Query", "Recognising",
    "Record", "Section", "Shortfall", "Skipped", "Stream", "Unlistable", "Untaken", "Upserted", "Vector", "content_hash",
]  # fmt: skip

Cursor = NewType("Cursor", str)
"""Opaque place in a source's change feed; only the source that made it can read it."""

START = Cursor("")
"""The place before everything: a feed read from here is a snapshot."""

RECORD_TYPE = "application/json"
"""Media type of a record: one JSON object, UTF-8."""

ColumnType = Literal["text", "integer", "number", "boolean", "timestamp", "date", "json"]
"""What a field of a record holds: `integer` fits 64 bits, `number` is any other, `timestamp` is an instant, `json` an object or a list."""

Vector: TypeAlias = "NDArray[np.float32]"
"""float32, shape (dimension,). Importing this module does not import numpy."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """`algorithm` is a hashlib name (md5, sha1, sha256); `hexdigest` is lower case."""

    algorithm: str
    hexdigest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """One file version as its source describes it.

    Attributes:
        id: The source's stable id. Survives rename and move wherever the source has such an id.
        path: For people: ``/``-separated, no leading slash; may repeat.
        version: Differs whenever the bytes differ. May differ when they do not.
        media_type: IANA type, lower case, without parameters.
        size: Bytes, or None when the source cannot say before export.
        modified_at: Aware, UTC, or None. Decides the file's window; `created_at` does where it is None.
        created_at: Aware, UTC, or None.
        identity: What stays the same under rename where `id` does not (device, inode, size and time of a
            file on disk), or None. An id never seen before with the identity of one that vanished is that file, moved.
        url: Where a person opens it, without credentials, or None.
        checksum: Of the bytes of `version`, where the source tells one.
        stream: Name of the stream whose record this is; None for a file.
        parent: Id of the `Folder` it lies in, for sources that name their folders. `path` is then the folder's path and the file's name.
        locator: What the source needs beside `id` to fetch the bytes, in words of its own: kept, and handed back. One that differs
            is no change of the file.
        acl: Who may see it; None where the source does not say, and everyone in the tenant may. One that differs is told to the
            sinks; nothing is fetched or embedded for it.
    """

    id: str
    path: str
    version: str
    media_type: str
    size: int | None = None
    modified_at: datetime | None = None
    created_at: datetime | None = None
    identity: str | None = None
    url: str | None = None
    checksum: Checksum | None = None
    stream: str | None = None
    parent: str | None = None
    locator: str | None = None
    acl: Acl | None = None

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Upserted:
    """The file exists now, with these facts.

    Attributes:
        content: The bytes of `ref.version`, where they came with the listing: `open` is never asked for them. A record's
            are its JSON object. None: to be fetched.
    """

    ref: FileRef
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder exists now, and is kept so that its source can be stateless: asked for again by `Tools.folders`.

    What lies below it follows it: a path that is another than before changes the paths of all folders and files below, without
    their being named. Named before what lies in it, in a feed and in a snapshot.

    Attributes:
        parent: Id of the folder it lies in, or None for the outermost one.
        path: ``/``-separated, no leading slash; empty for an outermost folder that has no name in paths.
        target: Of a shortcut, the id of what it leads to. A shortcut to a file is a `Folder` in which that file lies.
        acl: What a source needs to work out who may see what lies in it. Not told to anybody.
    """

    id: str
    parent: str | None
    path: str
    target: str | None = None
    acl: Acl | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The file, or the folder with all that lies below it, is gone, or this account can no longer see it."""

    id: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """The item exists and is in scope, and is left out on purpose. `reason` is a stable code, `parent` as in `FileRef`."""

    id: str
    path: str
    reason: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Unlistable:
    """What lies below `path` could not be enumerated: nothing there may be taken for gone.

    Attributes:
        path: ``/``-separated prefix of the paths concerned; empty means everything.
        code: A stable error code, as in `core.errors`.
        message: For the ledger.
        remembered: The page's cursor knows of it, and a delta from there tries it again; that it works is said by a `Below` of its
            folder, or of one above. Otherwise a snapshot with such a part keeps no cursor, and is made again.
    """

    path: str
    code: str
    message: str
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Below:
    """Of all that lies below `id`, only `ids` are there, and what lies below those: whatever else is known there is gone.

    Below an id lie the ids that begin with it and a slash: what hangs on a record goes with it. Where `id` is a `Folder`, what lies in
    it and in the folders below does, and `ids` names all files and folders there; nothing is taken to be there for its folder's sake.
    For deltas.
    """

    id: str
    ids: frozenset[str] = frozenset()


Change = Upserted | Folder | Deleted | Skipped | Unlistable | Below


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """A batch of changes and the place they end.

    Attributes:
        cursor: Where to resume once these changes are recorded; None where the feed cannot be
            resumed. The last page of a call always has one.
        snapshot: The whole call enumerates every file, so a file it never names is gone (but for
            `Unlistable` parts). In a snapshot only the last page has a cursor.
    """

    changes: tuple[Change, ...]
    cursor: Cursor | None = None
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days of source time, both ends inclusive; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A kind of record a source has: what a table is to a database.

    Attributes:
        name: Unique in the source; lower-case letters, digits and underscores.
        primary_key: Fields that together name a record, dotted where they are nested. `FileRef.id` says the same in one text.
        cursor_field: Field by which newer records are told from older ones, or None.
        columns: Types of fields by name, as far as they are declared; others are found out from the records.
        title, body, link: Jinja templates over the fields of a record: what is searched, and where a person opens it. None: the
            title is made of the primary key, the body of all fields that hold text; an empty body is not searched for.
    """

    name: str
    primary_key: tuple[str, ...]
    cursor_field: str | None = None
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    title: str | None = None
    body: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a stream as its source gave it. `fields` is a JSON object."""

    stream: Stream
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What another system told our webhook: a hint to look, never data.

    Attributes:
        delivery_id: The other side's name for this telling; told again, it is the same.
        payload: JSON.
        received_at: Aware, UTC.
    """

    delivery_id: str
    payload: Any = field(repr=False)
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chunk:
    """A unit of embedding.

    Attributes:
        ordinal: Position in the document, from 0, without gaps.
        hash: `content_hash` of `text`, 32 bytes.
        vector: float32, shape (dimension,), unit length; None where the sink did not ask for one.
    """

    ordinal: int
    text: str
    hash: bytes
    place: Place = Place()  # noqa: RUF009 - frozen
    vector: Vector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRef:
    """A document at a generation. `id` is a UUID in text form, unique in the installation, and stays under rename."""

    id: str
    tenant_id: str
    endpoint: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(DocumentRef):
    """What a sink is to hold for a document: exactly these chunks.

    Attributes:
        endpoint: Slug of the endpoint it came from.
        acl: Who may see it, as `core.access.Acl` writes itself, or None when everyone in the tenant may.
        metadata: JSON object of small facts.
        record: For sinks that keep records: what this document was made of. Then there are no chunks.
    """

    kind: str
    title: str
    path: str
    media_type: str
    url: str | None = None
    modified_at: datetime | None = None
    acl: Mapping[str, object] | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    chunks: tuple[Chunk, ...] = ()
    record: Record | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search. `vector` is float32, shape (dimension,), in the sink's model; None for sinks without one."""

    text: str
    tenant_id: str
    endpoint: str | None = None
    limit: int = 50
    vector: Vector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk found. `score` rises with relevance and compares only within one answer of one sink."""

    document_id: str
    generation: int
    ordinal: int
    score: float


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing a connection test tried. `detail` says what it found, or why it does not work and what to do."""

    name: str
    works: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a connection test found. `account` is who we are to the other side."""

    account: str
    abilities: tuple[Ability, ...] = ()

    @property
    def works(self) -> bool:
        return all(a.works for a in self.abilities)


def content_hash(text: str) -> bytes:
    """SHA-256 of the UTF-8 text, 32 bytes: equal text is embedded once."""
    return hashlib.sha256(text.encode()).digest()
