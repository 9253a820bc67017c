"""Which processes make an installation work by itself? The code server, the daemon and the gateway, as in a production."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

__all__ = ["free_port", "services_running", "until"]

_DAGSTER_YAML = Path(__file__).parents[1] / "dagster_home" / "dagster.yaml"
_START_S = 90.0
_STOP_S = 20.0


@contextmanager
def services_running(base: Path, gateway_port: int, variables: Mapping[str, str]) -> Iterator[None]:
    """Until the block ends. `DAGSTER_HOME` gets the shipped `dagster.yaml`; what they print is in `base`, a file for each."""
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir(exist_ok=True)
    shutil.copy(_DAGSTER_YAML, home)
    code_port, scripts = free_port(), Path(sys.executable).parent
    workspace = base / "workspace.yaml"
    workspace.write_text(f"load_from: [{{grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: connector_pipelines}}}}]\n")
    server = [str(scripts / "dagster"), "api", "grpc", "-h", "127.0.0.1", "-p", str(code_port), "-m", "connector_pipelines.definitions"]
    gateway = [sys.executable, "-m", "connector_pipelines.cli", "gateway", "--port", str(gateway_port)]
    daemon = [str(scripts / "dagster-daemon"), "run", "-w", str(workspace)]
    environment = {**os.environ, **variables}
    with ExitStack() as stack:
        stack.enter_context(_running(server, base / "code.log", environment))
        stack.enter_context(_running(gateway, base / "gateway.log", environment))
        until(lambda: _listens(code_port) and _listens(gateway_port), "a code server and a gateway", _START_S)
        stack.enter_context(_running(daemon, base / "daemon.log", environment))
        yield


def until(met: Callable[[], object], what: str, limit_s: float, every_s: float = 0.05) -> None:
    give_up_at = time.monotonic() + limit_s
    while not met():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"{what} was not there within {limit_s:.0f} s")
        time.sleep(every_s)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
