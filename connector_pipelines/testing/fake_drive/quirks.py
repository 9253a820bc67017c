"""What the real one does now and then, switched on by a test."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Quirks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """All off, but that operations take two looks to be done.

    Attributes:
        short_pages: Pages of files and changes hold at most this share of what was asked for.
        empty_page_every: Every so many-th page of files or changes is empty, and not the last; 0: none.
        repeat_every: Every so many-th change of a page is in the feed once more, at the start of the next page; 0: none.
        incomplete_search: Listings over all drives say that results are missing, and leave out every other shared drive.
        incomplete_listing: Any listing says so; what is missing is every other file.
        repeat_token: Every page of a listing but the first and the last names itself as the next.
        operation_polls: How often an operation is looked at before it is done.
        operation_forbidden: How many looks at an operation are first answered 403, to the very user who started it.
        operation_fails: An operation that is done has failed.
    """

    short_pages: float = 1.0
    empty_page_every: int = 0
    repeat_every: int = 0
    incomplete_search: bool = False
    incomplete_listing: bool = False
    repeat_token: bool = False
    operation_polls: int = 2
    operation_forbidden: int = 0
    operation_fails: bool = False
