"""A process that sends requests from several threads until its standard input ends, through the house's own client and limits."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from datetime import timedelta
from functools import partial

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError, RateLimited, TransientError
from connector_pipelines.core.http import Http, HttpOptions, HttpResponse
from connector_pipelines.net.http import open_http
from connector_pipelines.net.limits import Limits
from connector_pipelines.store.catalog.limits import PostgresLimits


def main() -> None:
    given = _arguments()
    stop = threading.Event()
    limits = Limits(PostgresLimits(SecretStr(os.environ["DATABASE_URL"])), clock=lambda: time.monotonic() + given.clock_ahead_s)
    buckets = (given.bucket, f"{given.bucket}/{given.user}") if given.user else (given.bucket,)
    options = HttpOptions(
        base_url=given.server, headers={"x-pid": str(os.getpid())}, buckets=buckets, refine=partial(_refined, buckets), max_requests_per_second=given.at_most, allow_private=True,
        retry_budget=timedelta(seconds=given.budget_s),
    )  # fmt: skip
    http = open_http(options, name="worker", account=given.bucket, limiter=limits.limiter, breaker=limits.breaker, stop=stop)
    threads = [threading.Thread(target=_send, args=(http, stop, given.pause_s)) for _ in range(given.threads)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    # The word to begin, so that all processes begin together.
    sys.stdin.readline()
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    http.close()
    limits.close()


def _send(http: Http, stop: threading.Event, pause_s: float) -> None:
    while not stop.is_set():
        try:
            http.get("thing")
        except TransientError:
            stop.wait(pause_s)


def _refined(buckets: tuple[str, ...], answer: HttpResponse) -> ConnectorError | None:
    """As of a provider that tells limits apart in words of its own."""
    told = answer.headers.get("x-limit")
    return RateLimited("too fast", bucket=buckets[0] if told == "widest" else None) if told else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("bucket")
    parser.add_argument("--user", help="Whose bucket counts beside that one.")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--at-most", type=float)
    parser.add_argument("--clock-ahead-s", type=float, default=0.0)
    parser.add_argument("--budget-s", type=float, default=30.0)
    parser.add_argument("--pause-s", type=float, default=0.05)
    return parser.parse_args()


if __name__ == "__main__":
    main()
