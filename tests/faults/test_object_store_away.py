"""The object store refuses, hangs or answers nonsense: what needs it waits and says so, what was done is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from connector_pipelines.core.errors import Unavailable
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline.operations import run_stage, sync
from connector_pipelines.pipeline.session import Services
from connector_pipelines.store.blobs import S3Settings, _s3_clients, open_blobs
from tests.faults.conftest import House, eventually, said
from tests.faults.way import Way


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in earnest, but in seconds where that waits for a minute."""
    for name, value in {"_CONNECT_TIMEOUT_S": 1, "_TIMEOUT_S": 1, "_SHORT_ANSWER_S": 1, "_RETRIES": 1}.items():
        monkeypatch.setattr(_s3_clients, name, value)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["refuses", "hangs", "fails"])
@pytest.mark.parametrize("stage", ["files", "documents"])
def test_a_stage_without_its_object_store_stops_and_the_next_sync_does_the_rest(
    house: House, s3: S3Settings, stage: str, fault: str
) -> None:
    house.configure({"slug": "docs"})
    with _away(s3, fault) as (account, mend):
        services = _with(house, account if stage == "files" else s3)
        if stage == "documents":
            with services.open("docs", "before") as session:
                run_stage(session, "listing", DayRange())
                run_stage(session, "files", DayRange())
            services = _with(house, account)
        with services.open("docs", "away") as session, pytest.raises(Unavailable, match="the object store"):
            sync(session)
        told = house.status()
        mend()
        with _with(house, account if fault != "fails" else s3).open("docs", "back") as session:
            sync(session)

    assert told.state == "failing"
    assert told.last_error is not None
    assert (told.last_error["stage"], told.last_error["code"]) == (stage, "unavailable")
    # None of them counts as failed: it is not their fault.
    assert (told.waiting + told.stored, told.failed) == (3, {})
    assert sorted(house.put()) == ["0.txt", "1.txt", "2.txt"]


def test_a_command_that_waits_for_the_object_store_says_so_and_ctrl_c_ends_it_at_once(house: House) -> None:
    house.configure({"slug": "docs"})
    nowhere = {"MINIO_ENDPOINT": "http://127.0.0.1:9", "MINIO_ACCESS_KEY": "access", "MINIO_SECRET_KEY": "a secret of ours"}

    with house.command("sync", **nowhere) as process:
        waits = eventually(lambda: "trying again in 5 s" in said(house.folder))
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
        output = said(house.folder)

    assert waits, output
    assert "docs sync: the object store 127.0.0.1:9/connectors did not answer as it should: connection refused; trying again" in output
    assert (code, output.splitlines()[-1]) == (130, "interrupted; what was done is kept, the next sync goes on from there")
    assert house.status().waiting == 3


@contextmanager
def _away(s3: S3Settings, fault: str) -> Iterator[tuple[S3Settings, Callable[[], None]]]:
    """The account of a store with this fault, and what mends it."""
    if fault == "fails":
        with _server_of_errors() as endpoint:
            yield _at(s3, endpoint), lambda: None
        return
    with Way(s3.endpoint) as way:
        way.cut() if fault == "refuses" else way.fall_silent()
        yield _at(s3, way.address), way.mend


@contextmanager
def _server_of_errors() -> Iterator[str]:
    class Broken(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815 - http.server looks for these

        def log_message(self, *args: object) -> None:
            """Nothing: the test's own output is enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def _at(s3: S3Settings, endpoint: str) -> S3Settings:
    return S3Settings(
        endpoint=endpoint, access_key=s3.access_key, secret_key=s3.secret_key, bucket=s3.bucket, secure=False, region=s3.region
    )


def _with(house: House, account: S3Settings) -> Services:
    """The services of the house, with this object store."""
    return replace(house.services, blobs=open_blobs(house.folder / "home" / "objects", account))
