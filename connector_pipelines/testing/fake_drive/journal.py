"""What was asked of the Drive: each request with its times and outcome, never a secret, and the questions that tests ask of it."""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from connector_pipelines.testing.fake_drive.limits import Pause

__all__ = ["Call", "Journal", "reason_of"]

_HIDDEN: Final = "(secret)"
_MEDIA: Final = frozenset({"files.get media", "revisions.get media"})


@dataclass(slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        arrived_at, answered_at: Seconds since 1970 by the service's clock; 0 while there is no answer.
        call: Name of the method, such as `files.list` or `files.get media`; `token`, `auth`, `revoke`, `batch`; or a path that is none of them.
        user, client, project: Who asked, by whose sign-in; empty for who showed none that is good.
        status, reason: Of the answer, and of its error.
        size: Bytes of the body that were sent.
        begins_at: Place in the file of the first byte that was sent, where bytes were.
        file_id, revision_id: Of the file that the path names; the revision where its bytes were sent.
        pause: What the answer asked for.
        fault: What befell it, or empty.
        connection: Number of the connection it came by.
        in_batch: Whether it came inside of another.
    """

    number: int = 0
    arrived_at: float = 0.0
    answered_at: float = 0.0
    method: str = ""
    path: str = ""
    call: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    client: str = ""
    project: str = ""
    status: int = 0
    reason: str = ""
    size: int = 0
    begins_at: int = 0
    file_id: str = ""
    revision_id: str = ""
    pause: Pause | None = None
    fault: str = ""
    connection: int = 0
    in_batch: bool = False

    def __post_init__(self) -> None:
        if "access_token" in self.params:
            self.params = {**self.params, "access_token": _HIDDEN}


class Journal:
    """Calls in the order they came in. An answer is in it before it is sent. Used by several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._number = 0

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Journal:
        """A journal with these calls, as of another process."""
        journal = cls()
        journal._calls.extend(calls)
        return journal

    def add(self, call: Call) -> Call:
        with self._lock:
            self._number += 1
            call.number = self._number
            self._calls.append(call)
        return call

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def entries(self, call: str = "*", *, user: str = "*", path: str = "*") -> list[Call]:
        """Copies of those whose method, user and path match the patterns (``*``, ``?``)."""
        with self._lock:
            found = [replace(each) for each in self._calls]
        return [e for e in found if fnmatchcase(e.call, call) and fnmatchcase(e.user, user) and fnmatchcase(e.path, path)]

    def counts(self) -> Counter[str]:
        """How many calls there were of each method of the API, refused ones included; sign-in is none of it."""
        return Counter(each.call for each in self.entries() if "." in each.call and not each.call.startswith("/"))

    def downloads(self) -> Counter[tuple[str, str]]:
        """How often the bytes of a file's revision were begun to be sent, by the ids of both: parts that continue do not count."""
        return Counter(
            (each.file_id, each.revision_id)
            for call in _MEDIA
            for each in self.entries(call)
            if each.status in {200, 206} and each.begins_at == 0
        )

    def downloaded_twice(self) -> dict[tuple[str, str], int]:
        """Revisions that were sent well from their beginning more than once, with how often."""
        well = Counter(
            (each.file_id, each.revision_id)
            for call in _MEDIA
            for each in self.entries(call)
            if each.status in {200, 206} and each.begins_at == 0 and not each.fault
        )
        return {what: times for what, times in well.items() if times > 1}

    def exports(self) -> Counter[tuple[str, str]]:
        """How often a document was exported, at once or as an operation, by its id and media type."""
        found = (*self.entries("files.export"), *self.entries("files.download"))
        return Counter((each.file_id, each.params.get("mimeType", "")) for each in found if each.status == 200)

    def bytes_served(self, call: str = "*") -> int:
        return sum(each.size for each in self.entries(call))

    def pauses(self) -> list[Call]:
        """Those whose answer asked for a pause and told until when."""
        return [each for each in self.entries() if each.pause and each.pause.told]

    def violations(self, *, grace_s: float = 0.0) -> list[tuple[Call, Call]]:
        """Pairs: an answer that told a user or a project until when to wait, and a request of theirs that came before.

        Args:
            grace_s: After the answer, how long others may still come in that were on their way.
        """
        theirs: dict[tuple[str, str], list[Call]] = defaultdict(list)
        for each in sorted((each for each in self.entries() if each.user), key=_arrived):
            theirs["user", each.user].append(each)
            theirs["project", each.project].append(each)
        return [(before, later) for before in self.pauses() for later in _early(before, theirs, grace_s)]


def reason_of(body: bytes) -> str:
    """Why an answer is an error, in the word of the API."""
    try:
        error: Any = json.loads(body)["error"]
        return str(error["errors"][0]["reason"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, IndexError):
        return ""


def _early(before: Call, theirs: Mapping[tuple[str, str], Sequence[Call]], grace_s: float) -> Sequence[Call]:
    """Who came after an answer that asked for a pause, and before its end."""
    assert before.pause is not None
    calls = theirs[before.pause.per, before.pause.who]
    begin = bisect_right(calls, before.answered_at + grace_s, key=_arrived)
    return calls[begin : bisect_left(calls, before.pause.ends_at, key=_arrived)]


def _arrived(call: Call) -> float:
    return call.arrived_at
