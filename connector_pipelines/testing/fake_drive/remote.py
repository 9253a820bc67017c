"""The fake Drive as a process of its own, and the same edits from any other process."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from connector_pipelines.testing._serving.forwarding import forwards
from connector_pipelines.testing.fake_api.clock import Clock
from connector_pipelines.testing.fake_api.http_server import Tls
from connector_pipelines.testing.fake_drive.commands import Commands
from connector_pipelines.testing.fake_drive.control import CONTROL
from connector_pipelines.testing.fake_drive.journal import Journal
from connector_pipelines.testing.fake_drive.world import World

__all__ = ["RemoteFakeDrive", "fake_drive_process"]

_PATIENCE_S: Final = 120.0


class _Sending:
    """Asks the control URL."""

    def __init__(self, url: str, target: str) -> None:
        self._at = f"{url}{CONTROL}{target}/"
        # Straight to it: a proxy of the environment knows nothing of loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _send(self, method: str, arguments: bytes) -> bytes:
        asked = urllib.request.Request(self._at + method, arguments, {"Content-Type": "application/json"})  # noqa: S310 - our own address
        try:
            with self._opener.open(asked, timeout=_PATIENCE_S) as answer:
                given: bytes = answer.read()
                return given
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{method}: {json.load(error)['error']['message']}") from None


@forwards
class _RemoteWorld(_Sending, World):
    pass


@forwards
class _RemoteClock(_Sending, Clock):
    pass


@forwards
class RemoteFakeDrive(_Sending, Commands):
    """As `FakeDrive`, by the control URL. Used by several threads and processes at once.

    Args:
        url, control_url: As those of the fake.
        pid: Of its process, where that is known.
    """

    def __init__(self, url: str, control_url: str, pid: int = 0) -> None:
        super().__init__(control_url, "drive")
        self.url, self.control_url, self.pid = url, control_url, pid
        self.world: World = _RemoteWorld(control_url, "world")
        self.clock: Clock = _RemoteClock(control_url, "clock")

    @property
    def journal(self) -> Journal:
        """A copy of it as it is now."""
        return Journal.of(self.calls())


@contextmanager
def fake_drive_process(*, tls: Tls | None = None, latency_s: float = 0.0) -> Iterator[RemoteFakeDrive]:
    """Run an empty one as a process of its own, until the block ends."""
    command = [sys.executable, "-m", "connector_pipelines.testing.fake_drive", "--bare", "--latency", str(latency_s)]
    if tls:
        command += ["--certificate", str(tls.certificate), "--key", str(tls.key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            urls = process.stdout.readline().split()
            if len(urls) != 2:
                raise RuntimeError(f"the fake Drive did not start: exit code {process.wait(10)}")
            yield RemoteFakeDrive(urls[0], urls[1], process.pid)
        finally:
            process.terminate()
