"""Which S3 does a benchmark speak to? `rclone serve s3` over a folder, as the tests do; its CPU is not counted as ours."""

from __future__ import annotations

import secrets
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from connector_pipelines.store.blobs import S3Settings

__all__ = ["s3_server"]


@contextmanager
def s3_server(folder: Path) -> Iterator[tuple[S3Settings, int]]:
    """Settings with a bucket nobody made yet, and the server's pid."""
    access_key, secret_key = f"AK{secrets.token_hex(8)}", secrets.token_hex(16)
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    command = [str(rclone), "serve", "s3", "--config", "/dev/null", "--addr", "127.0.0.1:0", str(folder)]
    # A CSV list of pairs, hence the quotes.
    environment = {"RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            settings = S3Settings(
                endpoint=_endpoint(server), access_key=SecretStr(access_key), secret_key=SecretStr(secret_key), bucket="bench", secure=False
            )
            yield settings, server.pid
        finally:
            server.terminate()
            server.wait(timeout=20)


def _endpoint(server: subprocess.Popen[str]) -> str:
    said = []
    for line in server.stderr or ():
        said.append(line)
        if "Starting s3 server on" in line and server.stderr:
            # Read on, or the server stops when the pipe is full.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return line.rpartition("http://")[2].rstrip("/]\n")
    raise RuntimeError(f"rclone did not start: {''.join(said)}")
