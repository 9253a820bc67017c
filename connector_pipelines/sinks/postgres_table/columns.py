"""Which column holds what: the columns of one table, and what a batch of records changes about them.

A field keeps its column for good. A value the column cannot hold goes into another column beside it, `<column>__<type>`, so
that queries on the old one go on to work and nothing is lost; only widening (`integer` to `number`, `date` to
`timestamp`) changes a column's type.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from connector_pipelines.core.types import ColumnType
from connector_pipelines.sinks.postgres_table.values import WIDER, Misfit, flattened, holder, in_utc, pointer, sure, type_for, type_of

__all__ = ["MORE", "OWN", "Column", "Columns", "identifier"]

OWN = ("_document_id", "_generation", "_synced_at")
MORE = "_more"

_NAME_BYTES = 63  # of an identifier in Postgres, which cuts longer ones without a word
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9_]+")

_Place = tuple[int, Callable[[Any], object]]
"""Position among the columns, and how a value is made ready for it."""


@dataclass(frozen=True, slots=True)
class Column:
    """`field` is where its values are in a record, as an RFC 6901 pointer. Several columns may be of one field."""

    name: str
    field: str
    type: ColumnType


@dataclass(slots=True)
class _Level:
    """How the fields of an object are placed without looking long: by name and class of the value.

    Attributes:
        at: The object's pointer; `depth`: how many more are opened below it.
    """

    at: str
    depth: int
    direct: dict[tuple[str, type], _Place] = field(default_factory=dict)
    inner: dict[str, _Level] = field(default_factory=dict)


@dataclass
class Columns:
    """The columns of one table as far as they are known, and what is to be changed before the rows can be written.

    Attributes:
        added: Columns the table lacks; `widened`: columns it has with a narrower type.
        beside: Of those added, each whose field had a column of another type already.
    """

    known: list[Column]
    declared: Mapping[str, ColumnType] = field(default_factory=dict)
    depth: int = 3
    limit: int = 500
    added: list[Column] = field(default_factory=list)
    widened: list[Column] = field(default_factory=list)
    beside: list[tuple[Column, Column]] = field(default_factory=list)
    _places: dict[tuple[str, ColumnType], _Place | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._top = _Level("", self.depth)

    @property
    def changed(self) -> bool:
        return bool(self.added or self.widened)

    @property
    def names(self) -> list[str]:
        """In the order of `rows`, without `OWN`."""
        return [c.name for c in self.known]

    def expect(self, fields: Iterable[str]) -> None:
        """Make the columns of declared fields, whether or not a record holds them."""
        for at in fields:
            self._place(at, self.declared[at])

    def rows(self, records: Sequence[Mapping[str, Any]]) -> list[list[object]]:
        """A value for each of `names`, for each record; `known` grows where it must. A field that is null or missing is None."""
        try:
            return [self._row(record) for record in records]
        except KeyError:
            # Of a new field all values are looked at before its column is made.
            self._learn(records)
            return [self._row(record) for record in records]

    def _row(self, record: Mapping[str, Any]) -> list[object]:
        """Raises KeyError for what no place is known for."""
        row: list[object] = [None] * len(self.known)
        more: dict[str, Any] = {}
        self._fill(row, record, self._top, more)
        if more:
            index, ready = self._places[MORE, "json"] or (0, str)
            row[index] = ready(more)
        return row

    def _fill(self, row: list[object], fields: Mapping[str, Any], level: _Level, more: dict[str, Any]) -> None:
        direct = level.direct
        for name, value in fields.items():
            kind = value.__class__
            if kind is dict and name in level.inner and value:
                self._fill(row, value, level.inner[name], more)
                continue
            place = direct.get((name, kind))
            if place is not None:
                try:
                    row[place[0]] = place[1](value)
                    continue
                except Misfit:
                    pass
            if value is not None:
                self._search(row, name, value, level, more)

    def _search(self, row: list[object], name: str, value: Any, level: _Level, more: dict[str, Any]) -> None:
        """Find the place of a field the long way, and remember it where the class of the value says enough next time."""
        here = level.at + pointer(name)
        if type(value) is dict and value and level.depth and here not in self._whole:
            level.inner[name] = _Level(here, level.depth - 1)
            self._fill(row, value, level.inner[name], more)
            return
        value = self._read(here, value)
        place = self._places[here, type_of(value)]
        if place is None:
            more[here] = value
            return
        row[place[0]] = place[1](value)
        column = self.known[place[0]]
        if self._first(here) is column and (ready := sure(column.type, type(value))):
            level.direct[name, type(value)] = (place[0], ready)

    def _read(self, at: str, value: Any) -> Any:
        """Where an instant is declared, one without a zone is in UTC."""
        return in_utc(value) if self.declared.get(at) == "timestamp" else value

    def _first(self, at: str) -> Column | None:
        return next((c for c in self.known if c.field == at), None)

    def _flattened(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        return flattened(record, self.depth, self._whole)

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(at for at, kind in self.declared.items() if kind == "json")

    def _learn(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Find a place for every pair of field and type, those of a field no column is of yet together."""
        met: dict[str, set[ColumnType]] = defaultdict(set)
        for record in records:
            for at, given in self._flattened(record):
                value = self._read(at, given)
                if value is not None and (at, kind := type_of(value)) not in self._places:
                    met[at].add(kind)
        for at, types in met.items():
            if self._first(at) is None and len(types) > 1:
                self._place(at, type_for(types))
            for kind in sorted(types, key=lambda k: (k != "text", k)):  # a date among texts is a text
                self._place(at, kind)

    def _place(self, at: str, kind: ColumnType) -> None:
        if (at, kind) in self._places:
            return
        of_field = [c for c in self.known if c.field == at]
        place = self._held(of_field, kind) or self._wider(of_field, kind)
        self._top = _Level("", self.depth)
        if place is None:
            place = self._new(at, kind, of_field)
        self._places[at, kind] = place

    def _held(self, of_field: list[Column], kind: ColumnType) -> _Place | None:
        """The one of its own type; else the field's first, whatever that can hold. What lies beside is for its own type, and texts that read as dates."""
        exact = [c for c in of_field if c.type in {kind, "text" if kind in {"date", "timestamp"} else kind}]
        exact.sort(key=lambda c: c.type != kind)
        for column in exact + of_field[:1]:
            ready = holder(column.type, kind)
            if ready is not None:
                return self.known.index(column), ready
        return None

    def _wider(self, of_field: list[Column], kind: ColumnType) -> _Place | None:
        for column in of_field:
            wider = WIDER.get((column.type, kind))
            ready = holder(wider, kind) if wider else None
            if wider and ready:
                index = self.known.index(column)
                self.known[index] = Column(column.name, column.field, wider)
                self.widened = [c for c in self.widened if c.name != column.name] + [self.known[index]]
                self.added = [self.known[index] if c.name == column.name else c for c in self.added]
                return index, ready
        return None

    def _new(self, at: str, kind: ColumnType, of_field: list[Column]) -> _Place | None:
        if at != MORE and len(self.known) >= self.limit:
            self._place(MORE, "json")
            return None
        wanted = self.declared.get(at, kind) if not of_field else kind
        if holder(wanted, kind) is None and (wanted, kind) not in WIDER:
            # Declared as something else than it is: the declared column stands, and the value goes beside it.
            self._add(Column(self._free(identifier(at)), at, wanted))
            of_field, wanted = [c for c in self.known if c.field == at], kind
        name = f"{of_field[0].name}__{wanted}" if of_field else MORE if at == MORE else identifier(at)
        column = Column(self._free(name) if at != MORE else MORE, at, wanted)
        self._add(column)
        if of_field:
            self.beside.append((of_field[0], column))
        ready = holder(wanted, kind)
        return (len(self.known) - 1, ready) if ready else self._wider([column], kind)

    def _add(self, column: Column) -> None:
        self.known.append(column)
        self.added.append(column)

    def _free(self, name: str) -> str:
        taken = {c.name for c in self.known} | {*OWN, MORE}
        if _short(name) not in taken:
            return _short(name)
        number = 2
        while _short(f"{name}_{number}") in taken:
            number += 1
        return _short(f"{name}_{number}")


def identifier(at: str) -> str:
    """A column's name for a field: `/billingAddress/postal-code` is `billing_address__postal_code`."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in at.split("/")[1:]]
    name = "__".join(_OTHER.sub("_", _CAMEL.sub("_", part).lower()).strip("_") or "_" for part in parts)
    return f"_{name}" if name[:1].isdigit() else name or "_"


def _short(name: str) -> str:
    """As long as Postgres allows; what is cut is kept apart by a hash. Names here are ASCII."""
    return name if len(name) <= _NAME_BYTES else f"{name[: _NAME_BYTES - 9]}_{sha256(name.encode()).hexdigest()[:8]}"
