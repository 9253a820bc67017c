"""What a webhook says changed: read from the API itself, one record at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connector_pipelines.core.errors import NotFound
from connector_pipelines.core.types import Change, ChangePage, Notification, Upserted
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.api import Api, Ask
from connector_pipelines.sources.rest_api.config import WebhookTarget
from connector_pipelines.sources.rest_api.ids import address_of, values_of
from connector_pipelines.sources.rest_api.records import ROOT, Above, segment
from connector_pipelines.sources.rest_api.streams import StreamSettings
from connector_pipelines.sources.rest_api.templates import fill_path
from connector_pipelines.sources.rest_api.walking import Pass, Walker

__all__ = ["Details", "named_in"]


class Details:
    """Records by their `detail`."""

    def __init__(self, walker: Walker, api: Api) -> None:
        self._walker, self._api = walker, api

    def follow(self, ids: Sequence[str], page_records: int) -> Iterator[ChangePage]:
        """Each of these records as it is now, with what hangs on it."""
        gathered: list[Change] = []
        for record_id in ids:
            for changes in self._record(record_id):
                gathered += changes
                if len(gathered) >= page_records:
                    yield ChangePage(changes=tuple(gathered))
                    gathered = []
        yield ChangePage(changes=tuple(gathered))

    def fetch(self, record_id: str) -> Any:
        """The record's fields.

        Raises:
            NotFound: There is none, or the API answers with another in its place (two that were merged).
        """
        address = address_of(record_id, self._walker.settings)
        stream = address.stream
        if stream.detail is None or address.files is not None:
            raise NotFound(f"stream {stream.name!r} has no `detail` to read one record")
        answer = self._api.ask(
            Ask(what=f"stream {stream.name!r}", url=fill_path(stream.detail, values_of(address)), headers=stream.headers)
        )
        record = paths.find(answer.body, stream.detail_selector) if stream.detail_selector else answer.body
        if isinstance(record, list) and len(record) == 1:
            record = record[0]
        if not isinstance(record, dict) or not record:
            raise NotFound(f"{record_id!r}: the API answers without a record")
        return record

    def _record(self, record_id: str) -> Iterator[Sequence[Change]]:
        address = address_of(record_id, self._walker.settings)
        stream, run = address.stream, Pass(kind="delta")
        shape = self._walker.shapes[stream.name]
        try:
            record, above = self.fetch(record_id), self._above(record_id, stream)
        except NotFound:
            yield self._walker.gone(stream, record_id)
            return
        item = shape.item(record, above)
        if not isinstance(item, Upserted) or item.ref.id != record_id:
            yield self._walker.gone(stream, record_id)
            if not isinstance(item, Upserted):
                return
        if shape.is_gone(record):
            yield self._walker.gone(stream, item.ref.id)
            return
        yield [item]
        for step in self._walker.hanging(stream, [(record, item.ref)], above, run):
            yield step.changes

    def _above(self, record_id: str, stream: StreamSettings) -> Above:
        """What a listing would have read it below."""
        if stream.parent is None:
            return ROOT
        parent_id = record_id.rsplit("/", 2)[0]
        parent = self._walker.settings[stream.parent.stream]
        higher = self._above(parent_id, parent)
        record = self.fetch(parent_id)
        item = self._walker.shapes[parent.name].item(record, higher)
        above = self._walker.above(stream, record, item.ref, higher) if isinstance(item, Upserted) else None
        if above is None:
            raise NotFound(f"the parent of {record_id!r} does not lead to it any more")
        return above


def named_in(
    notifications: Sequence[Notification], targets: Sequence[WebhookTarget], streams: dict[str, StreamSettings]
) -> list[str] | None:
    """Ids of the records that notifications are about, each once; None where one of them does not say."""
    ids: dict[str, None] = {}
    for notification in notifications:
        events = [event for target in targets[:1] for event in _events(notification.payload, target)]
        named = [
            record_id
            for target in targets
            for event in _events(notification.payload, target)
            if (record_id := _named(event, target, streams))
        ]
        if not events or len(named) < len(events):
            return None
        ids |= dict.fromkeys(named)
    return list(ids)


def _events(payload: Any, target: WebhookTarget) -> list[Any]:
    found = paths.find(payload, target.events) if target.events else payload
    return found if isinstance(found, list) else [found]


def _named(event: Any, target: WebhookTarget, streams: dict[str, StreamSettings]) -> str | None:
    if target.field is not None and paths.find(event, target.field) not in target.equals:
        return None
    own, above = ([paths.find(event, path) for path in fields] for fields in (target.key, target.parent_key))
    if any(value is None or value == "" or isinstance(value, (dict, list)) for value in (*own, *above)):
        return None
    record_id = f"{target.stream}/{','.join(map(segment, own))}"
    parent = streams[target.stream].parent
    return f"{parent.stream}/{','.join(map(segment, above))}/{record_id}" if parent is not None else record_id
