"""`connectors gateway`: it listens where it is told, says so, and ends in peace."""

from __future__ import annotations

import signal
import socket
import subprocess
import urllib.request

import pytest

from tests.cli.conftest import Place


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_when_it_is_told_to(place: Place, number: signal.Signals) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        place.command("gateway", "--port", str(port)), cwd=place.folder, env=place.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - it takes no lock
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        ready = answer.status
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)

    assert said == f"gateway: http://127.0.0.1:{port}\n"
    assert ready == 200
    assert (process.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_told_before_anything_is_begun(bare: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = bare.run("gateway", "--port", str(taken.getsockname()[1]))

    assert ended.code == 2
    assert "the gateway cannot listen on 127.0.0.1:" in ended.err
    assert "choose another with --host and --port" in ended.err
