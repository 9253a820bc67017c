"""A production on this machine: the shipped files, and the commands of the image and of the compose file, as processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "dagster_home" / "production"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(REPOSITORY / "docker-compose.yml")
PATIENCE_S = 240.0
"""On two busy CPUs; alone it takes a tenth of it."""


def command_of(service: str) -> list[str]:
    """What the container of that service runs."""
    given = COMPOSE["services"][service].get("command")
    return given or json.loads(re.findall(r"^CMD (\[.*\])$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)[0])


@dataclass(slots=True)
class Production:
    """Services by the names of the compose file. In the folder: `connectors.yaml`, `home`, `dagster` (as in the image) and logs."""

    folder: Path
    variables: Mapping[str, str]
    code_port: int = 0
    web_port: int = 0
    gateway_port: int = 0
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH") if name in os.environ}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
        return {**kept, "PATH": path, **self.variables, "DAGSTER_HOME": str(self.folder / "dagster"), "TMPDIR": str(self.folder / "tmp")}

    def lay_down(self, *, poll_s: int) -> None:
        """The image's folder, but for ports and for how often runs are looked at."""
        self.code_port, self.web_port, self.gateway_port = _free_port(), _free_port(), _free_port()
        shutil.copytree(SHIPPED, self.folder / "dagster")
        (self.folder / "tmp").mkdir()
        for name, shipped, ours in (
            ("workspace.yaml", "port: 4000", f"port: {self.code_port}"),
            ("dagster.yaml", "poll_interval_seconds: 30", f"poll_interval_seconds: {poll_s}"),
        ):
            file = self.folder / "dagster" / name
            assert shipped in file.read_text()
            file.write_text(file.read_text().replace(shipped, ours))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        line = self._here(command)
        return subprocess.run(line, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)

    def start(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("ab") as log:
            self.running[service] = subprocess.Popen(
                self._here(command_of(service)),
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self, service: str) -> None:
        """As a container ends that has no time to: every process in it, at once."""
        process = self.running.pop(service)
        for number in _family(process.pid):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for service in list(self.running):
            self.running[service].terminate()
        for service in list(self.running):
            with suppress(subprocess.TimeoutExpired):
                self.running[service].wait(timeout=15)
            self.kill(service)

    def web(self, path: str, **body: object) -> dict[str, Any] | None:
        """What the webserver answers; None while it does not."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.web_port}{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except OSError:
            return None

    def until(self, met: Callable[[], Any], what: str) -> Any:
        """The first true answer, while every service runs."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not (found := met()):
            for service, process in self.running.items():
                assert process.poll() is None, f"{service} ended: {(self.folder / f'{service}.log').read_text()[-2000:]}"
            assert time.monotonic() < give_up_at, f"{what} did not happen within {PATIENCE_S:.0f} s"
            time.sleep(0.25)
        return found

    def _here(self, command: list[str] | tuple[str, ...]) -> list[str]:
        """The command of a container on a machine where others have its ports and its folder."""
        changed = {
            "4000": str(self.code_port),
            "3000": str(self.web_port),
            "8090": str(self.gateway_port),
            "0.0.0.0": "127.0.0.1",
            "/opt/dagster/workspace.yaml": "dagster/workspace.yaml",
        }
        return [changed.get(word, word) for word in command]


def _family(pid: int) -> list[int]:
    """The process and all below it, from /proc."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
