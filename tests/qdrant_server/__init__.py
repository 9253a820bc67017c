"""A Qdrant server for tests: its REST interface, as far as the sink speaks it, over a real engine.

There is no package of the server itself. The engine is there as a library (`qdrant-edge-py`, the storage and search of the
server in Rust, one shard), and so is the vendor's own imitation of it in Python (the client's local mode). Either stands
behind the same HTTP here, which is read with the models the vendor made from the server's own interface description.

What this cannot show: more than one shard or replica, the order of writes and the consistency of reads among those, the
log that is replayed after the server itself was killed, the real server's words in refusals, its strict mode but for the
rule that filters need indexes (which is kept here), gRPC, and roles of keys beyond read-only.
"""

from __future__ import annotations

from tests.qdrant_server.engines import EdgeEngine, LocalEngine
from tests.qdrant_server.http import Answer, QdrantServer, Request, serving

__all__ = ["Answer", "EdgeEngine", "LocalEngine", "QdrantServer", "Request", "serving"]
