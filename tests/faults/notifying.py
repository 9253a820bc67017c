"""``python -m tests.faults.notifying PORT GATES FIRST COUNT``: changes records at full speed, and tells the webhook of each until it takes it.

Prints, by record, the version it had at the last call that was answered with 202; how many were; and how often one had to be made again.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.following import change

SECRET = "a-secret-for-notifications"
THREADS = 8
RECORDS = 20
"""Of each thread: a notification is about one of these."""
LIMIT_S = 90.0


def _told(port: int, gates: Path, numbers: range, thread: int) -> tuple[dict[str, int], int]:
    connection, taken, again = None, {}, 0
    for number in numbers:
        name = f"r{numbers.start}x{thread}x{number % RECORDS}"
        change(gates, name, number)
        body = json.dumps({"id": name, "version": number}).encode()
        headers = {"X-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(), "X-Delivery": f"{name}-{number}"}
        give_up_at = time.monotonic() + LIMIT_S
        while True:
            connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("POST", "/webhooks/Under%20test", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
            else:
                if answer.status == 202:
                    break
                assert answer.status == 503, answer.status
            assert time.monotonic() < give_up_at, "the gateway did not take a call"
            again += 1
            time.sleep(0.05)
        taken[name] = number
    return taken, again


def _main(port: int, gates: Path, first: int, count: int) -> None:
    each = count // THREADS
    with ThreadPoolExecutor(THREADS) as threads:
        told = [threads.submit(_told, port, gates, range(first + n * each, first + (n + 1) * each), n) for n in range(THREADS)]
    taken: dict[str, int] = {}
    for one in told:
        taken |= one.result()[0]
    sys.stdout.write(json.dumps({"taken": taken, "made": each * THREADS, "again": sum(one.result()[1] for one in told)}))


if __name__ == "__main__":
    _main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
