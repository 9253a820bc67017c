"""A server on this machine that writes down when each request arrived and was answered, and answers as a test says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Answer", "Loopback", "Request"]


@dataclass(slots=True)
class Request:
    """Instants are of `time.monotonic`, which all processes of this machine share. `pid` is of who sent it."""

    arrived_at: float
    pid: int
    answered_at: float = 0.0
    status: int = 0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`after_s` is how long the server takes."""

    status: int = 200
    retry_after_s: int | None = None
    after_s: float = 0.01
    headers: tuple[str, ...] = ()


@dataclass(slots=True)
class Loopback:
    """`answer` is called in order of arrival, one call at a time."""

    answer: Callable[[Request], Answer] = lambda _: Answer()
    journal: list[Request] = field(default_factory=list)
    url: str = ""

    def arrivals(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        return [r.arrived_at for r in list(self.journal) if since <= r.arrived_at < until]

    @property
    def pauses(self) -> Sequence[tuple[float, float]]:
        """From when to when each answer asked us to be silent."""
        return [
            (r.answered_at, r.answered_at + r.retry_after_s) for r in list(self.journal) if r.retry_after_s is not None and r.answered_at
        ]

    @contextmanager
    def running(self) -> Iterator[Loopback]:
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    loop.run_until_complete(task)
            server.close()
            loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                pid = int(head.partition(b"x-pid: ")[2].partition(b"\r\n")[0] or 0)
                request = Request(time.monotonic(), pid)
                answer = self.answer(request)
                self.journal.append(request)
                await asyncio.sleep(answer.after_s)
                request.status, request.retry_after_s = answer.status, answer.retry_after_s
                told = [*answer.headers, *([f"retry-after: {answer.retry_after_s}"] if answer.retry_after_s is not None else [])]
                # Before it is sent: nobody can have read it earlier.
                request.answered_at = time.monotonic()
                writer.write("\r\n".join((f"HTTP/1.1 {answer.status} said", "content-length: 2", *told, "", "{}")).encode())
                await writer.drain()
        writer.close()
