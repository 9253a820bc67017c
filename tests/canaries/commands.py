"""The real programs on such an installation, with as much told as can be asked for; what they said is kept."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from connector_pipelines.testing.fake_api import Notifier
from tests.canaries.world import World

__all__ = ["Call", "Commands", "calls_of_webhooks"]

PATIENCE_S = 240.0

Call = tuple[str, tuple[str, bytes, Mapping[str, str]]]
"""What it is, and path, body and headers."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs programs in the installation's folder. What they said is both streams, and the exit code at the end."""

    world: World

    def run(self, *words: str, stdin: str = "", **changed: str) -> str:
        """`connectors`, or what `words` begin with, to its end. A variable changed to nothing is not set."""
        with self.running(words, changed) as (child, out):
            assert child.stdin is not None
            child.stdin.write(stdin.encode())
            child.stdin.close()
            return heard(child, out)

    def sign_in_by_pasting(self, name: str) -> str:
        """As a person does whose browser is elsewhere."""
        with self.running(("--debug", "auth", name, "--paste"), {}) as (child, out):
            said = until(lambda: re.search(rb"^http\S+$", _so_far(out), re.MULTILINE), "the address to sign in at")
            parts = urlsplit(said[0].decode())
            provider = http.client.HTTPConnection(parts.netloc)
            provider.request("GET", f"{parts.path}?{parts.query}")
            location = provider.getresponse().headers["Location"]
            assert child.stdin is not None
            child.stdin.write(f"{location}\n".encode())
            child.stdin.close()
            return heard(child, out)

    @contextmanager
    def running(self, words: Sequence[str], changed: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        command = words if words[0] == sys.executable else (sys.executable, "-m", "connector_pipelines.cli", *words)
        inherited = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        environment = {name: value for name, value in {**inherited, **self.world.variables, **changed}.items() if value}
        # A file: nobody reads a pipe while somebody waits for something else.
        with (
            tempfile.NamedTemporaryFile() as out,
            subprocess.Popen(command, cwd=self.world.folder, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out) as child,
        ):
            try:
                yield child, out
            finally:
                child.kill()


def calls_of_webhooks(commands: Commands, more: Callable[[int], Iterable[Call]]) -> str:
    """What the gateway said while it was called rightly and wrongly, and what it answered.

    Args:
        more: Gives calls that are made besides, once the gateway listens at a port.
    """
    canaries, port = commands.world.canaries, free_port()
    with commands.running(("--debug", "gateway", "--port", str(port)), {}) as (child, out):
        until(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), "the gateway")
        answers = [f"{name}: {_called(port, *call)}" for name, call in (*more(port), *_calls(canaries["webhook secret"], canaries["webhook token in header"], canaries["webhook token in query"]))]  # fmt: skip
        answers += [
            f"raw: {_raw(port, text)}"
            for text in (canaries["webhook secret"], f"POST /webhooks/{canaries['webhook token in query']} HTTP/9\r\n\r\n")
        ]
        child.send_signal(signal.SIGTERM)
        return "\n".join([*answers, heard(child, out)])


def heard(child: subprocess.Popen[bytes], out: IO[bytes]) -> str:
    code = child.wait(timeout=PATIENCE_S)
    return f"{_so_far(out).decode(errors='replace')}\nexit code {code}"


def until(met: Callable[[], Any], what: str) -> Any:
    """The first true answer."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not (found := met()):
        assert time.monotonic() < give_up_at, f"{what} did not come within {PATIENCE_S:.0f} s"
        time.sleep(0.1)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _calls(secret: str, token: str, asked: str) -> Iterator[Call]:
    said = json.dumps({"said": [secret, token, asked]}).encode()
    plain, kind = b'{"id": 1}', {"Content-Type": "application/json"}
    signer = Notifier(url="", secret=secret)
    yield "signed", ("/webhooks/header", plain, signer.headers(plain))
    yield "forged", ("/webhooks/header", said, signer.headers(said, forgery="signature"))
    yield (
        "forged with the secret",
        ("/webhooks/header", said, {**kind, "X-Timestamp": "1", "X-Signature": f"sha256={secret.encode().hex()}"}),
    )
    yield "late", ("/webhooks/header", said, signer.headers(said, age_s=10_000))
    yield "malformed", ("/webhooks/header", said[:-1], signer.headers(said[:-1]))
    yield "asked", (f"/webhooks/query?ticket={quote(asked)}", plain, kind)
    yield "asked wrongly", (f"/webhooks/query?ticket={quote(asked)}x&token={quote(asked)}", said, kind)
    yield "asked twice", (f"/webhooks/query?ticket={quote(asked)}&ticket={quote(asked)}", said, kind)
    yield "told", ("/webhooks/basic", plain, {**kind, "X-Webhook-Token": token})
    yield "told too much", ("/webhooks/basic", said * 100, {**kind, "X-Webhook-Token": token})
    yield "borne", ("/webhooks/bearer", plain, {**kind, "Authorization": f"Bearer {token}"})
    yield "unknown", (f"/webhooks/{quote(asked)}?ticket={quote(asked)}", said, kind)


def _called(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> str:
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        caller.request("POST", path, body, {**headers, "Connection": "close"})
        answer = caller.getresponse()
        return f"{answer.status} {answer.headers} {answer.read().decode()}"
    except OSError as error:
        # What is too large is not read, and its sender finds the connection closed.
        return type(error).__name__
    finally:
        caller.close()


def _raw(port: int, text: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller, suppress(OSError):
        caller.sendall(text.encode() + b"\r\n\r\n")
        caller.shutdown(socket.SHUT_WR)
        return caller.recv(65536).decode(errors="replace")
    return ""


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return bool(answer.status == 200)
    return False


def _so_far(out: IO[bytes]) -> bytes:
    return Path(out.name).read_bytes()
