"""Under which headings does a passage stand?"""

from __future__ import annotations

__all__ = ["Headings"]

_LONGEST = 120


class Headings:
    """The headings open at a place of a document, outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    @property
    def path(self) -> str | None:
        """As in ``Walls › Axis 7``, or None before the first heading."""
        return " › ".join(text for _, text in self._open) or None

    def enter(self, level: int, text: str) -> None:
        """Begin a heading: those of its level or deeper end. `level` counts from 1; a long `text` is shortened."""
        text = " ".join(text.split())
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        self._open = [(known, title) for known, title in self._open if known < level]
        if text:
            self._open.append((level, text))
