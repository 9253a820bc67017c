"""Which paths below a root a set of globs covers, and which folders cannot hold any.

``*`` any run of characters within one name, none included · ``?`` one character · ``[abc]``, ``[a-z]``, ``[!abc]``
one character of, or not of, a set (``[*]`` is the star itself) · ``**`` alone between slashes: any number of
folders, none included; at the end: everything below, and the thing itself. Braces and backslashes mean themselves.
Characters are compared as they are: by case, and ``é`` in one character is not ``é`` in two.

Python 3.11 has no `PurePath.full_match` and no `glob.translate` (both 3.13), and `fnmatch` lets ``*`` cross slashes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Scope"]

_TOKEN = re.compile(r"\*|\?|\[(!?)(\]?[^\]]*)\]|.", re.DOTALL)
_NOTHING = "(?!)"


@dataclass(frozen=True, slots=True)
class Scope:
    """Answers for paths relative to the root, ``/``-separated."""

    _included: re.Pattern[str]
    _leading: re.Pattern[str]
    _excluded: re.Pattern[str]

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> Scope:
        """Compile the patterns.

        Raises:
            ValueError: A pattern cannot be read.
        """
        wanted = [_segments(p) for p in include]
        unwanted = [_segments(p) for p in exclude]
        return cls(_any(map(_whole, wanted)), _any(map(_folders_towards, wanted)), _any(map(_whole, unwanted)))

    def excludes(self, path: str) -> bool:
        """Whether `path` itself is left out; what its folders say is not asked."""
        return self._excluded.fullmatch(path) is not None

    def includes(self, path: str) -> bool:
        """Whether a file here is wanted, if nothing excludes it."""
        return self._included.fullmatch(path) is not None

    def may_hold(self, folder: str) -> bool:
        """Whether a file below `folder` could be wanted, if nothing excludes it."""
        return self._leading.fullmatch(f"/{folder}") is not None

    def reaches(self, path: str) -> bool:
        """Whether neither `path` nor a folder on the way to it is excluded."""
        ends = [i for i, char in enumerate(path) if char == "/"] + [len(path)]
        return not any(self.excludes(path[:end]) for end in ends)


def _segments(pattern: str) -> list[str]:
    """Regular expressions of the names on the way, ``**`` left as it is and never twice in a row."""
    found: list[str] = []
    for name in pattern.split("/"):
        if name in {"", ".", ".."} or ("**" in name and name != "**"):
            raise ValueError(
                f"{pattern!r} is not a glob below the folder: names between single slashes, none of them . or .., none at the start,"
                " and ** only as a whole name"
            )
        if name != "**":
            found.append(_name(pattern, name))
        elif found[-1:] != ["**"]:
            found.append(name)
    return found


def _name(pattern: str, name: str) -> str:
    regex = "".join(_token(found) for found in _TOKEN.finditer(name))
    try:
        re.compile(regex)
    except re.error as error:
        raise ValueError(f"{pattern!r} has a set of characters that cannot be read in {name!r}: {error.msg}") from error
    return regex


def _token(found: re.Match[str]) -> str:
    if found[0] == "*":
        return "[^/]*"
    if found[0] == "?":
        return "[^/]"
    if len(found[0]) == 1:
        return re.escape(found[0])
    members = "".join(char if char == "-" else re.escape(char) for char in found[2])
    # A range such as [+-9] spans the slash.
    return f"(?!/)[{'^' if found[1] else ''}{members}]"


def _whole(segments: list[str]) -> str:
    inner = "".join("(?:.*/)?" if s == "**" else f"{s}/" for s in segments[:-1])
    if segments[-1] != "**":
        return inner + segments[-1]
    return f"{inner[:-1]}(?:/.*)?" if inner else ".*"


def _folders_towards(segments: list[str]) -> str:
    """Of ``/`` and a folder's path: each is matched that has a wanted path below it."""
    deep = "**" in segments
    fixed = segments[: segments.index("**")] if deep else segments[:-1]
    regex = "(?:/.*)?" if deep else ""
    for name in reversed(fixed):
        regex = f"(?:/{name}{regex})?"
    return regex


def _any(regexes: map[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{r})" for r in regexes) or _NOTHING, re.DOTALL)
