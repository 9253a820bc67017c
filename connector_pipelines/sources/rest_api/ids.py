"""Ids of items, and what an id says: a stream and a key, below a stream and a key, and so on; an attachment last.

`invoices/4711/lines/3` is a line of an invoice, `invoices/4711/~scans/9` a file that hangs on it. A key is escaped, so that
no key is ever taken for a part of another id.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector_pipelines.core.errors import NotFound
from connector_pipelines.sources.rest_api.records import parts_of
from connector_pipelines.sources.rest_api.streams import StreamSettings

__all__ = ["Address", "address_of", "values_of"]


@dataclass(frozen=True, slots=True)
class Address:
    """What an id names.

    Attributes:
        chain: Streams and keys, the outermost first.
        files, file_id: Name of the attachments and id of the one, or None for a record.
    """

    chain: tuple[tuple[StreamSettings, tuple[str, ...]], ...]
    files: str | None = None
    file_id: str | None = None

    @property
    def stream(self) -> StreamSettings:
        return self.chain[-1][0]


def address_of(item_id: str, streams: dict[str, StreamSettings]) -> Address:
    """What an id names.

    Raises:
        NotFound: It is none that this source gave out.
    """
    parts = item_id.split("/")
    files, file_id = (parts[-2][1:], parts[-1]) if len(parts) > 2 and parts[-2].startswith("~") else (None, None)
    own = parts[:-2] if files is not None else parts
    chain: list[tuple[StreamSettings, tuple[str, ...]]] = []
    for name, key in zip(own[::2], own[1::2], strict=False):
        stream = streams.get(name)
        above = stream.parent.stream if stream and stream.parent else None
        values = parts_of(key)
        if stream is None or above != (chain[-1][0].name if chain else None) or len(values) != len(stream.primary_key) or not all(values):
            raise NotFound(f"{item_id[:200]!r} is not the id of a record of this source")
        chain.append((stream, values))
    known_files = {one.name for one in chain[-1][0].attachments} if chain else set()
    if not chain or len(own) % 2 or (files is not None and (files not in known_files or not file_id)):
        raise NotFound(f"{item_id[:200]!r} is not the id of a record of this source")
    return Address(tuple(chain), files, parts_of(file_id)[0] if file_id else None)


def values_of(address: Address) -> dict[str, str]:
    """Values of the placeholders of `detail`: fields of the primary key, and what comes from the key of the parent."""
    values: dict[str, str] = {}
    inherited: dict[str, str] = {}
    for above, (stream, key) in zip((None, *address.chain), address.chain, strict=False):
        if above is not None and stream.parent is not None:
            of_parent = dict(zip(above[0].primary_key, above[1], strict=True))
            inherited |= {name: of_parent[field] for name, field in stream.parent.params.items() if field in of_parent}
        values = {**{field.rsplit(".", 1)[-1]: value for field, value in zip(stream.primary_key, key, strict=True)}, **inherited}
    return values
