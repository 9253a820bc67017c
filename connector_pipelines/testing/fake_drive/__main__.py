"""The fake Drive as a process: prints where it is, and serves until it is ended.

Without ``--bare`` there is a folder to look at, and a key file to look at it with.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

from connector_pipelines.testing.fake_api.clock import Clock
from connector_pipelines.testing.fake_api.http_server import Tls
from connector_pipelines.testing.fake_drive.drive import FakeDrive

PERSON = "ada@example.com"


def main() -> None:
    wanted = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    tls = Tls(certificate=wanted.certificate, key=wanted.key) if wanted.certificate else None
    with FakeDrive(port=wanted.port, tls=tls, latency_s=wanted.latency, clock=None if wanted.bare else Clock(step=None)) as drive:
        if wanted.bare:
            _say(f"{drive.url} {drive.control_url}")
            ended.wait()
            return
        with tempfile.TemporaryDirectory(prefix="fake-drive-") as folder:
            _tell(drive, Path(folder))
            ended.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m connector_pipelines.testing.fake_drive", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="Default: a free one.")
    parser.add_argument("--certificate", type=Path, help="PEM; with it, the Drive is served over TLS.")
    parser.add_argument("--key", type=Path, help="PEM, of the certificate.")
    parser.add_argument("--latency", type=float, default=0.0, help="Seconds added to each answer.")
    parser.add_argument("--bare", action="store_true", help="Empty; prints its URL and the control URL on a line.")
    return parser.parse_args()


def _tell(drive: FakeDrive, folder: Path) -> None:
    """Make what there is to look at, and say how."""
    key = folder / "key.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps(drive.service_account(delegation=["drive.readonly"]), indent=2))
    drive.world.add_user(PERSON)
    plans = drive.world.create_folder("Plans", owner=PERSON)
    drive.world.create(parent=plans, name="hello.txt", content=b"Hello from a file.\n")
    drive.world.create_native("document", "A document.\nWith two paragraphs.", parent=plans, name="Notes")
    drive.world.fill(plans, 20)
    _say(
        f"url      {drive.url}\ncontrol  {drive.control_url}\nkey      {key}\nperson   {PERSON}\nfolder   {plans}\n\n"
        f"Serving until Ctrl-C; the key file goes with it."
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
