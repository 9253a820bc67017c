"""A body of any size in pieces: taken up where it was cut, as long as it is certain that it is still the same.

What makes it certain is a validator of the answer, or whoever asked: they vouch for the address that they give for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from connector_pipelines.core.errors import Mismatch, ResourceError, Unavailable
from connector_pipelines.net.http._decoding import decoded
from connector_pipelines.net.http._exchange import Got
from connector_pipelines.net.http._wire import Lost

__all__ = ["Resumed"]

_CUTS = 4
# Less than this between two cuts is no progress: a server that gives a byte each time would be asked for ever.
_PROGRESS_BYTES = 16 * 1024
Ask = Callable[[Mapping[str, str], str | None], Got]

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Resumed:
    """A `core.http.Download`.

    Args:
        ask: Sends the same request with further headers, to another address where one is given; accepts 206 and 416.
        max_bytes: Of the decoded body.
        again: As at `core.http.Http.download`.

    Attributes:
        received: Bytes so far, as they came.
    """

    def __init__(self, first: Got, ask: Ask, max_bytes: int | None, again: Callable[[int], str] | None = None) -> None:
        self._got, self._ask, self._max_bytes, self._again = first, ask, max_bytes, again
        self._what = first.what
        self.status, self.headers = first.reply.status, first.reply.headers
        self._pin = _pin(self.headers)
        self._size = _size(self.headers)
        self._is_plain = self.headers.get("content-encoding", "").strip().lower() in {"", "identity"}
        self.received = 0
        if self._is_plain and max_bytes is not None and self._size is not None and self._size > max_bytes:
            raise self._too_large()
        self._bytes = self._bounded()

    def __iter__(self) -> Iterator[bytes]:
        return self._bytes

    def close(self) -> None:
        self._got.reply.close()

    def _bounded(self) -> Iterator[bytes]:
        seen = 0
        for piece in decoded(self._raw(), self.headers.get("content-encoding", ""), what=self._what):
            seen += len(piece)
            if self._max_bytes is not None and seen > self._max_bytes:
                raise self._too_large()
            yield piece

    def _raw(self) -> Iterator[bytes]:
        cuts, progress, skip = 0, 0, 0
        while True:
            try:
                for piece in self._got.reply.pieces():
                    fresh = piece[skip:]
                    skip -= len(piece) - len(fresh)
                    self.received += len(fresh)
                    progress += len(fresh)
                    if fresh:
                        yield fresh
            except Lost as error:
                cuts = 1 if progress >= _PROGRESS_BYTES else cuts + 1
                if cuts > _CUTS:
                    raise Unavailable(f"{self._what} was cut off {cuts} times, at last at byte {self.received}: {error}") from error
                skip, progress = self._take_up(error), 0
            else:
                return

    def _take_up(self, cut: Lost) -> int:
        """Go on from where it was cut; the number of bytes that come again.

        Raises:
            Mismatch: It is not the same body any more.
            Unavailable: Nobody can say whether it is.
        """
        self._got.reply.close()
        if self.received and not self._pin and self._again is None:
            raise Unavailable(
                f"{self._what} was cut off at byte {self.received}, and has neither ETag nor date to be taken up by: {cut}"
            ) from cut
        url = self._again(self.received) if self._again else None
        if self.received == 0:
            self._got = self._ask({}, url)
            self._require_same(self._got)
            return 0
        rest = {"range": f"bytes={self.received}-"}
        self._got = self._ask({**rest, "if-range": self._pin} if self._pin else rest, url)
        self._require_same(self._got)
        return self._began_anew()

    def _require_same(self, got: Got) -> None:
        """Of a whole body as of a part."""
        pin = _pin(got.reply.headers)
        is_whole = got.reply.status == self.status
        # A part need not repeat the date (RFC 9110, 15.3.7): whoever sends one has compared it.
        same_pin = not self._pin or pin == self._pin or (not is_whole and not pin)
        if got.reply.status == 416 or not same_pin or (is_whole and self._size != _size(got.reply.headers)):
            raise Mismatch(f"{self._what} changed while it was read: after {self.received} bytes it is another")

    def _began_anew(self) -> int:
        reply = self._got.reply
        if reply.status != 206:
            # It does not do ranges, and its validator says that it is the same: what we have comes again.
            return self.received
        found = _RANGE.fullmatch(reply.headers.get("content-range", "").strip())
        if found is None or int(found[1]) != self.received or (self._size is not None and found[3] not in {"*", str(self._size)}):
            raise Mismatch(f"{self._what} was asked for from byte {self.received} on, and gives another part")
        if self._size is None and found[3] != "*":
            # Sent without its length at first: from here on it is known.
            self._size = int(found[3])
        return 0

    def _too_large(self) -> ResourceError:
        return ResourceError(f"the answer of {self._what} is larger than {self._max_bytes} bytes", limit=f"max_bytes={self._max_bytes}")


def _pin(headers: Mapping[str, str]) -> str:
    """What tells one body from another, as ``If-Range`` takes it (RFC 9110, 13.1.5): a strong ETag, else the date of the last change."""
    etag = headers.get("etag", "")
    return etag if etag.startswith('"') else headers.get("last-modified", "")


def _size(headers: Mapping[str, str]) -> int | None:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else None
