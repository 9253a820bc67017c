"""One try of a request: admitted, signed, sent, redirected, until an answer that is no redirect."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from connector_pipelines.core.errors import ConnectorError, PermanentError, Unavailable
from connector_pipelines.core.http import HttpOptions
from connector_pipelines.net.http._addresses import Addresses, origin_of, redirected, shown, with_params, without_params
from connector_pipelines.net.http._calls import Call
from connector_pipelines.net.http._decoding import ACCEPTED
from connector_pipelines.net.http._wire import Barred, Reply, Sending, Transport
from connector_pipelines.net.protocols import Answered, Breaker, Limiter, SignIn
from connector_pipelines.telemetry import scrub

__all__ = ["Exchange", "Got"]

MAX_REDIRECTS = 5
USER_AGENT = "connector-pipelines"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DRAINED_BYTES = 64 * 1024
# What a host that is not ours to trust may be told, once a redirect leads there.
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "accept-language", "if-match", "if-none-match", "if-modified-since", "if-range", "range", "user-agent"}
)
_OF_THE_BODY = frozenset({"content-type", "content-encoding", "content-language", "content-length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """An answer, its body still to be read.

    Attributes:
        url: Where it came from, as far as it may be shown: without its query, by which it may be signed.
        trusted: Whether it is of a host that gets our credentials.
        signed_in: Whether it got some.
        circuit: That is still owed the end of this request: what the answer is, is not known before it was read.
    """

    reply: Reply
    method: str
    url: str
    trusted: bool
    signed_in: bool
    request_id: str = ""
    circuit: str = ""

    @property
    def what(self) -> str:
        """For messages: some addresses carry a secret in their path."""
        return f"{self.method} {scrub(self.url)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How one client sends; knows nothing of trying again.

    Attributes:
        buckets: At least one, the widest first.
        account: Whom circuits are kept for.
    """

    options: HttpOptions
    addresses: Addresses
    buckets: tuple[str, ...]
    account: str
    sign_in: SignIn | None
    limiter: Limiter | None
    breaker: Breaker | None
    stop: threading.Event

    def send(self, call: Call, transport: Transport, left_s: Callable[[], float]) -> Got:
        """The answer to `call`, whose address is absolute by now. `left_s` says how long the limiter may hold it up.

        Raises:
            Lost, Barred: No answer; another try may help.
            ConnectorError: As `core.http.Http.request`.
        """
        hop = _Hop(method=call.method, url=with_params(call.url, call.params), headers=call.headers, body=call.body)
        for _ in range(MAX_REDIRECTS + 1):
            got = self._known(hop, call, transport, left_s)
            location = got.reply.headers.get("location", "")
            if got.reply.status not in _REDIRECTS or got.reply.status in call.accept or not location:
                return got
            _drain(got.reply)
            hop = self._onward(hop, got.reply.status, location)
        raise PermanentError(f"{call.method} {scrub(shown(call.url))} redirects more than {MAX_REDIRECTS} times")

    def learn(self, got: Got, answered: Answered, bucket: str | None = None) -> None:
        """Tell the limiter what an answer said, of the narrowest bucket or of another that it names."""
        if self.limiter is not None and got.trusted:
            self.limiter.learn(self._paused(bucket), answered)

    def throttled(self, bucket: str | None, after_s: float | None) -> None:
        """As `learn`, of what was throttled inside of an answer."""
        if self.limiter is not None:
            self.limiter.learn(self._paused(bucket), Answered(throttled=True, retry_after_s=after_s))

    def judged(self, got: Got, *, works: bool) -> None:
        """Tell the breaker how it ended, where that had to be found out; once for each answer of `send`, in its thread."""
        if self.breaker is not None and got.circuit:
            self.breaker.record(got.circuit, works=works)

    def _paused(self, bucket: str | None) -> str:
        return bucket if bucket in self.buckets else self.buckets[-1]

    def _known(self, hop: _Hop, call: Call, transport: Transport, left_s: Callable[[], float]) -> Got:
        """The answer, asked for once more where who we are was refused and can be told anew."""
        got, signed = self._sent(hop, call, transport, left_s)
        if got.reply.status != 401 or not got.signed_in or self.sign_in is None:
            return got
        try:
            if not self.sign_in.refused(signed):
                return got
        except BaseException:
            got.reply.close()
            raise
        _drain(got.reply)
        return self._sent(hop, call, transport, left_s)[0]

    def _sent(self, hop: _Hop, call: Call, transport: Transport, left_s: Callable[[], float]) -> tuple[Got, Mapping[str, str]]:
        origin, trusted = origin_of(hop.url), self.addresses.trusts(hop.url)
        sign_in = self.sign_in if trusted else None
        url = with_params(hop.url, sign_in.params() if sign_in else None)
        signed = sign_in.headers(hop.method, url, hop.body) if sign_in else {}
        # Last, since signing in may take its time: nothing comes between being let through and being sent.
        if self.limiter is not None and trusted:
            self.limiter.admit(self.buckets, within_s=left_s(), stop=self.stop, at_most=self.options.max_requests_per_second)
        request_id = uuid.uuid4().hex if trusted else ""
        sending = Sending(
            method=hop.method,
            url=url,
            headers=self._headers(hop, request_id) | {name.lower(): value for name, value in signed.items()},
            body=hop.body,
            deadline=time.monotonic() + self.options.total_timeout.total_seconds(),
            streams=call.streams,
            trusted=trusted,
        )
        reply, owed = self._through(f"{self.account} {origin}", transport, sending)
        return Got(
            reply=reply, method=hop.method, url=shown(hop.url), trusted=trusted, signed_in=sign_in is not None, request_id=request_id, circuit=owed
        ), signed  # fmt: skip

    def _through(self, circuit: str, transport: Transport, sending: Sending) -> tuple[Reply, str]:
        """The answer, and the circuit that is still to be told of it."""
        if self.breaker is None:
            return transport.send(sending), ""
        try:
            self.breaker.check(circuit)
        except Unavailable as error:
            raise Barred(str(error), advice=error.advice, retry_after_s=error.retry_after_s) from error
        try:
            reply = transport.send(sending)
        except ConnectorError:
            # That we stop says nothing of the other side; whatever else came, the request that tries the circuit owes it an answer.
            if not self.stop.is_set():
                self.breaker.record(circuit, works=False)
            raise
        # 401 is seen to here: it is never looked at by whoever asked, but where nothing helps against it.
        if self.options.refine is not None and reply.status >= 400 and reply.status != 401:
            return reply, circuit
        self.breaker.record(circuit, works=reply.status < 500)
        return reply, ""

    def _headers(self, hop: _Hop, request_id: str) -> dict[str, str]:
        ours = {name.lower(): value for name, value in self.options.headers.items()} if request_id else {}
        made = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": ACCEPTED}
        if request_id:
            # For the other side's support: a request of ours is found by it in their logs.
            made["x-request-id"] = request_id
        return made | ours | dict(hop.headers)

    def _onward(self, hop: _Hop, status: int, location: str) -> _Hop:
        secrets = self.sign_in.params() if self.sign_in else {}
        # The other side may have put back what we added; where it is trusted it is added again.
        url = without_params(redirected(hop.url, location), secrets)
        headers, method, body = dict(hop.headers), hop.method, hop.body
        # As browsers and every client do (RFC 9110, 15.4.2 to 15.4.4).
        if (status == 303 and method != "HEAD") or (status in {301, 302} and method == "POST"):
            method, body = "GET", b""
            headers = {name: value for name, value in headers.items() if name not in _OF_THE_BODY}
        if origin_of(url) != origin_of(hop.url) and not self.addresses.trusts(url):
            headers = {name: value for name, value in headers.items() if name in _HARMLESS | (_OF_THE_BODY if body else frozenset())}
        return _Hop(method=method, url=url, headers=headers, body=body)


def _drain(reply: Reply) -> None:
    """Read what little is left, so that the connection can be used again."""
    with suppress(ConnectorError):
        seen = 0
        for piece in reply.pieces():
            seen += len(piece)
            if seen > _DRAINED_BYTES:
                break
    reply.close()
