"""An answer, read whole: within its limit."""

from __future__ import annotations

from connector_pipelines.core.errors import ConnectorError, ResourceError
from connector_pipelines.core.http import HttpResponse
from connector_pipelines.net.http._decoding import whole
from connector_pipelines.net.http._exchange import Got

__all__ = ["error_answer", "whole_answer"]

_ERROR_BYTES = 256 * 1024


def whole_answer(got: Got, limit: int) -> HttpResponse:
    """The answer.

    Raises:
        ResourceError: Its body has more than `limit` bytes, by its own word or in truth.
        Lost, Malformed: As `Reply.pieces` and `whole`.
    """
    reply = got.reply
    declared = reply.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit and got.method != "HEAD":
        raise ResourceError(f"the answer of {got.what} is larger than {limit} bytes", limit=f"max_body_bytes={limit}")
    return _read(got, limit)


def error_answer(got: Got) -> HttpResponse:
    """An answer that is no success: its status counts, even where its body is cut, broken or too large and therefore left out."""
    try:
        return _read(got, _ERROR_BYTES)
    except ConnectorError:
        return HttpResponse(status=got.reply.status, url=got.url, headers=got.reply.headers, content=b"")


def _read(got: Got, limit: int) -> HttpResponse:
    reply = got.reply
    # There is none, whatever the headers say of the one there would be.
    encoding = "" if got.method == "HEAD" or reply.status in {204, 304} else reply.headers.get("content-encoding", "")
    content = whole(reply.pieces(), encoding, limit=limit, what=got.what)
    return HttpResponse(status=reply.status, url=got.url, headers=reply.headers, content=content)
