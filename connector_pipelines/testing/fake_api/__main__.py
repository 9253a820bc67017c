"""The fake API as a process: prints its URL on a line, and serves until it is ended."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from connector_pipelines.testing.fake_api.api import FakeApi


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m connector_pipelines.testing.fake_api", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="Default: a free one.")
    wanted = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with FakeApi(port=wanted.port) as api:
        sys.stdout.write(api.url + "\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
