"""Where what is held differs from what should be: nothing, or a line for each difference."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from tests.convergence.rest_api.expecting import Expected
from tests.convergence.rest_api.holding import Held

__all__ = ["differences"]


def differences(wanted: Expected, found: Held, *, but: Collection[str] = ()) -> list[str]:
    """Every difference. Of the items `but`, and of what lies below them, nothing is said."""

    def counts(item: str) -> bool:
        parts = item.split("/")
        return not any("/".join(parts[:n]) in left_out for n in range(1, len(parts) + 1))

    left_out = frozenset(but)
    return [*found.faults, *_rows(wanted, found, counts), *_texts(wanted, found, counts)]


def _rows(wanted: Expected, found: Held, counts: Callable[[str], bool]) -> Iterator[str]:
    for stream, rows in wanted.rows.items():
        there = found.rows[stream]
        yield from (f"table {stream}: {item} is missing" for item in rows.keys() - there.keys() if counts(item))
        yield from (f"table {stream}: {item} is too many" for item in there.keys() - rows.keys() if counts(item))
        for item in filter(counts, rows.keys() & there.keys()):
            fields, cells = rows[item], there[item]
            for at in fields.keys() | cells.keys():
                held = cells.get(at, [])
                if len(held) != (at in fields) or (held and not held[0].holds(fields[at])):
                    yield f"table {stream}: {item} has {held} in {at}, not {fields.get(at)!r}"


def _texts(wanted: Expected, found: Held, counts: Callable[[str], bool]) -> Iterator[str]:
    for holder, texts in found.texts.items():
        yield from (f"{holder}: {item} is missing" for item in wanted.texts.keys() - texts.keys() if counts(item))
        yield from (f"{holder}: {item} is too many" for item in texts.keys() - wanted.texts.keys() if counts(item))
        for item in filter(counts, wanted.texts.keys() & texts.keys()):
            if texts[item] != wanted.texts[item]:
                yield f"{holder}: {item} is {texts[item]}, not {wanted.texts[item]}"
