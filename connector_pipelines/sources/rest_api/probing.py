"""`connectors test`: what of each stream works, by its first page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import Ability, Upserted
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.api import Api
from connector_pipelines.sources.rest_api.files import attached, located
from connector_pipelines.sources.rest_api.ids import address_of
from connector_pipelines.sources.rest_api.paging import NoPages
from connector_pipelines.sources.rest_api.reading import Listing
from connector_pipelines.sources.rest_api.records import ROOT, Above, key_of
from connector_pipelines.sources.rest_api.streams import StreamSettings
from connector_pipelines.sources.rest_api.values import parse
from connector_pipelines.sources.rest_api.walking import Walker

__all__ = ["Prober"]

_PARENTS_TRIED = 5


class Prober:
    def __init__(self, walker: Walker, api: Api) -> None:
        self._walker, self._api = walker, api

    def abilities(self) -> Iterator[Ability]:
        for stream in self._walker.settings.values():
            yield from self._of(stream)

    def first(self, stream: StreamSettings, limit: int) -> list[dict[str, Any]]:
        """The first records of a stream, as they are kept: below a parent, those below the first that has any."""
        for above in self._aboves(stream):
            records = next(iter(self._listing(stream, above)), None)
            if records is not None and records.records:
                return [{**record, **above.copied} for record in records.records[:limit]]
        return []

    def _of(self, stream: StreamSettings) -> Iterator[Ability]:
        name = f"list {stream.name}"
        try:
            above = next(self._aboves(stream), None)
            if above is None:
                yield Ability(name, works=True, detail=self._no_parents(stream))
                return
            listing = self._listing(stream, above)
            pages = iter(listing)
            first = next(pages, None)
            records = first.records if first else []
            is_last = isinstance(stream.paginator, NoPages)
            if is_last:
                list(pages)  # Only at its end does a listing know whether it looks like one page of several.
            problem = listing.problem if is_last else None
            yield Ability(
                name, works=problem is None, detail=f"{len(records)} records on the first page." if problem is None else f"{problem}."
            )
            yield from self._fields(stream, records)
            if not is_last and records:
                second = next(pages, None)
                more = f"The next page has {len(second.records)}." if second else "There is no second page."
                yield Ability(f"page {stream.name}", works=True, detail=more)
        except ConnectorError as error:
            yield Ability(name, works=False, detail=f"{error}. {error.advice}".rstrip())
            return
        yield from self._files(stream, records, above)

    def _fields(self, stream: StreamSettings, records: list[dict[str, Any]]) -> Iterator[Ability]:
        if not records:
            return
        keys = [key_of(record, stream.primary_key) for record in records]
        named, without = ", ".join(stream.primary_key), keys.count(None)
        repeated = len(keys) - without - len({key for key in keys if key})
        wrong = (
            f"{without} of {len(keys)} records have none" if without else f"{repeated} of {len(keys)} repeat another's" if repeated else ""
        )
        yield Ability(f"key of {stream.name}", works=not wrong, detail=f"{named}: {wrong or 'each record has one of its own'}.")
        if stream.cursor is not None:
            values = [parse(paths.find(record, stream.cursor.field), stream.cursor.format) for record in records]
            unread = sum(value is None for value in values)
            said = f"{unread} of {len(values)} records hold no {stream.cursor.format}" if unread else "each record has one"
            yield Ability(f"cursor of {stream.name}", works=unread < len(values), detail=f"{stream.cursor.field}: {said}.")

    def _files(self, stream: StreamSettings, records: list[dict[str, Any]], above: Above) -> Iterator[Ability]:
        for files in stream.attachments:
            name = f"open {files.name} of {stream.name}"
            try:
                yield Ability(name, works=True, detail=self._opened(stream, files.name, records, above))
            except ConnectorError as error:
                yield Ability(name, works=False, detail=f"{error}. {error.advice}".rstrip())

    def _opened(self, stream: StreamSettings, files_name: str, records: list[dict[str, Any]], above: Above) -> str:
        files = next(one for one in stream.attachments if one.name == files_name)
        for record in records:
            item = self._walker.shapes[stream.name].item(record, above)
            if not isinstance(item, Upserted):
                continue
            address = address_of(item.ref.id, self._walker.settings)
            for found in attached(self._api, stream, files, record=item.ref, fields=record, address=address):
                if isinstance(found, Upserted):
                    url = located(self._api, stream, address_of(found.ref.id, self._walker.settings))
                    with self._api.download(url) as stream_of_bytes:
                        next(iter(stream_of_bytes), b"")
                    return f"{found.ref.name} can be read."
        return "No record on the first page has one to try."

    def _aboves(self, stream: StreamSettings) -> Iterator[Above]:
        """What the stream may be read below, the first few."""
        if stream.parent is None:
            yield ROOT
            return
        parent = self._walker.settings[stream.parent.stream]
        for higher in self._aboves(parent):
            page = next(iter(self._listing(parent, higher)), None)
            for record in page.records[:_PARENTS_TRIED] if page else ():
                above = self._below(stream, parent, record, higher)
                if above is not None:
                    yield above

    def _below(self, stream: StreamSettings, parent: StreamSettings, record: Mapping[str, Any], higher: Above) -> Above | None:
        item = self._walker.shapes[parent.name].item(record, higher)
        return self._walker.above(stream, record, item.ref, higher) if isinstance(item, Upserted) else None

    def _listing(self, stream: StreamSettings, above: Above) -> Listing:
        return self._walker.listing(stream, self._walker.ask(stream, above))

    @staticmethod
    def _no_parents(stream: StreamSettings) -> str:
        parent = stream.parent
        fields = ", ".join(parent.params.values()) if parent else ""
        return f"No record on the first page of its parent has {fields} to try it by."
