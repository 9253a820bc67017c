"""What was asked of the API: each request with its times and outcome, and never a secret."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Final

from connector_pipelines.testing.fake_api.messages import Answer, Request

__all__ = ["Entry", "Journal", "OpenEntry"]

_KEPT: Final = 1_000_000
_HIDDEN: Final = "(secret)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request.

    Attributes:
        arrived_s, answered_s: Seconds since the journal began; None while no answer was given.
        status, size: Of the answer; `size` is bytes of the body as meant, also where it was cut.
        credential: Name of who signed in, or empty.
        retry_after_s: What the answer asked to wait, or None.
        connection: Number of the connection it came by.
        fault: What befell the answer, or empty.
        signed: Whether it was asked of the host of signed addresses.
    """

    number: int
    arrived_s: float
    method: str
    path: str
    params: Mapping[str, str]
    connection: int
    answered_s: float | None = None
    status: int = 0
    size: int = 0
    credential: str = ""
    retry_after_s: float | None = None
    fault: str = ""
    signed: bool = False


class Journal:
    """Entries in the order requests came in. An answer is in it before it is sent."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._entries: deque[OpenEntry] = deque(maxlen=_KEPT)
        self._number = 0

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Journal:
        """A journal with these entries, as of another process."""
        journal = cls()
        journal._entries.extend(OpenEntry(entry, journal._began) for entry in entries)
        return journal

    def opened(self, request: Request, *, connection: int, secret_params: frozenset[str], signed: bool) -> OpenEntry:
        params = {name: _HIDDEN if name in secret_params else value for name, value in request.params.items()}
        with self._lock:
            self._number += 1
            entry = Entry(
                number=self._number,
                arrived_s=time.monotonic() - self._began,
                method=request.method,
                path=request.path,
                params=params,
                connection=connection,
                signed=signed,
            )
            self._entries.append(found := OpenEntry(entry, self._began))
        return found

    def entries(self, path: str = "*", *, method: str = "*") -> list[Entry]:
        """Those whose path and method match the patterns (``*``, ``?``)."""
        with self._lock:
            found = [opened.entry for opened in self._entries]
        return [e for e in found if fnmatchcase(e.path, path) and fnmatchcase(e.method, method)]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def fetched_twice(self, path: str = "*") -> dict[tuple[str, tuple[tuple[str, str], ...]], int]:
        """Path and parameters of what was read well more than once, with how often."""
        well = (e for e in self.entries(path, method="GET") if e.status == 200 and not e.fault)
        counts = Counter((e.path, tuple(sorted(e.params.items()))) for e in well)
        return {what: times for what, times in counts.items() if times > 1}

    def violations_of_retry_after(self, *, grace_s: float = 0.0) -> list[tuple[Entry, Entry]]:
        """Pairs: an answer that asked a credential to wait, and a request of it that came too early.

        Args:
            grace_s: After the answer, how long other requests may still come in that were on their way.
        """
        by_credential: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries():
            by_credential[entry.credential].append(entry)
        return [pair for entries in by_credential.values() for pair in _too_early(entries, grace_s)]


class OpenEntry:
    """An entry that is filled in as its request is answered."""

    def __init__(self, entry: Entry, began: float) -> None:
        self.entry = entry
        self._began = began

    def signed_in(self, credential: str) -> None:
        self.entry = replace(self.entry, credential=credential)

    def answered(self, answer: Answer, fault: str) -> None:
        self.entry = replace(
            self.entry,
            answered_s=time.monotonic() - self._began,
            status=answer.status,
            size=len(answer.body),
            fault=fault,
            retry_after_s=_retry_after(answer.headers),
        )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()


def _too_early(entries: Sequence[Entry], grace_s: float) -> list[tuple[Entry, Entry]]:
    asked = [e for e in entries if e.retry_after_s is not None and e.answered_s is not None]
    return [
        (asking, later)
        for asking in asked
        for later in entries
        if later is not asking
        and (asking.answered_s or 0) + grace_s < later.arrived_s < (asking.answered_s or 0) + (asking.retry_after_s or 0)
    ]
