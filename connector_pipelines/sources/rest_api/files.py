"""Files that hang on records: which there are, and where the bytes of one are just now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector_pipelines.core.errors import Malformed, NotFound
from connector_pipelines.core.types import FileRef, Skipped, Upserted
from connector_pipelines.sources._globs import Scope
from connector_pipelines.sources._media_types import media_type_of
from connector_pipelines.sources.rest_api import paths
from connector_pipelines.sources.rest_api.api import Api, Ask
from connector_pipelines.sources.rest_api.decoding import encode, fingerprint
from connector_pipelines.sources.rest_api.ids import Address, values_of
from connector_pipelines.sources.rest_api.reading import Listing
from connector_pipelines.sources.rest_api.records import in_path, key_of
from connector_pipelines.sources.rest_api.streams import Attachments, StreamSettings
from connector_pipelines.sources.rest_api.templates import fill_path
from connector_pipelines.sources.rest_api.values import instant

__all__ = ["attached", "located"]


def attached(
    api: Api, stream: StreamSettings, files: Attachments, *, record: FileRef, fields: Mapping[str, Any], address: Address
) -> Iterator[Upserted | Skipped]:
    """The files of one record.

    Raises:
        NotFound: They are listed by an address of their own, and it is gone.
    """
    scope = Scope.of(files.include, ())
    for found in _listed(api, stream, files, fields, address):
        file_id = key_of(found, (files.id,))
        if file_id is None:
            continue
        name = str(paths.find(found, files.file_name) or "") if files.file_name else ""
        ref = _ref(files, record, found, file_id=file_id, name=in_path(name) or file_id)
        if not scope.includes(ref.name):
            continue
        too_large = files.max_file_bytes is not None and ref.size is not None and ref.size > files.max_file_bytes
        yield Skipped(ref.id, ref.path, "too_large") if too_large else Upserted(ref)


def located(api: Api, stream: StreamSettings, address: Address) -> str:
    """Where the bytes of a file are just now: such addresses expire, so it is asked for anew.

    Raises:
        NotFound: The record or the file is gone.
        Malformed: What the API says of the file holds no address.
    """
    files = next(one for one in stream.attachments if one.name == address.files)
    values = values_of(address)
    if files.url_template is not None:
        return fill_path(files.url_template, {**values, "attachment_id": address.file_id})
    fields: Mapping[str, Any] = {}
    if files.list is not None:
        answer = api.ask(Ask(what=f"stream {stream.name!r}", url=fill_path(stream.detail or "", values), headers=stream.headers))
        fields = paths.find(answer.body, stream.detail_selector, {}) if stream.detail_selector else answer.body
    for found in _listed(api, stream, files, fields, address):
        if str(paths.find(found, files.id)) == address.file_id:
            url = paths.find(found, files.url or "")
            if not isinstance(url, str) or not url:
                raise Malformed(f"attachment {address.file_id!r} of stream {stream.name!r} has no address in {files.url!r}")
            return url
    raise NotFound(f"the record of stream {stream.name!r} has no attachment {address.file_id!r} any more")


def _listed(
    api: Api, stream: StreamSettings, files: Attachments, fields: Mapping[str, Any], address: Address
) -> Iterator[Mapping[str, Any]]:
    if files.list is not None:
        for found in paths.every(fields, files.list):
            yield from (one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping))
        return
    what = f"attachments {files.name!r} of stream {stream.name!r}"
    ask = Ask(what=what, url=fill_path(files.path or "", values_of(address)), headers=stream.headers)
    listing = Listing(api, ask, paginator=files.paginator, key=lambda one: key_of(one, (files.id,)), selector=files.record_selector)
    listing.needs_to_exist = False
    for page in listing:
        yield from page.records


def _ref(files: Attachments, record: FileRef, found: Mapping[str, Any], *, file_id: str, name: str) -> FileRef:
    size = paths.find(found, files.size) if files.size else None
    media_type = paths.find(found, files.media_type) if files.media_type else None
    told = [paths.find(found, field) for field in files.version]
    kept = told if any(value is not None for value in told) else paths.without(found, (files.url,) if files.url else ())
    return FileRef(
        id=f"{record.id}/~{files.name}/{file_id}",
        path=f"{record.path}/{name}",
        version=fingerprint(encode(kept)),
        media_type=_media_type(media_type) or media_type_of(name),
        size=int(size) if isinstance(size, (int, str)) and str(size).isdecimal() else None,
        modified_at=(instant(paths.find(found, files.modified)) if files.modified else None) or record.modified_at,
        created_at=record.created_at,
    )


def _media_type(said: Any) -> str | None:
    if not isinstance(said, str):
        return None
    bare = said.partition(";")[0].strip().lower()
    return bare if bare.count("/") == 1 and bare != "application/octet-stream" else None
