"""Does what we made of a file agree with what independent tools say of it?

Each comparison yields rows of (what is compared, whether it agrees, what was met). Where the tools do not agree with
each other, nothing is compared.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from tests.corpus.corpus import Expected
from tests.corpus.ingest import Found

__all__ = ["Row", "compare"]

Row = tuple[str, bool, str]
_WORD = re.compile(r"\w{3,}")
# Of the words the other tool finds: it may take apart differently what is hyphenated or ligated.
_WORDS_SHARE = 0.9


def compare(file: Expected, found: Found) -> Iterator[Row]:
    if file.password and not file.password.strip():
        return  # one of four spaces: a blank secret is taken for one that was forgotten, so it was not given
    yield from {"pdf": _pdf, "csv": _csv, "office": _office, "misc": _nothing}[file.kind](file.facts, found)


def _nothing(_facts: dict[str, Any], _found: Found) -> Iterator[Row]:
    yield from ()


def _pdf(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    counts = [facts[f"pages_{tool}"] for tool in ("qpdf", "pdfinfo", "mutool")]
    # Of three files two tools say that they have no page, and fail on them; pdfium finds one.
    agreed = next((count for count in counts if count and counts.count(count) >= 2), None)
    if agreed is not None:
        ours = found.details.get("pages")
        yield "pages", ours == agreed, f"{ours} pages, not {agreed}; {_outcome(found)}"
    words = facts["sample_words"]
    if min(facts["words_pdftotext"] or 0, facts["words_mutool"] or 0) > 0 and words:
        yield "text", _share(words, found.text) >= _WORDS_SHARE, f"{_share(words, found.text):.0%} of {words}; {_outcome(found)}"


def _csv(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    # A compressed table is a file inside a file.
    found = next(iter(found.parts.values())) if len(found.parts) == 1 else found
    ours = found.details
    same = bool(ours.get("encoding")) and _codec(ours["encoding"]) in {
        _codec(facts["encoding_used"]),
        _codec(facts.get("encoding_from_name")),
    }
    yield "encoding", same, f"{ours.get('encoding')}, not {facts['encoding_used']}; {_outcome(found)}"
    tools = [facts[tool].get("delimiter") for tool in ("duckdb", "clevercsv", "python_csv")]
    if tools.count(" ") >= 2:
        return  # prose: the tools must name something
    if max(tools.count(one) for one in tools) >= 2 or ours.get("delimiter") in tools:
        yield "delimiter", ours.get("delimiter") in tools, f"{ours.get('delimiter')!r}, not {tools}; {_outcome(found)}"
    rows = ours.get("rows", -1)
    literal = rows + bool(ours.get("header")) + ours.get("preamble_rows", 0)
    right = literal in {facts["python_csv"]["nonblank_records"], facts["python_csv"]["records"]} or rows == facts["duckdb"]["rows"]
    met = f"{literal} rows ({rows} of data), not {facts['python_csv']['nonblank_records']} ({facts['duckdb']['rows']}); {_outcome(found)}"
    yield "rows", right, met


def _office(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    for name, check in {"docx": _docx, "xlsx": _xlsx, "pptx": _pptx, "eml": _mail, "msg": _mail, "odf": _odf}.items():
        if name in facts:
            yield from check(facts[name], found)
    if "catdoc_head" in facts:
        words = _WORD.findall(facts["catdoc_head"].rpartition(" ")[0])
        yield "text", _share(words, found.text) >= _WORDS_SHARE, f"{_share(words, found.text):.0%} of its first words; {_outcome(found)}"
    if "mbox_from_lines" in facts:
        yield (
            "messages",
            len(found.parts) >= facts["mbox_from_lines"],
            f"{len(found.parts)}, not {facts['mbox_from_lines']}; {_outcome(found)}",
        )


def _docx(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    yield _characters(facts["text_chars"], found)


def _pptx(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    yield (
        "slides",
        found.details.get("slides") == facts["slides"],
        f"{found.details.get('slides')}, not {facts['slides']}; {_outcome(found)}",
    )
    yield _characters(facts["text_chars"], found)


def _xlsx(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    ours = found.details.get("sheets", 0) + found.details.get("hidden_sheets", 0)
    yield "sheets", len(facts["sheets"]) in {ours, found.details.get("sheets")}, f"{ours}, not {facts['sheets']}; {_outcome(found)}"
    cells = sum(facts["cells"].values())
    yield "text", found.has_text or not cells, f"{cells} cells; {_outcome(found)}"


def _mail(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    subject = " ".join((facts.get("subject") or "").split())
    if subject and subject != "None":
        said = found.title + "\n" + found.text
        yield "subject", _share(_WORD.findall(subject), said) >= _WORDS_SHARE, f"{subject!r} is not in it; {_outcome(found)}"
    count = facts.get("attachments") or 0
    count = count if isinstance(count, int) else len(count)
    yield "attachments", len(found.parts) >= count, f"{len(found.parts)}, not {count}; {_outcome(found)}"


def _odf(facts: dict[str, Any], found: Found) -> Iterator[Row]:
    yield "text", found.has_text or not facts["paragraphs"], f"{facts['paragraphs']} paragraphs; {_outcome(found)}"


def _characters(least: int, found: Found) -> Row:
    ours = len(found.text)
    return "characters", ours >= 0.9 * least - 5, f"{ours} characters, at least {least} were told; {_outcome(found)}"


def _share(words: list[str], text: str) -> float:
    if not words:
        return 1.0
    squeezed = "".join(text.casefold().split())
    return sum("".join(word.casefold().split()) in squeezed for word in words) / len(words)


def _codec(name: str | None) -> str:
    try:
        codec = codecs.lookup(name or "").name
    except LookupError:
        return name or ""
    # ASCII is UTF-8; cp1252 is Latin-1 with the gaps filled.
    return {"ascii": "utf-8", "utf-8-sig": "utf-8", "iso8859-1": "cp1252"}.get(codec, codec)


def _outcome(found: Found) -> str:
    return f"{found.status} {found.reason} {found.failure[:160]} {found.content_type}".strip()
