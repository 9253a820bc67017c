"""Attached files over HTTP: validators, ranges, digests, and a host of signed addresses that wants no credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from connector_pipelines.testing.fake_api.collection import File
from connector_pipelines.testing.fake_api.messages import Answer, Refusal, Request
from connector_pipelines.testing.fake_api.rendering import signature_of

__all__ = ["answer_file", "answer_signed", "redirect_to_signed"]

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_CREDENTIALS: Final = ("authorization", "cookie", "x-api-key")


def answer_file(request: Request, files: Mapping[str, File], file_id: str) -> Answer:
    """The file, or the range of it that is asked for (RFC 9110, 14).

    Raises:
        Refusal: 404, 416.
    """
    file = files.get(file_id)
    if file is None:
        raise Refusal(404, "no such file")
    etag = f'"{hashlib.sha256(file.content).hexdigest()[:32]}"'
    headers = {"Content-Type": file.media_type, "ETag": etag, "Accept-Ranges": "bytes", "Repr-Digest": _digest(file.content)}
    if request.headers.get("if-none-match") == etag:
        return Answer(304, b"", headers)
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if wanted is None or wanted.groups() == ("", "") or request.headers.get("if-range", etag) != etag:
        return Answer(200, file.content, headers)
    first, last = _bounds(wanted, len(file.content))
    if first > last:
        raise Refusal(416, "no such range", {"Content-Range": f"bytes */{len(file.content)}"})
    return Answer(206, file.content[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(file.content)}"})


def answer_signed(request: Request, files: Mapping[str, File], file_id: str) -> Answer:
    """As `answer_file`, for whoever shows the signature and no credential besides.

    Raises:
        Refusal: 400 with a credential, 403 with another signature, and as `answer_file` does.
    """
    if shown := [name for name in _CREDENTIALS if name in request.headers]:
        raise Refusal(400, f"a signed address wants no {shown[0]}")
    file = files.get(file_id)
    if file is not None and not hmac.compare_digest(request.params.get("signature", "").encode(), signature_of(file).encode()):
        raise Refusal(403, "the signature is not right")
    return answer_file(request, files, file_id)


def redirect_to_signed(files: Mapping[str, File], file_id: str, signed: str) -> Answer:
    file = files.get(file_id)
    if file is None:
        raise Refusal(404, "no such file")
    return Answer(302, b"", {"Location": f"{signed}/files/{file_id}?signature={signature_of(file)}"})


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int]:
    first, last = wanted.groups()
    if not first:
        return max(0, size - int(last)), size - 1 if int(last) else -1
    return int(first), min(int(last), size - 1) if last else size - 1


def _digest(content: bytes) -> str:
    """RFC 9530."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
