"""A gateway that is served for real, on a catalog of its own, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.gateway.app import create_app
from connector_pipelines.gateway.house import House, open_house
from connector_pipelines.gateway.serving import bind, server_of
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.configuration import apply
from tests.databases import drop_database
from tests.faults.way import Way

SECRET = "a-secret-for-webhooks"
SIGNED: Mapping[str, Any] = {
    "verify": {"type": "hmac", "secrets": ["file:secret"], "header": "X-Hub-Signature-256", "prefix": "sha256="},
    "delivery_id": {"header": "X-GitHub-Delivery"},
}
LIMIT_S = 20.0


def signature(body: bytes, secret: str = SECRET) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def eventually(found: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    """Whether it came true: what another thread does is seen by looking again."""
    give_up_at = time.monotonic() + limit_s
    while not found():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.01)
    return True


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 10, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(slots=True)
class Gate:
    """The gateway and its catalog. `address` is ``(host, port)``."""

    folder: Path
    services: Services
    house: House
    clock: Clock
    way: Way
    address: tuple[str, int]
    client: httpx.Client = field(repr=False)

    def configure(self, webhook: Mapping[str, Any] | None = SIGNED, *, name: str = "crm", kind: str = "local_folder", **facts: Any) -> None:
        """One connector of that name, with the endpoints `papers` and `plans`; what others there were are put aside."""
        slugs = facts.pop("slugs", ("papers", "plans") if name == "crm" else (f"of_{name}",))
        connector = {"name": name, "kind": kind, "endpoints": [{"slug": slug, "settings": {"root": str(self.folder)}} for slug in slugs]}
        self.apply([connector | ({"webhook": webhook} if webhook else {}) | facts])

    def apply(self, connectors: Sequence[Mapping[str, Any]]) -> None:
        """These connectors and no others."""
        tenants = {"tenants": [{"name": one["tenant"]} for one in connectors if "tenant" in one]}
        wanted = {**(tenants if tenants["tenants"] else {}), "connectors": connectors}
        with self.services.database.operator() as tx:
            apply(tx, ConnectorsFile.model_validate(wanted), actor="test", now=self.clock())
        # What is kept of the rows is older than that now.
        self.clock.forward(seconds=6)

    def call(
        self, body: bytes = b"{}", path: str = "/webhooks/crm", *, delivery: str | None = None, content_type: str = "application/json",
        secret: str = SECRET, **headers: str,
    ) -> httpx.Response:  # fmt: skip
        """A call as GitHub makes it, signed with `secret`."""
        named = {"X-GitHub-Delivery": delivery} if delivery else {}
        given = {"Content-Type": content_type, "X-Hub-Signature-256": signature(body, secret), **named, **headers}
        return self.client.post(path, content=body, headers=given)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self.services.database.operator() as tx:
            return tx.execute(query, values).fetchall()

    def execute(self, statement: str) -> None:
        with self.services.database.operator() as tx:
            tx.execute(statement)

    def inbox(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM webhook_inbox ORDER BY id")

    def owed(self) -> list[tuple[str, int]]:
        """Slug and id in the inbox."""
        found = self.rows("SELECT e.slug, o.inbox_id FROM notifications_owed o JOIN endpoints e ON e.id = o.endpoint_id ORDER BY 1, 2")
        return [(row["slug"], row["inbox_id"]) for row in found]

    def refused(self) -> dict[str, int]:
        """By reason, as the database has it now."""
        self.house.write_counts()
        return {
            row["reason"]: row["calls"] for row in self.rows("SELECT reason, sum(calls)::int AS calls FROM webhook_refusals GROUP BY 1")
        }

    def socket(self) -> socket.socket:
        """A bare connection, for what no client would send."""
        return socket.create_connection(self.address, timeout=LIMIT_S)


@pytest.fixture(scope="module")
def _migrated(postgres: Any, _administration: Any) -> Iterator[str]:
    name = f"gateway_{secrets.token_hex(8)}"
    _administration.execute(f'CREATE DATABASE "{name}"')
    url = urlsplit(postgres.ensure_running())._replace(path=f"/{name}").geturl()
    schema.upgrade(SecretStr(url))
    yield url
    drop_database(_administration, name)


@pytest.fixture
def gate(tmp_path: Path, _migrated: str) -> Iterator[Gate]:
    (tmp_path / "secret").write_text(SECRET)
    parts = urlsplit(_migrated)
    way = Way(f"{parts.hostname}:{parts.port}")
    url = parts._replace(netloc=f"{parts.username}:{parts.password}@{way.address}").geturl()
    settings = load_settings(
        {"CONNECTORS_HOME": str(tmp_path / "home"), "CONNECTORS_CONFIG": str(tmp_path / "c.yaml"), "DATABASE_URL": url}
    )
    services, clock = open_services(settings, SecretStr(_migrated)), Clock()
    with services.database.operator() as tx:
        for table in ("tenants", "audit_log", "sinks", "partitions"):
            tx.execute(f"DELETE FROM {table}")
    with ExitStack() as stack:
        stack.enter_context(way)
        house = stack.enter_context(open_house(services, clock, clock.seconds))
        host, port = stack.enter_context(served(create_app(house)))
        client = stack.enter_context(httpx.Client(base_url=f"http://{host}:{port}", timeout=LIMIT_S, trust_env=False))
        made = Gate(tmp_path, services, house, clock, way, (host, port), client)
        made.configure()
        yield made
    services.close()


class served:  # noqa: N801 - used as a function
    """An application behind the gateway's own server, in a thread."""

    def __init__(self, app: Any) -> None:
        self._listener = bind("127.0.0.1", 0)
        started = threading.Event()
        self._server = server_of(app, started.set)
        self._started = started
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve(sockets=[self._listener])))

    def __enter__(self) -> tuple[str, int]:
        self._thread.start()
        assert self._started.wait(LIMIT_S)
        return self._listener.getsockname()

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(LIMIT_S)
        self._listener.close()
        assert not self._thread.is_alive()
