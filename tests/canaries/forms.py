"""Secrets that are told from everything else, and every form in which one may be written."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import secrets
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import quote

__all__ = ["TOUGH", "Canaries", "leaks"]

MARK = "qzkanary"
"""Every word of a secret that we make begins with it, so that one look finds them all, and what is left of one by a mask, too."""

TOUGH = "@%:'\"\\ &</+"
"""What is written otherwise in a URL, in JSON, in HTML, in a repr."""

_SHORTEST_LINE = 16


class Canaries:
    """Secrets by what they are for. Used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, str] = {}
        self._made: dict[str, set[bytes]] = {}
        self._given: dict[str, set[bytes]] = {}

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]

    def __len__(self) -> int:
        return len(self._by_name)

    def names(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._by_name)

    def new(self, name: str, *, plain: bool = False, tough: bool = False) -> str:
        """One of our making: two words, and between them nothing (`plain`), what a URL writes otherwise, or what all do (`tough`)."""
        first, second = (MARK + secrets.token_hex(9) for _ in range(2))
        secret = first + second if plain else f"{first}{TOUGH if tough else '@%:'}{second}"
        with self._lock:
            assert name not in self._by_name, f"there are two secrets {name}"
            self._by_name[name] = secret
            self._made[name] = _forms_of(secret) | {first.encode(), second.encode()}
        return secret

    def keep(self, name: str, secret: str) -> str:
        """One that somebody else made. A key in PEM form is looked for line by line."""
        forms = {form for line in _lines(secret) for form in _forms_of(line)}
        with self._lock:
            self._by_name[name], self._given[name] = secret, forms
        return secret

    def seen_in(self, *contents: str | bytes) -> set[str]:
        """Names of those of which a content holds a word: as it is, in base64, in hex, quoted, or any of that deflated."""
        data = b"\0".join(part for content in contents for part in _parts(content))
        with self._lock:
            made, given = list(self._made.items()), list(self._given.items())
        seen = {name for name, forms in given if any(form in data for form in forms)}
        if any(form in data for form in _MARKS):
            seen |= {name for name, forms in made if any(form in data for form in forms)} or {"a canary"}
        return seen


def leaks(canaries: Canaries, places: Iterable[tuple[str, str | bytes]]) -> dict[str, set[str]]:
    """By place, the secrets seen there. What is said twice in one place is looked at once."""
    by_place: dict[str, set[str | bytes]] = defaultdict(set)
    for place, content in places:
        by_place[place].add(content)
    return {place: seen for place, contents in by_place.items() if (seen := canaries.seen_in(*contents))}


def _parts(content: str | bytes) -> Iterator[bytes]:
    data = content.encode(errors="replace") if isinstance(content, str) else content
    yield data
    yield from _unpacked(data)


def _unpacked(data: bytes) -> Iterator[bytes]:
    packed = [data]
    # Dagster keeps some of what it stores deflated, and then in base64.
    if data[:2] in {b"eJ", b"eN"} or data[:4] == b"H4sI":
        with suppress(binascii.Error, ValueError):
            packed.append(base64.b64decode(data))
    for one in packed:
        with suppress(zlib.error):
            yield zlib.decompress(one)
        with suppress(OSError, EOFError, zlib.error):
            yield gzip.decompress(one)


def _lines(secret: str) -> list[str]:
    lines = [line.strip() for line in secret.splitlines() if not line.startswith("-----")]
    return [line for line in lines if len(line) >= _SHORTEST_LINE] or [secret]


def _forms_of(text: str) -> set[bytes]:
    raw = text.encode()
    written = {raw, quote(text, safe="").encode(), json.dumps(text)[1:-1].encode(), raw.replace(b"/", b"\\/")}
    return written | {raw.hex().encode(), raw.hex().upper().encode()} | _inside_base64(raw)


def _inside_base64(raw: bytes) -> set[bytes]:
    """As it looks at each of its three alignments, without the ends, which depend on the neighbours."""
    found = set()
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        sure = whole[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
        found |= {sure, sure.replace(b"+", b"-").replace(b"/", b"_")}
    return found


_MARKS = _forms_of(MARK)
