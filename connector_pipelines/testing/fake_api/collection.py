"""The records of one stream, in memory: edits, and views in the order and by the filter an answer needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

__all__ = ["Collection", "File", "Key", "Row", "Selection", "View"]

Key = tuple[int, int]
"""Place of a record in an order: stamp (0 where ordered by id) and sequence number."""

_VIEWS: Final = 32


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes = field(repr=False)
    media_type: str
    id: str


@dataclass(slots=True, kw_only=True)
class Row:
    """A record. Never edited but for `rendered`: an edit puts another in its place.

    Attributes:
        sequence: Rises with each record that is made.
        created, stamp, deleted: Microseconds since 1970; `stamp` is the last change.
        rendered: The record's JSON, once it was asked for.
    """

    id: str
    sequence: int
    fields: Mapping[str, Any]
    created: int
    stamp: int
    deleted: int | None = None
    parent: str | None = None
    files: tuple[File, ...] = ()
    rendered: bytes | None = None

    def edited(self, **changes: Any) -> Row:
        return replace(self, rendered=None, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: both bounds of the stamp inclusive; `deleted` None is both."""

    since: int | None = None
    until: int | None = None
    parent: str | None = None
    deleted: bool | None = False
    order: str = "id"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """Rows in order, and their keys, which rise."""

    rows: Sequence[Row]
    keys: Sequence[Key]


class Collection:
    """Used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[str, Row] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._sequences: dict[str, int] = {}
        self._last = 0
        self._views: dict[Selection, View] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, record_id: str) -> Row | None:
        return self._rows.get(record_id)

    def row(self, record_id: str) -> Row:
        """Raises KeyError where there is none."""
        return self._rows[record_id]

    def rows(self) -> tuple[Row, ...]:
        with self._lock:
            return tuple(self._rows.values())

    def sequence_of(self, record_id: str) -> int | None:
        """Also of a record that is gone, so that a list can be taken up after it."""
        return self._sequences.get(record_id)

    def put(self, record_id: str | None, fields: Mapping[str, Any], *, parent: str | None, stamp: int) -> Row:
        """Make the record, or give it these fields; what was deleted is back."""
        with self._lock:
            known = self._rows.get(record_id) if record_id is not None else None
            if known is not None:
                row = known.edited(fields=fields, parent=parent or known.parent, stamp=stamp, deleted=None)
            else:
                self._last += 1
                new_id = str(self._last) if record_id is None else record_id
                row = Row(id=new_id, sequence=self._last, fields=fields, created=stamp, stamp=stamp, parent=parent)
            self._store(row)
            return row

    def edit(self, record_id: str, change: Callable[[Row], Row]) -> Row:
        """Raises KeyError where there is none."""
        with self._lock:
            row = change(self._rows[record_id])
            self._store(row)
            return row

    def remove(self, record_id: str) -> None:
        """Leave no trace. Raises KeyError where there is none."""
        with self._lock:
            row = self._rows.pop(record_id)
            if row.parent is not None:
                self._children[row.parent].pop(record_id, None)
            self._views.clear()

    def view(self, selection: Selection) -> View:
        with self._lock:
            found = self._views.get(selection)
            if found is None:
                found = self._made(selection)
                if len(self._views) >= _VIEWS:
                    self._views.pop(next(iter(self._views)))
                self._views[selection] = found
            return found

    def _store(self, row: Row) -> None:
        known = self._rows.get(row.id)
        if known is not None and known.parent not in {None, row.parent}:
            self._children[str(known.parent)].pop(row.id, None)
        self._rows[row.id] = row
        self._sequences[row.id] = row.sequence
        if row.parent is not None:
            self._children.setdefault(row.parent, {})[row.id] = None
        self._views.clear()

    def _made(self, selection: Selection) -> View:
        by_stamp = selection.order == "cursor"
        sign = -1 if selection.descending else 1
        # Compared with the stamp of the deletion where only the deleted ones are asked for.
        found = [
            ((sign * row.stamp if by_stamp else 0, sign * row.sequence), row)
            for row in self._candidates(selection.parent)
            if (selection.deleted is None or (row.deleted is not None) is selection.deleted)
            and (selection.since is None or row.stamp >= selection.since)
            and (selection.until is None or row.stamp <= selection.until)
        ]
        found.sort(key=lambda pair: pair[0])
        return View([row for _, row in found], [key for key, _ in found])

    def _candidates(self, parent: str | None) -> Sequence[Row]:
        if parent is None:
            return list(self._rows.values())
        return [self._rows[child] for child in self._children.get(parent, ())]
