"""The secrets that this process has met, and how a text is rid of them: by what they are, wherever they turn up."""

from __future__ import annotations

import html
import json
import re
import threading
from collections import Counter, OrderedDict
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "MOST_PASSING", "SHORTEST_SECRET", "KnownSecrets"]

MASK = "***"

SHORTEST_SECRET = 4
"""Characters; masking a shorter value wherever it occurs would leave no text readable."""

MOST_PASSING = 1_000
"""Of the secrets that are good for a while only, the newest are known: a process that lives for months meets a new token every hour."""

_WHOLE_WORD_BELOW = 12
_SHORT_BELOW = 16
_GRAM = 8
# However a form lies in a text, one of as many neighbouring grams begins where the text is looked at.
_STRIDE = _SHORT_BELOW - _GRAM + 1


class KnownSecrets:
    """Values to mask, each in every form it may be written in. Used by several threads at once.

    A text is read once, however many secrets there are: at every ninth character, eight of them are looked up among those that the
    forms end in. Short forms, which are few, are looked for one by one.
    """

    def __init__(self, most_passing: int = MOST_PASSING) -> None:
        self._lock = threading.Lock()
        self._most_passing = most_passing
        self._lasting: set[str] = set()
        self._passing: OrderedDict[str, None] = OrderedDict()
        self._holders: Counter[str] = Counter()
        # Readers take what they find there, without the lock: a dict's item is whole, and a tuple never changes.
        self._by_gram: dict[str, tuple[str, ...]] = {}
        self._short: tuple[tuple[str, re.Pattern[str] | None], ...] = ()

    def add(self, value: str, *, passing: bool = False) -> None:
        """Mask `value` from now on; where it is `passing`, for as long as it is one of the newest of those."""
        if value in self._lasting:
            return
        with self._lock:
            is_new = value not in self._passing and value not in self._lasting
            if not passing:
                self._passing.pop(value, None)
                self._lasting.add(value)
            elif value not in self._lasting:
                self._passing[value] = None
                self._passing.move_to_end(value)
            if is_new:
                self._hold(value)
            if len(self._passing) > self._most_passing:
                self._let_go(self._passing.popitem(last=False)[0])

    def mask(self, text: str) -> str:
        """`text` with `MASK` in place of every known secret; one that contains another is masked whole."""
        known = self._by_gram
        met = [gram for at in range(0, len(text) - _GRAM + 1, _STRIDE) if (gram := text[at : at + _GRAM]) in known]
        # Another thread may have let go of one meanwhile.
        for form in sorted({form for gram in met for form in known.get(gram, ())}, key=len, reverse=True):
            text = text.replace(form, MASK)
        for form, word in self._short:
            if form in text:
                text = word.sub(MASK, text) if word else text.replace(form, MASK)
        return text

    def _hold(self, value: str) -> None:
        forms = _forms(value)
        for form in (form for form in forms if form not in self._holders):
            for gram in _last_grams(form):
                self._by_gram[gram] = (*self._by_gram.get(gram, ()), form)
        self._holders.update(forms)
        self._take_short(forms)

    def _let_go(self, value: str) -> None:
        forms = _forms(value)
        self._holders.subtract(forms)
        for form in (form for form in forms if not self._holders[form]):
            del self._holders[form]
            for gram in _last_grams(form):
                left = tuple(other for other in self._by_gram[gram] if other != form)
                if left:
                    self._by_gram[gram] = left
                else:
                    del self._by_gram[gram]
        self._take_short(forms)

    def _take_short(self, changed: set[str]) -> None:
        if any(len(form) < _SHORT_BELOW for form in changed):
            short = sorted((form for form in self._holders if len(form) < _SHORT_BELOW), key=len, reverse=True)
            self._short = tuple((form, _whole_word(form)) for form in short)


def _forms(value: str) -> set[str]:
    """As it is, and as it looks inside URLs, JSON, HTML and a repr; line by line, too (a key in PEM form)."""
    lines = {line.strip() for line in value.splitlines()} if "\n" in value else set()
    plain = {value, value.strip(), *(line for line in lines if len(line) >= _WHOLE_WORD_BELOW)}
    return {form for text in plain for form in (text, *_escaped(text)) if len(form) >= SHORTEST_SECRET}


def _escaped(text: str) -> tuple[str, ...]:
    # What is no text at all, such as half of a surrogate pair, has a form in no URL.
    bare = text.encode(errors="replace")
    return (
        quote(bare, safe=""),
        quote(bare, safe="/"),
        quote_plus(bare),
        repr(text)[1:-1],
        text.replace("\n", "\\n"),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        html.escape(text),
    )


def _last_grams(form: str) -> set[str]:
    if len(form) < _SHORT_BELOW:
        return set()
    # The last: tokens of one maker begin alike.
    end = len(form) - _GRAM + 1
    return {form[at : at + _GRAM] for at in range(end - _STRIDE, end)}


def _whole_word(form: str) -> re.Pattern[str] | None:
    # A short password is often a word, such as postgres: masked inside others, it would eat the text.
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])") if len(form) < _WHOLE_WORD_BELOW else None
