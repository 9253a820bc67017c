"""How several sinks' answers become one, and which words of a chunk a person is shown."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from connector_pipelines.core.types import Hit

__all__ = ["fuse", "snippet"]

_MAX_MATCHES = 500
_ELLIPSIS = "…"


def fuse(rankings: Sequence[Sequence[Hit]], k: int = 60) -> list[Hit]:
    """One ranking, best first, by reciprocal rank fusion: a hit scores the sum of ``1 / (k + rank)``, ranks from 1.

    Where sinks are at different generations of a document, only the highest counts: the ordinals of the others
    name text that was replaced. Ties fall by document and ordinal, so the same answers always fuse the same way.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet", SIGIR 2009 (there k = 60).
    """
    newest: dict[str, int] = {}
    for hit in (hit for ranking in rankings for hit in ranking):
        newest[hit.document_id] = max(hit.generation, newest.get(hit.document_id, hit.generation))
    scores: defaultdict[tuple[str, int], float] = defaultdict(float)
    found: dict[tuple[str, int], Hit] = {}
    for ranking in rankings:
        for rank, (key, hit) in enumerate(_current(ranking, newest).items(), start=1):
            scores[key] += 1 / (k + rank)
            found[key] = hit
    ranked = sorted(found, key=lambda key: (-scores[key], key))
    return [replace(found[key], score=scores[key]) for key in ranked]


def snippet(text: str, query_terms: Sequence[str], width: int = 240) -> str:
    """The stretch of `text` where most different terms begin a word, on one line of at most `width` characters.

    Plain text: whoever shows it escapes it. Without a match, the beginning of `text`.
    """
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    start = _best_start(line, query_terms, width)
    return _cut(line, start, width)


def _current(ranking: Sequence[Hit], newest: dict[str, int]) -> dict[tuple[str, int], Hit]:
    """Hits of the newest generations by document and ordinal, in order; of a repeated one the first."""
    kept: dict[tuple[str, int], Hit] = {}
    for hit in ranking:
        if hit.generation == newest[hit.document_id]:
            kept.setdefault((hit.document_id, hit.ordinal), hit)
    return kept


def _best_start(line: str, query_terms: Sequence[str], width: int) -> int:
    """Where the window begins; some words of context stand before the first match."""
    matches = _matches(line, query_terms)
    context = width // 6
    best, best_worth = 0, (0, 0)
    for index, (start, _) in enumerate(matches):
        inside = [term for at, term in matches[index:] if at + len(term) <= start + width - context]
        worth = (len(set(inside)), len(inside))
        if worth > best_worth:
            best, best_worth = max(0, start - context), worth
    return min(best, max(0, len(line) - width + 1))


def _matches(line: str, query_terms: Sequence[str]) -> list[tuple[int, str]]:
    terms = sorted({term for term in query_terms if term.strip()}, key=len, reverse=True)
    if not terms:
        return []
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(t) for t in terms) + ")", re.IGNORECASE)
    found = (m for m, _ in zip(pattern.finditer(line), range(_MAX_MATCHES), strict=False))
    return [(m.start(), m.group().casefold()) for m in found]


def _cut(line: str, start: int, width: int) -> str:
    """`width` characters of `line` at most, ellipses included, between words where there are any."""
    head = _ELLIPSIS if start else ""
    if start and " " in line[start : start + width // 6] and line[start - 1] != " ":
        start = line.index(" ", start)
    if len(line) - start <= width - len(head):
        return head + line[start:].strip()
    body = line[start : start + width - len(head) - 1]
    if " " in body[width // 2 :] and line[start + len(body)] != " ":
        body = body[: body.rindex(" ")]
    return head + body.strip() + _ELLIPSIS
