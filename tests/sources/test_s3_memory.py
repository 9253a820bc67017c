"""Whether a listing takes the memory of a page, however many keys there are."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

_IN_A_PROCESS_OF_ITS_OWN = """
import resource, sys
from connector_pipelines.sources.s3 import Config, Source
from connector_pipelines.testing.tools import plain_tools

settings = {"bucket": sys.argv[2], "endpoint": sys.argv[1], "credentials": {"type": "anonymous"}}
source = Source(Config.model_validate(settings), plain_tools())
print(sum(len(page.changes) for page in source.changes()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
_ROW = (
    "<Contents><Key>folder%20{}/file%20{:06}.txt</Key><LastModified>2026-06-01T12:00:00.000Z</LastModified>"
    "<ETag>&quot;{:032x}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


class _Counting(BaseHTTPRequestHandler):
    """A bucket whose name is how many keys it has; they are made up as they are asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        first, last = int(asked.get("continuation-token", ["0"])[0]), int(url.path.strip("/"))
        end = min(first + int(asked["max-keys"][0]), last)
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < last else ""
        rows = "".join(_ROW.format(n // 1000, n, n, n) for n in range(first, end))
        head = f"<EncodingType>url</EncodingType><IsTruncated>{str(end < last).lower()}</IsTruncated>{more}"
        body = f"<ListBucketResult>{head}{rows}</ListBucketResult>".encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_hundred_thousand_keys_take_no_more_memory_than_ten_thousand(endpoint: str) -> None:
    few, many = (_listed(endpoint, keys) for keys in (10_000, 100_000))
    assert (few[0], many[0]) == (10_000, 100_000)
    # Kept, the references alone would be 100 MB.
    assert many[1] - few[1] < 8 * 1024


def _listed(endpoint: str, keys: int) -> tuple[int, int]:
    """Keys named, and the most KiB that were in memory."""
    command = [sys.executable, "-c", _IN_A_PROCESS_OF_ITS_OWN, endpoint, str(keys)]
    named, most_kib = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.split()
    return int(named), int(most_kib)
