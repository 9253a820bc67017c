"""Changes as pages: of a size that is recorded in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from connector_pipelines.core.types import Change, ChangePage, Cursor, Folder, Skipped, Upserted

__all__ = ["delta_pages", "noted", "snapshot_pages", "window_pages"]


def snapshot_pages(lists: Iterable[list[Change]], size: int, cursor: Callable[[], Cursor]) -> Iterator[ChangePage]:
    """`cursor` is asked for when all was listed, and is the last page's."""
    waiting: list[Change] = []
    for changes in lists:
        waiting += changes
        while len(waiting) > size:
            yield ChangePage(changes=tuple(waiting[:size]), snapshot=True)
            del waiting[:size]
    yield ChangePage(changes=tuple(waiting), cursor=cursor(), snapshot=True)


def delta_pages(lists: Iterable[list[Change]], size: int, before: Cursor, after: Callable[[], Cursor]) -> Iterator[ChangePage]:
    """What follows from one page of a feed: until all of it is told, whoever stops reads it again."""
    waiting: list[Change] = []
    for changes in lists:
        waiting += changes
        while len(waiting) > size:
            yield ChangePage(changes=tuple(waiting[:size]), cursor=before)
            del waiting[:size]
    yield ChangePage(changes=tuple(waiting), cursor=after())


def window_pages(lists: Iterable[list[Change]], size: int) -> Iterator[ChangePage]:
    """Without a cursor."""
    waiting: list[Change] = []
    for changes in lists:
        waiting += changes
        while len(waiting) > size:
            yield ChangePage(changes=tuple(waiting[:size]))
            del waiting[:size]
    yield ChangePage(changes=tuple(waiting))


def noted(lists: Iterable[list[Change]], ids: set[str]) -> Iterator[list[Change]]:
    """The same lists; `ids` takes in whatever they say is there."""
    for changes in lists:
        for change in changes:
            match change:
                case Upserted(ref):
                    ids.add(ref.id)
                case Folder(id=found) | Skipped(id=found):
                    ids.add(found)
        yield changes
