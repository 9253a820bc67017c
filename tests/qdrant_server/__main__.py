"""The server in a process of its own, on the engine in Rust: prints its address, and stops when its input ends."""

from __future__ import annotations

import sys

from tests.qdrant_server import EdgeEngine, serving

with serving(EdgeEngine) as server:
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    sys.stdin.read()
