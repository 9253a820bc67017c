"""What one answer to ListObjectsV2 says.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from connector_pipelines.core.errors import Unavailable

__all__ = ["Entry", "Page", "page_of"]

_ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One object.

    Attributes:
        key: A byte that is not UTF-8 is a lone surrogate (PEP 383).
        etag: Without quotes; empty where the S3 keeps none, as some that serve a file system.
        modified_at: Aware, UTC.
        is_archived: It has to be restored before it can be read.
    """

    key: str
    etag: str
    size: int
    modified_at: datetime
    is_archived: bool


@dataclass(frozen=True, slots=True)
class Page:
    """`folders` are the common prefixes, where a delimiter was given; `token` is of the next page, None on the last."""

    entries: tuple[Entry, ...]
    folders: tuple[str, ...]
    token: str | None


def page_of(body: bytes) -> Page:
    """Read the answer.

    Raises:
        Unavailable: It is something else, or not whole: a listing that was cut must not pass for a short one.
    """
    from lxml import etree

    try:
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
        return _page(root)
    except (etree.XMLSyntaxError, KeyError, ValueError, TypeError) as error:
        raise Unavailable(f"the S3 answered something that is no listing ({type(error).__name__})") from None


def _page(root: Any) -> Page:
    fields = _fields(root)
    if _name(root) != "ListBucketResult" or fields.get("IsTruncated") not in {"true", "false"}:
        raise ValueError("no ListBucketResult")
    token = fields["NextContinuationToken"] if fields["IsTruncated"] == "true" else None
    if token == "":
        raise ValueError("no token")
    # An S3 that was asked for it may still not encode the keys: then it does not say so.
    read = _decoded if fields.get("EncodingType") == "url" else str
    entries = tuple(_entry(_fields(child), read) for child in _children(root, "Contents"))
    folders = tuple(read(_fields(child)["Prefix"]) for child in _children(root, "CommonPrefixes"))
    return Page(entries, folders, token)


def _entry(fields: dict[str, str], read: Callable[[str], str]) -> Entry:
    restored = "RestoreStatus" in fields and "false" in fields["RestoreStatus"]
    return Entry(
        key=read(fields["Key"]),
        etag=fields.get("ETag", "").strip('"'),
        size=int(fields["Size"]),
        modified_at=datetime.fromisoformat(fields["LastModified"]),
        is_archived=fields.get("StorageClass") in _ARCHIVED and not restored,
    )


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="surrogateescape")


def _children(root: Any, name: str) -> Iterator[Any]:
    return (child for child in root if _name(child) == name)


def _fields(element: Any) -> dict[str, str]:
    """Names without their namespace, which not every S3 gives, and texts; of an element that has elements, all their texts."""
    return {_name(child): child.text or "" if not len(child) else "".join(child.itertext()) for child in element}


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
