"""The protocol of a source over a JSON API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar, Final

from connector_pipelines.core.errors import ConfigurationError, Forbidden, NotFound, PermanentError
from connector_pipelines.core.protocols import SourceConfig, Tools
from connector_pipelines.core.types import START, ChangePage, Cursor, DayRange, FileRef, Notification, Probe, Record, Stream, Upserted
from connector_pipelines.sources.rest_api.api import Api
from connector_pipelines.sources.rest_api.config import Config
from connector_pipelines.sources.rest_api.feed import Clocks, Feed
from connector_pipelines.sources.rest_api.files import located
from connector_pipelines.sources.rest_api.ids import address_of
from connector_pipelines.sources.rest_api.notified import Details, named_in
from connector_pipelines.sources.rest_api.place import read_cursor
from connector_pipelines.sources.rest_api.probing import Prober
from connector_pipelines.sources.rest_api.walking import Walker

__all__ = ["Source"]

_LOOKS_AT_ONCE: Final = 8


class Source:
    """Records of an API, and the files that hang on them."""

    config_type: ClassVar[type[SourceConfig]] = Config

    def __init__(
        self,
        config: Config,
        tools: Tools,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._api = Api(config, tools)
        self._walker = Walker(config, self._api, clock)
        self._feed = Feed(self._walker, self._api, Clocks(clock, elapsed_s), config.page_records)
        self._details = Details(self._walker, self._api)
        self._prober = Prober(self._walker, self._api)

    def test(self) -> Probe:
        return Probe(account=self._config.base_url, abilities=tuple(self._prober.abilities()))

    def list(self, folder: str = "") -> Iterator[FileRef]:
        """The records of a stream; of every stream that has no parent where `folder` is empty."""
        chosen = [stream for stream in self._walker.tops if folder in {"", stream.name}]
        if not chosen:
            known = ", ".join(stream.name for stream in self._walker.tops)
            raise ConfigurationError(f"there is no stream {folder[:200]!r}; there are {known}")
        for stream in chosen:
            shape, listing = self._walker.shapes[stream.name], self._walker.listing(stream, self._walker.ask(stream))
            for page in listing:
                items = (shape.item(record) for record in page.records if not shape.is_gone(record))
                yield from (item.ref for item in items if isinstance(item, Upserted))

    def changes(self, cursor: Cursor = START) -> Iterator[ChangePage]:
        places = read_cursor(cursor) if cursor != START and self._feed.keeps_places else None
        yield from self._feed.snapshot() if places is None else self._feed.delta(places)

    def changes_in(self, days: DayRange) -> Iterator[ChangePage]:
        yield from self._feed.window(days)

    def follow(self, notifications: Sequence[Notification]) -> Iterator[ChangePage] | None:
        ids = named_in(notifications, self._config.webhooks, self._walker.settings)
        return None if ids is None else self._details.follow(ids, self._config.page_records)

    def streams(self) -> Sequence[Stream]:
        return tuple(shape.declared() for shape in self._walker.shapes.values())

    def sample(self, stream: str, limit: int) -> Sequence[Record]:
        shape = self._walker.shapes.get(stream)
        if shape is None:
            raise ConfigurationError(f"there is no stream {stream[:200]!r}; there are {', '.join(self._walker.shapes)}")
        return tuple(Record(stream=shape.declared(), fields=fields) for fields in self._prober.first(shape.settings, limit))

    def still_there(self, refs: Sequence[FileRef]) -> frozenset[str]:
        wanted = [ref.id for ref in refs if self._confirms(ref.id)]
        with ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="rest-api-look") as pool:
            return frozenset(record_id for record_id, there in zip(wanted, pool.map(self._is_there, wanted), strict=True) if there)

    @contextmanager
    def open(self, ref: FileRef) -> Iterator[Iterator[bytes]]:
        address = address_of(ref.id, self._walker.settings)
        if address.files is None:
            yield iter((self._content(ref.id),))
            return
        with self._api.download(located(self._api, address.stream, address)) as download:
            yield iter(download)

    def close(self) -> None:
        self._api.close()

    def _content(self, record_id: str) -> bytes:
        """A record's bytes, for whoever lost those that came with its listing."""
        stream = address_of(record_id, self._walker.settings).stream
        if stream.detail is None:
            raise PermanentError(
                f"{record_id!r} comes with the listing of stream {stream.name!r}, which has no `detail` to read one record",
                advice="Give the stream `detail`, or sync with `--sweep`.",
            )
        for page in self._details.follow([record_id], self._config.page_records):
            for change in page.changes:
                if isinstance(change, Upserted) and change.ref.id == record_id and change.content is not None:
                    return change.content
        raise NotFound(f"{record_id!r} is gone")

    def _confirms(self, record_id: str) -> bool:
        try:
            address = address_of(record_id, self._walker.settings)
        except NotFound:
            return False
        return address.files is None and address.stream.confirm_deletions

    def _is_there(self, record_id: str) -> bool:
        address = address_of(record_id, self._walker.settings)
        shape = self._walker.shapes[address.stream.name]
        try:
            record = self._details.fetch(record_id)
        except NotFound:
            return False
        except (Forbidden, PermanentError):
            return True  # What cannot be read is not gone.
        return not shape.is_gone(record) and shape.has_key(record, address.chain[-1][1])
