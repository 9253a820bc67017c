"""The fake Drive as a whole, in this process: a world behind HTTP, with sign-in, limits, faults, push and a journal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from connector_pipelines.testing._serving.event_server import EventServer
from connector_pipelines.testing.fake_api.clock import Clock
from connector_pipelines.testing.fake_api.faults import Delivery
from connector_pipelines.testing.fake_api.http_server import HttpServer, Tls
from connector_pipelines.testing.fake_drive.commands import Commands
from connector_pipelines.testing.fake_drive.control import Control
from connector_pipelines.testing.fake_drive.routes import Routes
from connector_pipelines.testing.fake_drive.service import Service
from connector_pipelines.testing.fake_drive.world import World

__all__ = ["FakeDrive"]


class FakeDrive(Commands):
    """A Google Drive v3 on loopback.

        with FakeDrive() as drive:
            drive.world.add_user("ada@example.com")
            drive.world.create(owner="ada@example.com", name="a.txt", content=b"hello")
            key = drive.service_account(delegation=["drive.readonly"])

    Args:
        clock: Of the world: what time an edit has.
        latency_s: Added to each answer.

    Attributes:
        url: ``/drive/v3/…``, ``/batch/drive/v3``, ``/token`` and ``/o/oauth2/v2/auth`` lie below it.
        world: What is in it, and every edit.
        journal: What was asked of it.
        clock: That of the world.
        control_url: Where other processes edit it.
    """

    def __init__(self, *, clock: Clock | None = None, port: int = 0, tls: Tls | None = None, latency_s: float = 0.0) -> None:
        self.clock = clock or Clock()
        self.world = World(self.clock)
        self._server = EventServer(port=port, tls=tls)
        self.url = self._server.url
        super().__init__(Service(self.url, self.world, Routes(self.world)))
        self.latency(latency_s)
        self.journal = self._service.journal
        control = Control({"world": (self.world, World), "clock": (self.clock, Clock), "drive": (self, Commands)})
        # By itself: never over TLS, and an edit that takes long holds up no answer.
        self._control = HttpServer(lambda request, _: (control.answer(request), Delivery()))
        self.control_url = self._control.url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._service.push.start()
        self._server.start(self._service.respond)
        self._control.start()

    def stop(self) -> None:
        self._control.stop()
        self._server.stop()
        self._service.push.stop()
