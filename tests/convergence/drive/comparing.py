"""Where what is held of an endpoint differs from what should be: nothing, or a line for each difference."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container, Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.convergence.drive.expecting import Expected, Wanted
from tests.convergence.drive.held import Held
from tests.convergence.holding import Document

__all__ = ["differences"]


def differences(wanted: Expected, held: Held, now: datetime, but: Container[str]) -> list[tuple[str, str]]:
    """Every difference, with the id it is about, but of the items `but`.

    Args:
        now: Permissions that ended before it are none.
    """

    def counts(one: str) -> bool:
        return one not in but

    found: list[tuple[str, str]] = [*_folders(wanted, held, counts), *_files(wanted, held, counts)]
    for holder, documents in held.documents.items():
        due = {one: it for one, it in wanted.files.items() if not it.reason and one not in held.failed}
        found += (
            (one, f"{holder}: {one} is missing, {due[one].path!r}")
            for one in due.keys() - documents.keys()
            if due[one].firm and counts(one)
        )
        strangers = documents.keys() - wanted.files.keys()
        found += ((one, f"{holder}: {one} is too many, {documents[one].path!r}") for one in strangers if counts(one))
        for one in filter(counts, due.keys() & documents.keys()):
            found += ((one, f"{holder}: {one} has {what}") for what in _wrong(due[one], documents[one], now))
    return found


def _folders(wanted: Expected, held: Held, counts: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    folders, there = wanted.folders, held.folders
    yield from (
        (one, f"folder {one} is missing, {folders[one].path!r}")
        for one in folders.keys() - there.keys()
        if folders[one].firm and counts(one)
    )
    yield from ((one, f"folder {one} is too many, {there[one]!r}") for one in there.keys() - folders.keys() if counts(one))
    for one in filter(counts, folders.keys() & there.keys()):
        if folders[one].path not in {None, there[one]}:
            yield one, f"folder {one} has the path {there[one]!r}, not {folders[one].path!r}"


def _files(wanted: Expected, held: Held, counts: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    for one in filter(counts, wanted.files.keys() & held.files.keys()):
        it, row = wanted.files[one], held.files[one]
        reason = row.reason if row.status == "skipped" else ""
        if reason != it.reason:
            yield one, f"file {one} is skipped for {reason!r}, not {it.reason!r}"
        elif not it.reason and row.modified_at_micros != it.truth.modified_at:
            yield one, f"file {one} was modified at {row.modified_at_micros}, not {it.truth.modified_at}"


def _wrong(wanted: Wanted, held: Document, now: datetime) -> Iterator[str]:
    if wanted.path not in {None, held.path}:
        yield f"the path {held.path!r}, not {wanted.path!r}"
    if wanted.truth.id not in (held.url or ""):
        yield f"the address {held.url!r}"
    if wanted.acl is not None and (acl := _in_effect(held.acl, now)) != wanted.acl:
        yield f"readers {acl}, not {wanted.acl}"
    if wanted.chunks is not None and held.chunks != wanted.chunks:
        yield f"the text {held.chunks}, not {wanted.chunks}"
    words = {word for chunk in held.chunks for word in chunk.split()}
    if not {unicodedata.normalize("NFC", word) for word in wanted.words} <= words:
        yield f"the words {sorted(words)}, not {sorted(wanted.words)}"


def _in_effect(acl: Mapping[str, Any] | None, now: datetime) -> Mapping[str, Any] | None:
    if acl is None:
        return None
    over = {who for who, end in acl.get("until", {}).items() if datetime.fromisoformat(end) <= now}
    left = {name: [who for who in acl[name] if who not in over] for name in ("readers", "with_link") if name in acl}
    ends = {who: end for who, end in acl.get("until", {}).items() if who not in over}
    told = {**acl, **left, "until": ends}
    return {name: value for name, value in told.items() if name == "readers" or value not in ({}, [])}
