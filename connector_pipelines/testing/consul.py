"""A stand-in for the key-value part of HashiCorp Consul, for tests: not Consul, but its HTTP API as far as settings are read by it.

Shape of requests and answers: https://developer.hashicorp.com/consul/api-docs/kv.
"""

from __future__ import annotations

import base64
import ssl

from connector_pipelines.testing._loopback import Answer, Call, Loopback

__all__ = ["ConsulStandIn"]


class ConsulStandIn(Loopback):
    """A server on loopback, from `with` to its end.

    Args:
        token: What reads are allowed with; empty for everybody.
        tls: To speak https with.

    Attributes:
        has_leader: Without one every read fails with 500.
    """

    def __init__(self, *, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.has_leader = True
        self._token = token
        self._values: dict[str, bytes | None] = {}

    def put(self, key: str, value: str | bytes | None) -> None:
        """None makes a folder, whose key ends in a slash."""
        self._values[key] = value.encode() if isinstance(value, str) else value

    def answer(self, call: Call) -> Answer:
        if not self.has_leader:
            return Answer(500, "No cluster leader")
        if self._token and call.headers.get("x-consul-token") != self._token:
            return Answer(403, "Permission denied: anonymous token lacks permission 'key:read'")
        wanted = call.path.removeprefix("/v1/kv/")
        whole = "recurse" not in call.query
        rows = [_row(key, value) for key, value in sorted(self._values.items()) if key == wanted or (not whole and key.startswith(wanted))]
        return Answer(200, rows) if rows else Answer(404)


def _row(key: str, value: bytes | None) -> dict[str, object]:
    encoded = None if value is None else base64.b64encode(value).decode()
    return {"LockIndex": 0, "Key": key, "Flags": 0, "Value": encoded, "CreateIndex": 1, "ModifyIndex": 1}
