"""A Google Drive v3 on loopback, wrong in the ways the real one is: for tests of connectors, here and elsewhere.

In this process it is `FakeDrive`; as a process of its own, `fake_drive_process`, or ``python -m connector_pipelines.testing.fake_drive``,
which prints where it is, and then `RemoteFakeDrive` from wherever it is edited.
"""

from __future__ import annotations

from connector_pipelines.testing._serving.authority import PrivateAuthority
from connector_pipelines.testing.fake_api.clock import Clock
from connector_pipelines.testing.fake_api.faults import Cut, Drip, Garbage, Gzip, HtmlPage, Reset, Stall, Status
from connector_pipelines.testing.fake_api.http_server import Tls
from connector_pipelines.testing.fake_drive.drive import FakeDrive
from connector_pipelines.testing.fake_drive.faults import BackendError, Corrupted, Denied, Fault, IgnoredRange, Truncated, WrongChecksums
from connector_pipelines.testing.fake_drive.items import FOLDER, NATIVE, SHORTCUT
from connector_pipelines.testing.fake_drive.journal import Call, Journal
from connector_pipelines.testing.fake_drive.limits import Limit, Pause, Throttle
from connector_pipelines.testing.fake_drive.push import Delivered
from connector_pipelines.testing.fake_drive.quirks import Quirks
from connector_pipelines.testing.fake_drive.remote import RemoteFakeDrive, fake_drive_process
from connector_pipelines.testing.fake_drive.truth import Access, Truth
from connector_pipelines.testing.fake_drive.world import World

__all__ = [
    "FOLDER", "NATIVE", "SHORTCUT", "Access", "BackendError", "Call", "Clock", "Corrupted", "Cut", "Delivered", "Denied", "Drip", "FakeDrive",
    "Fault", "Garbage", "Gzip", "HtmlPage", "IgnoredRange", "Journal", "Limit", "Pause", "PrivateAuthority", "Quirks", "RemoteFakeDrive",
    "Reset", "Stall", "Status", "Throttle", "Tls", "Truncated", "Truth", "World", "WrongChecksums", "fake_drive_process",
]  # fmt: skip
