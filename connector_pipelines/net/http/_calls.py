"""What a connector asks for, before it is known where it goes and who we are there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector_pipelines.core.http import Params

__all__ = ["Call", "call_of"]

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. `url` may be relative; `headers` have their names in lower case."""

    method: str
    url: str = field(repr=False)
    params: Params | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    repeatable: bool
    accept: frozenset[int] = frozenset()
    streams: bool = False


def call_of(
    method: str,
    url: str,
    *,
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
    json_body: Any = None,
    content: bytes | None = None,
    idempotent: bool | None = None,
    accept: Collection[int] = (),
    streams: bool = False,
) -> Call:
    if json_body is not None and content is not None:
        raise ValueError("a request has `json` or `content`, not both")
    method = method.upper()
    given = {name.lower(): value for name, value in (headers or {}).items()}
    body = content or b""
    if json_body is not None:
        body = json.dumps(json_body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        given.setdefault("content-type", "application/json")
    repeatable = method in _IDEMPOTENT if idempotent is None else idempotent
    return Call(
        method=method, url=url, params=params, headers=given, body=body, repeatable=repeatable, accept=frozenset(accept), streams=streams
    )
