"""The protocol of a source over a bucket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import ClassVar, Final
from urllib.parse import quote

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Forbidden, NotFound, PermanentError, Unavailable
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, Ability, Change, ChangePage, Cursor, FileRef, Probe, Skipped, Upserted
from connector_pipelines.sources._globs import Scope
from connector_pipelines.sources._media_types import media_type_of
from connector_pipelines.sources.s3.client import Client
from connector_pipelines.sources.s3.config import Config
from connector_pipelines.sources.s3.credentials import Wallet
from connector_pipelines.sources.s3.listing import Entry, Page
from connector_pipelines.sources.s3.reading import Reading

__all__ = ["Source"]

_LISTED: Final = Cursor("listed")
_HEADS_AT_ONCE: Final = 8
_HEADS_IN_A_BATCH: Final = 1000


class Source:
    """Objects of a bucket.

    Ids are keys. S3 renames by copying, and a copy shares its ETag with the original, as all equal files do: nothing
    tells a move, so `FileRef.identity` is None. A moved object is read once more, and its bytes are known by then.
    """

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(self, config: Config, tools: Tools, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._config = config
        self._scope = Scope.of(config.include, config.exclude)
        self._client = Client(config, Wallet(config, tools), sleep, tools.outbound)
        self._place = f"s3://{config.bucket}/{config.prefix}"

    def test(self) -> Probe:
        try:
            page = self._client.page(prefix=self._config.prefix, size=1000)
        except ConnectorError as error:
            listing = Ability("list the bucket", works=False, detail=f"{error}. {error.advice}".rstrip())
            reading = Ability("read an object", works=False, detail="There is no listing to take one from.")
        else:
            listing = Ability("list the bucket", works=True, detail=self._said_of(page))
            reading = self._try_reading(page)
        return Probe(account=f"{self._place} at {self._client.host}, by {self._config.credentials.type}", abilities=(listing, reading))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        prefix = self._prefix_of(folder)
        is_there = not folder
        for page in self._pages(prefix, delimiter="/"):
            is_there = is_there or bool(page.entries or page.folders)
            yield from (change.ref for change in self._changes(page) if isinstance(change, Upserted))
        if not is_there:
            raise ConfigurationError(f"there is no folder {folder!r} in {self._place}")

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:  # noqa: ARG002 - a bucket keeps no feed to resume
        for page in self._pages(self._config.prefix):
            yield ChangePage(changes=tuple(self._changes(page)), cursor=_LISTED if page.token is None else None, snapshot=True)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        if not self._holds(ref.id):
            raise NotFound(f"{ref.id!r} is not the key of an object below {self._place}")
        with closing(Reading(self._client, ref.id)) as reading:
            yield reading.chunks()

    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        wanted = [ref.id for ref in refs if self._holds(ref.id) and self._wants(ref.id)]
        there: set[str] = set()
        with ThreadPoolExecutor(_HEADS_AT_ONCE, thread_name_prefix="s3-head") as pool:
            for start in range(0, len(wanted), _HEADS_IN_A_BATCH):
                batch = wanted[start : start + _HEADS_IN_A_BATCH]
                there.update(key for key, is_there in zip(batch, pool.map(self._is_there, batch), strict=True) if is_there)
        if len(there) < len(wanted):
            # A HEAD does not tell an object that is gone from a bucket that is.
            self._client.page(prefix=self._config.prefix, size=1)
        return frozenset(there)

    def close(self) -> None:
        self._client.close()

    def _pages(self, prefix: str, *, delimiter: str = "") -> Iterator[Page]:
        token: str | None = None
        while True:
            page = self._client.page(prefix=prefix, size=self._config.page_size, token=token, delimiter=delimiter)
            if page.token is not None and page.token == token:
                raise Unavailable(f"{self._place}: the S3 gives the same page of its listing again and again")
            yield page
            token = page.token
            if token is None:
                return

    def _changes(self, page: Page) -> Iterator[Change]:
        return (change for change in map(self._change, page.entries) if change is not None)

    def _change(self, entry: Entry) -> Change | None:
        key = entry.key
        if not self._wants(key) or (key.endswith("/") and entry.size == 0):
            return None  # The latter is what consoles show as a folder.
        if not _is_text(key):
            readable = quote(key, safe="/ ", errors="surrogateescape")
            return Skipped(readable, readable, "key_not_text")
        if entry.is_archived:
            return Skipped(key, self._path_of(key), "archived")
        if self._config.max_file_bytes is not None and entry.size > self._config.max_file_bytes:
            return Skipped(key, self._path_of(key), "too_large")
        return Upserted(self._ref(entry))

    def _ref(self, entry: Entry) -> FileRef:
        return FileRef(
            id=entry.key,
            path=self._path_of(entry.key),
            # Time and size too: some that serve a file system give no ETag, or every object the same.
            version=f"{entry.etag}-{entry.size}-{entry.modified_at.timestamp():.3f}",
            media_type=media_type_of(entry.key),
            size=entry.size,
            modified_at=entry.modified_at,
            url=self._url(entry.key),
            # No checksum: a listing does not tell whether the ETag is the MD5 of the bytes. Under SSE-KMS it is not.
        )

    def _path_of(self, key: str) -> str:
        return key[len(self._config.folder) :].strip("/") or key

    def _url(self, key: str) -> str:
        config = self._config
        if config.endpoint is not None or config.credentials.type == "anonymous" or config.region.startswith(("cn-", "us-gov-")):
            return self._client.url(key)
        return (
            f"https://{config.region}.console.aws.amazon.com/s3/object/{config.bucket}?region={config.region}&prefix={quote(key, safe='')}"
        )

    def _wants(self, key: str) -> bool:
        below = key[len(self._config.folder) :]
        return self._scope.includes(below) and self._scope.reaches(below)

    def _holds(self, key: str) -> bool:
        return bool(key) and _is_text(key) and key.startswith(self._config.prefix)

    def _is_there(self, key: str) -> bool:
        try:
            self._client.head(key)
        except NotFound:
            return False
        except (PermanentError, Forbidden):
            return True  # What cannot be read is not gone.
        return True

    def _prefix_of(self, folder: str) -> str:
        if not folder:
            return self._config.prefix
        whole = f"{self._config.folder}{folder}/"
        if not _is_text(folder) or not whole.startswith(self._config.prefix):
            raise ConfigurationError(f"{folder!r} is outside of what is synced from {self._place}")
        if not (self._scope.may_hold(folder) and self._scope.reaches(folder)):
            raise ConfigurationError(f"{folder!r} is left out by `include` and `exclude`")
        return whole

    def _said_of(self, page: Page) -> str:
        if not page.entries and page.token is None:
            hint = " If there should be, correct `prefix`: an S3 cannot tell a folder that is empty from one that never was."
            return f"The bucket can be listed; no key begins with {self._config.prefix!r}.{hint}" if self._config.prefix else "It is empty."
        more = "" if page.token is None else " and more"
        return (
            f"{len(page.entries)} keys{more} begin with {self._config.prefix!r}."
            if self._config.prefix
            else f"{len(page.entries)} keys{more}."
        )

    def _try_reading(self, page: Page) -> Ability:
        refs = [change.ref for change in self._changes(page) if isinstance(change, Upserted)]
        if not refs:
            return Ability("read an object", works=True, detail="There is no object in scope among those listed first to try.")
        ref = next((ref for ref in refs if ref.size), refs[0])
        try:
            # The first byte. An empty object has none.
            with closing(self._client.get(ref.id, headers={"Range": "bytes=0-0"} if ref.size else {})) as answer:
                is_versioned = answer.headers.get("x-amz-version-id", "null") != "null"
        except ConnectorError as error:
            return Ability("read an object", works=False, detail=f"{error}. {error.advice}".rstrip())
        kept = " The bucket keeps versions." if is_versioned else ""
        return Ability("read an object", works=True, detail=f"{ref.path} can be read.{kept}")


def _is_text(key: str) -> bool:
    """Whether a database takes it: no NUL, and no byte that is not UTF-8."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in key
