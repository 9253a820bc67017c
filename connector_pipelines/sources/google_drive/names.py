"""Names as parts of paths: Drive allows any text for a name, slashes among them, and paths are for people."""

from __future__ import annotations

from typing import Final

__all__ = ["name_of"]

# As rclone shows them, so that people find them by the same name (https://rclone.org/overview/#encoding): a wide slash, a picture of NUL.
_SHOWN: Final = str.maketrans({"/": "\uff0f", "\0": "\u2400"})
_DOTS: Final = {".": "\uff0e", "..": "\uff0e\uff0e"}
_NAMELESS: Final = "(no name)"


def name_of(name: str) -> str:
    """Never empty, without a slash, never `.` or `..`, and text that a database takes."""
    shown = name.translate(_SHOWN).encode(errors="surrogatepass").decode(errors="replace")
    return _DOTS.get(shown, shown) or _NAMELESS
