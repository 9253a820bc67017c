"""``python -m benchmarks._callers PORT CONNECTIONS FIRST COUNT``: makes signed calls over kept connections, and prints how long each took."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator

__all__ = ["PATH", "SECRET", "request_of"]

PATH = "/webhooks/bench"
SECRET = "a-secret-for-benchmarks"


def request_of(number: int) -> bytes:
    """A call as GitHub makes it, of 400 bytes of JSON."""
    body = json.dumps({"event": "contact.changed", "id": number, "portal": 62515, "note": "x" * 330}).encode()
    signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Hub-Signature-256: sha256={signed}\r\nX-GitHub-Delivery: {number}\r\n\r\n"
    )
    return head.encode() + body


async def _connection(port: int, requests: Iterator[bytes], times: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        started = time.perf_counter()
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        times.append(time.perf_counter() - started)
        if not answer.startswith(b"HTTP/1.1 202"):
            raise RuntimeError(answer.partition(b"\r\n")[0])
    writer.close()


async def _calls(port: int, connections: int, first: int, count: int) -> list[float]:
    # Signed beforehand: what is measured is the other side.
    requests, times = iter([request_of(number) for number in range(first, first + count)]), []
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(_connection(port, requests, times))
    return times


if __name__ == "__main__":
    import uvloop

    print(json.dumps(uvloop.run(_calls(*map(int, sys.argv[1:])))))
