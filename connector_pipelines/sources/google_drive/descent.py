"""What lies below folders: level by level, several folders asked about in one question, a few questions at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Final

from connector_pipelines.core.errors import NotFound, Unavailable
from connector_pipelines.sources.google_drive import calls
from connector_pipelines.sources.google_drive.calls import Corpus, Listed
from connector_pipelines.sources.google_drive.client import Drive
from connector_pipelines.sources.google_drive.faults import PageTokenRejected

__all__ = ["Descent"]

# As many as rclone asks about, so that a question stays short enough for Drive.
_FOLDERS_IN_A_QUESTION: Final = 50
_AT_ONCE: Final = 4
_RESTARTS: Final = 3


@dataclass(frozen=True, slots=True)
class _Question:
    """`ids`: the folders. `found`: whether pages before this one held anything."""

    ids: tuple[str, ...]
    token: str | None = None
    found: bool = False
    restarts: int = 0

    @property
    def text(self) -> str:
        return f"({' or '.join(f'{calls.quoted(each)} in parents' for each in self.ids)}) and trashed = false"


class Descent:
    """Yields pages of what lies in the folders that were added so far, and ends when none of them is left.

    Whoever reads adds the folders to go down into, before asking for the next page. Each item tells its one parent.
    """

    def __init__(self, drive: Drive, corpus: Corpus, page_size: int, folders: Sequence[str] = ()) -> None:
        self._drive, self._corpus, self._size = drive, corpus, page_size
        self._waiting: deque[str] = deque(folders)
        self._questions: deque[_Question] = deque()

    def add(self, folder_id: str) -> None:
        self._waiting.append(folder_id)

    def __iter__(self) -> Iterator[Listed]:
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="drive-list")
        asked: dict[Future[Listed], _Question] = {}
        try:
            while self._waiting or self._questions or asked:
                while len(asked) < _AT_ONCE and (question := self._next()) is not None:
                    asked[pool.submit(self._ask, question)] = question
                done, _ = wait(asked, return_when=FIRST_COMPLETED)
                for answer in done:
                    yield from self._heard(asked.pop(answer), answer)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _next(self) -> _Question | None:
        if self._questions:
            return self._questions.popleft()
        ids = tuple(self._waiting.popleft() for _ in range(min(_FOLDERS_IN_A_QUESTION, len(self._waiting))))
        return _Question(ids) if ids else None

    def _ask(self, question: _Question) -> Listed:
        return calls.page(self._drive, self._corpus, question.text, self._size, question.token)

    def _heard(self, question: _Question, answer: Future[Listed]) -> Iterator[Listed]:
        try:
            listed = answer.result()
        except PageTokenRejected:
            self._begin_anew(question)
            return
        except NotFound:
            # One of them went meanwhile, and Drive does not say which. Of one that is gone, the feed tells.
            self._ask_singly(question)
            return
        found = question.found or bool(listed.items)
        if not self._have_parents(question, listed.items) or (listed.token is None and not found and len(question.ids) > 1):
            # Drive was seen to find nothing in several folders where it finds something in each
            # (https://issuetracker.google.com/issues/149522397); and what is reached by a link tells no parent.
            self._ask_singly(question)
            return
        if listed.token is not None:
            self._questions.append(replace(question, token=listed.token, found=found))
        yield listed

    def _begin_anew(self, question: _Question) -> None:
        if question.token is None or question.restarts >= _RESTARTS:
            raise Unavailable(f"Drive refused the places of its own listing {question.restarts + 1} times")
        self._questions.append(_Question(question.ids, restarts=question.restarts + 1))

    def _ask_singly(self, question: _Question) -> None:
        if len(question.ids) > 1:
            self._questions.extend(_Question((each,)) for each in question.ids)

    def _have_parents(self, question: _Question, items: list[dict[str, Any]]) -> bool:
        """Whether each item lies in one of the folders asked about; that of a single one is told."""
        if len(question.ids) == 1:
            for item in items:
                item["parents"] = list(question.ids)
            return True
        return all(calls.parent_of(item) in question.ids for item in items)
