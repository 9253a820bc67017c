"""The client: what `core.http.Http` promises, by trying until there is an answer or no sense in trying."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from connector_pipelines.core.errors import ConnectorError, RateLimited, TransientError, Unavailable
from connector_pipelines.core.http import Download, HttpOptions, HttpResponse, Params
from connector_pipelines.net.http._addresses import shown
from connector_pipelines.net.http._bases import Bases
from connector_pipelines.net.http._calls import Call, call_of
from connector_pipelines.net.http._counters import Counters, Trace
from connector_pipelines.net.http._download import Resumed
from connector_pipelines.net.http._exchange import Exchange, Got
from connector_pipelines.net.http._hints import answered, retry_after_s
from connector_pipelines.net.http._reading import error_answer, whole_answer
from connector_pipelines.net.http._refusals import PASSING, refusal
from connector_pipelines.net.http._tries import Allowance, Clock, Tries
from connector_pipelines.net.http._wire import Barred, Lost, Transport
from connector_pipelines.telemetry import get_logger

__all__ = ["HttpClient"]

T = TypeVar("T")

log = get_logger(__name__)


class HttpClient:
    """One connector's way to one system.

    Attributes:
        counters: What was asked so far.
    """

    def __init__(
        self, options: HttpOptions, exchange: Exchange, *, name: str, transport: Transport, clock: Clock, counters: Counters
    ) -> None:
        self._options, self._exchange, self._name = options, exchange, name
        self._transport, self._clock = transport, clock
        self._allowance = Allowance()
        self._bases = Bases(clock.monotonic)
        self._is_closed = False
        self.counters = counters

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        idempotent: bool | None = None,
        accept: Collection[int] = (),
    ) -> HttpResponse:
        call = call_of(method, url, params=params, headers=headers, json_body=json, content=content, idempotent=idempotent, accept=accept)
        return self._asked(call, lambda got: whole_answer(got, self._options.max_body_bytes))

    def get(
        self, url: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None, accept: Collection[int] = ()
    ) -> HttpResponse:
        return self.request("GET", url, params=params, headers=headers, accept=accept)

    @contextmanager
    def download(
        self,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        again: Callable[[int], str] | None = None,
    ) -> Iterator[Download]:
        # Encoded, it would have to be read from its beginning to go on in the middle.
        plain = {"accept-encoding": "identity", **(headers or {})}

        def ask(more: Mapping[str, str], other: str | None = None, accept: Collection[int] = ()) -> Got:
            call = call_of("GET", other or url, params=params, headers={**plain, **more}, accept=accept, streams=True)
            return self._asked(call, lambda got: got)

        first = ask({})
        try:
            opened = Resumed(first, lambda more, other: ask(more, other, accept={416}), max_bytes, again)
        except BaseException:
            first.reply.close()
            raise
        try:
            yield opened
        finally:
            opened.close()
            self.counters.add_bytes(opened.received)

    def throttled(self, error: RateLimited) -> None:
        self._exchange.throttled(error.bucket, error.retry_after_s)

    def close(self) -> None:
        self._transport.close()
        if not self._is_closed and self.counters.requests:
            log.debug("http_closed", connector=self._name, **self.counters.summary())
        self._is_closed = True

    def _asked(self, call: Call, take: Callable[[Got], T]) -> T:
        trace = Trace(method=call.method, url=shown(self._exchange.addresses.absolute(call.url)))
        tries = Tries(self._options.retry_budget.total_seconds(), self._allowance, self._clock, trace)
        try:
            return self._until_answered(call, take, tries)
        finally:
            trace.took_s = tries.took_s
            self._count(trace)

    def _until_answered(self, call: Call, take: Callable[[Got], T], tries: Tries) -> T:
        addresses = self._exchange.addresses
        may_leave = addresses.has_alternative(call.url)
        on_fallback = may_leave and self._bases.is_away
        while True:
            url, status = addresses.absolute(call.url, fallback=on_fallback), 0
            try:
                found = self._once(replace(call, url=url), take, tries)
            except (Lost, Barred) as error:
                failed: TransientError = error
            except _Passing as passing:
                failed, status = passing.error, passing.status
            else:
                if may_leave and not on_fallback:
                    self._bases.worked()
                return found
            if may_leave and not on_fallback and self._leaves_base(call, failed, status, tries.trace.retries):
                self._bases.failed()
                on_fallback = True
                log.warning("http_failover", connector=self._name, why=str(failed))
                continue
            tries.again(failed, repeatable=call.repeatable)

    def _leaves_base(self, call: Call, failed: TransientError, status: int, retries: int) -> bool:
        if isinstance(failed, Barred):
            return True
        was_sent = not isinstance(failed, Lost) or failed.arrived
        if was_sent and (not call.repeatable or 0 < status < 500 or isinstance(failed, RateLimited)):
            return False
        return retries + 1 >= self._bases.tries

    def _once(self, call: Call, take: Callable[[Got], T], tries: Tries) -> T:
        trace = tries.trace
        trace.status, trace.request_id = 0, ""
        got = self._exchange.send(call, self._transport, tries.left_s)
        trace.status, trace.request_id = got.reply.status, got.request_id
        keeps = False
        try:
            self._judge(call, got)
            found = take(got)
            keeps = call.streams
        finally:
            if not keeps:
                got.reply.close()
        trace.received += len(found.content) if isinstance(found, HttpResponse) else 0
        return found

    def _judge(self, call: Call, got: Got) -> None:
        """Return where the answer is one.

        Raises:
            _Passing: Another try may help.
            ConnectorError: It does not.
        """
        reply = got.reply
        if 200 <= reply.status < 300 or reply.status == 304 or reply.status in call.accept:
            self._exchange.judged(got, works=reply.status < 500)
            self._exchange.learn(got, answered(reply.headers, throttled=False, after_s=None))
            return
        after_s = retry_after_s(reply.headers)
        refined, error = self._refused(got, after_s)
        if isinstance(error, RateLimited | Unavailable):
            # The longer of the two: neither is cut short.
            after_s = error.retry_after_s = max((s for s in (error.retry_after_s, after_s) if s is not None), default=None)
        said = answered(reply.headers, throttled=isinstance(error, RateLimited), after_s=after_s)
        self._exchange.learn(got, said, error.bucket if isinstance(error, RateLimited) else None)
        if isinstance(error, RateLimited | Unavailable) and (refined or reply.status in PASSING):
            is_away = refined and isinstance(error, Unavailable)
            raise _Passing(error, max(reply.status, 503) if is_away else reply.status)
        raise error

    def _refused(self, got: Got, after_s: float | None) -> tuple[bool, ConnectorError]:
        """The error that an answer is, and whether it is whoever asked who says so."""
        works = got.reply.status < 500
        try:
            answer = error_answer(got)
            refined = self._options.refine(answer) if self._options.refine else None
            if refined is not None:
                works = not isinstance(refined, Unavailable)
        finally:
            self._exchange.judged(got, works=works)
        return refined is not None, refined or refusal(got.what, answer, trusted=got.trusted, after_s=after_s)

    def _count(self, trace: Trace) -> None:
        self.counters.add(trace)
        log.debug(
            "http_request", connector=self._name, method=trace.method, url=trace.url, status=trace.status,
            ms=round(trace.took_s * 1000), retries=trace.retries, request_id=trace.request_id,
        )  # fmt: skip


class _Passing(Exception):
    """Another try may help against `error`."""

    def __init__(self, error: TransientError, status: int) -> None:
        super().__init__(str(error))
        self.error, self.status = error, status
