"""A mapping of YAML with remarks beside its values and lines of advice between them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Block"]

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*")
_NOT_TEXT: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"})
_UNSHOWN: Final = re.compile(r"[^\x20-\x7e\u00a0-\u2027\u2030-\ufefe\uff00-\uffef]")


@dataclass(slots=True)
class Block:
    """Values may be blocks, lists of blocks, and plain JSON."""

    _lines: list[tuple[str, Any, str]] = field(default_factory=list)

    def put(self, key: str, value: Any, remark: str = "") -> None:
        self._lines.append((key, value, remark))

    def guess(self, key: str, value: Any, why: str) -> None:
        self.put(key, value, f"guessed: {why}")

    def advise(self, *lines: str) -> None:
        for line in lines:
            self._lines.append(("", None, line))

    def take(self, other: Block) -> None:
        """Put what the other has after what is here."""
        self._lines += other._lines

    def data(self) -> dict[str, Any]:
        """What a reader of the YAML has."""
        return {key: _data(value) for key, value, _ in self._lines if key}

    def text(self, indent: int = 0) -> Iterator[str]:
        """Its lines."""
        pad = " " * indent
        for key, value, remark in self._lines:
            beside = f"  # {_one_line(remark)}" if remark else ""
            if not key:
                yield f"{pad}# {_one_line(remark)}"
            elif isinstance(value, Block):
                yield f"{pad}{_scalar(key)}:{beside}"
                yield from value.text(indent + 2)
            elif isinstance(value, list) and value and isinstance(value[0], Block):
                yield f"{pad}{_scalar(key)}:{beside}"
                for one in value:
                    yield from _item(one, indent + 2)
            else:
                yield f"{pad}{_scalar(key)}: {_flow(value)}{beside}"


def _item(block: Block, indent: int) -> Iterator[str]:
    lines = list(block.text(indent + 2))
    # Advice may come first; the dash belongs to the first line that says something.
    first = next(n for n, line in enumerate(lines) if not line.lstrip().startswith("#"))
    lines[first] = " " * indent + "- " + lines[first].lstrip()
    yield from lines


def _data(value: Any) -> Any:
    if isinstance(value, Block):
        return value.data()
    return [_data(one) for one in value] if isinstance(value, list) else value


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(str(k))}: {_flow(v)}' for k, v in value.items())}}}"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    # JSON's strings are YAML's, but for what YAML takes for the end of a line.
    return _UNSHOWN.sub(lambda found: json.dumps(found[0])[1:-1], json.dumps(text, ensure_ascii=False))


def _one_line(text: str) -> str:
    return _UNSHOWN.sub(" ", " ".join(text.split()))[:300]
