"""The shipped production files on a real Postgres and a real S3: schedules run, logs are kept, changes are told, a killed code location is survived."""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest

from connector_pipelines.defs.event_log import BatchingEventLogStorage
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.settings import load_settings
from connector_pipelines.store.blobs import open_blobs
from connector_pipelines.store.sealing import new_key
from connector_pipelines.testing.fake_drive import FakeDrive
from tests.conftest import S3Server
from tests.databases import drop_database
from tests.deployment.production import Production, command_of

pytestmark = pytest.mark.timeout(900)

PERSON = "ada@example.com"
SYNC, SEARCH = dg.AssetKey(["local_folder", "papers", "sync"]), dg.AssetKey(["local_folder", "papers", "search"])
ASSETS = "{ assetNodes { assetKey { path } } }"

# Reads its one file only when it may: a run is under way as long as a test wants it to be.
PATIENT = """
import time
from contextlib import contextmanager
from pathlib import Path
from connector_pipelines.core.protocols import SourceConfig
from connector_pipelines.core.types import ChangePage, Cursor, FileRef, Upserted

class Config(SourceConfig):
    gate: Path

class Source:
    config_type = Config
    def __init__(self, config, tools): self.config = config
    def test(self): raise NotImplementedError
    def list(self, folder=""): return iter([FileRef(id="1", path="1.txt", version="1", media_type="text/plain", size=3)])
    def changes(self, cursor=""): yield ChangePage(changes=tuple(map(Upserted, self.list())), cursor=Cursor("end"), snapshot=True)
    @contextmanager
    def open(self, ref):
        print("waiting at the gate", flush=True)
        self.config.gate.with_suffix(".opened").touch()
        while not self.config.gate.exists(): time.sleep(0.1)
        yield iter([b"abc"])
    def close(self): pass
"""

CONNECTORS = """
sinks: {search: {kind: postgres_text}}
connectors:
  - {name: Papers, kind: local_folder, endpoints: [{slug: papers, settings: {root: papers}, schedule: {type: interval, every: 1h}}]}
  - name: Told
    kind: local_folder
    webhook: {verify: {type: token, secrets: ["env:TOKEN"]}}
    endpoints: [{slug: told, settings: {root: papers}, schedule: {type: manual}}]
  - name: Drive
    kind: google_drive
    auth: {type: google_service_account, key: "file:FOLDER/key.json", scopes: ["https://www.googleapis.com/auth/drive.readonly"]}
    webhook: {verify: {type: source}}
    endpoints: [{slug: harbour, settings: {my_drive: true, users: [PERSON], api_url: "DRIVE", allow_private: true}, schedule: {type: manual}}]
  - {name: Patient, kind: patient, endpoints: [{slug: slow, settings: {gate: FOLDER/gate}, schedule: {type: manual}}]}
partitions: {local_folder: {start: 2024-01-01, every: month}, patient: {start: 2024-01-01, every: month}}
"""


@pytest.fixture(scope="module")
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as found:
        found.world.add_user(PERSON)
        found.allow_http_receivers()
        yield found


@pytest.fixture(scope="module")
def production(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: EmbeddedPostgres,
    _administration: psycopg.Connection,
    s3_server: S3Server,
    drive: FakeDrive,
) -> Iterator[Production]:
    """All services but Postgres and S3, which are the tests' own."""
    folder, database = tmp_path_factory.mktemp("production"), f"production_{secrets.token_hex(8)}"
    _administration.execute(f'CREATE DATABASE "{database}"')
    plugin = folder / "plugin"
    (plugin / "patient-1.0.dist-info").mkdir(parents=True)
    (plugin / "patient_source.py").write_text(PATIENT)
    (plugin / "patient-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: patient\nVersion: 1.0\n")
    (plugin / "patient-1.0.dist-info" / "entry_points.txt").write_text("[connector_pipelines.sources]\npatient = patient_source:Source\n")
    (folder / "papers").mkdir()
    (folder / "papers" / "well.txt").write_text("The pump of well 4 was changed in May.")
    os.utime(folder / "papers" / "well.txt", (1_715_000_000, 1_715_000_000))
    (folder / "key.json").write_text(json.dumps(drive.service_account(delegation=["drive.readonly"])))
    (folder / "connectors.yaml").write_text(CONNECTORS.replace("FOLDER", str(folder)).replace("DRIVE", drive.url).replace("PERSON", PERSON))
    found = Production(
        folder,
        {
            "DATABASE_URL": urlsplit(postgres.ensure_running())._replace(path=f"/{database}").geturl(),
            "MINIO_ENDPOINT": f"http://{s3_server.endpoint}", "MINIO_BUCKET": "production", "MINIO_ACCESS_KEY": s3_server.access_key,
            "MINIO_SECRET_KEY": s3_server.secret_key, "AWS_ACCESS_KEY_ID": s3_server.access_key, "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1", "CODE_LOCATION_HOST": "127.0.0.1", "CONNECTORS_HOME": str(folder / "home"),
            "CONNECTORS_CONFIG": str(folder / "connectors.yaml"), "CONNECTORS_EXTRACT_WORKERS": "1", "PYTHONPATH": str(plugin),
            "TOKEN": "a-token-of-the-test", "CONNECTORS_SECRET_KEYS": new_key(),
        },
    )  # fmt: skip
    found.lay_down(poll_s=2)
    found.variables = {**found.variables, "CONNECTORS_PUBLIC_URL": _address(found)}
    # What minio-setup does.
    assert open_blobs(None, load_settings(found.variables).s3).test().works
    migrated = found.run(*command_of("migrate"))
    assert migrated.returncode == 0, migrated.stderr
    try:
        for service in ("code-location", "webserver", "daemon"):
            found.start(service)
        yield found
    finally:
        found.stop()
        drop_database(_administration, database)


@pytest.fixture
def instance(production: Production, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The same instance, from another process."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")  # set by the storage otherwise, for good
    for name, value in production.environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(production.folder / "dagster")) as found:
        yield found


def _address(production: Production) -> str:
    return f"http://127.0.0.1:{production.gateway_port}"


def _with_gateway(production: Production) -> None:
    if "gateway" not in production.running:
        production.start("gateway")
    production.until(lambda: _status(f"{_address(production)}/readyz") == 200, "readiness of the gateway")


def _status(url: str, token: str | None = None) -> int:
    """Of a GET, or of a POST that carries the token; 0 where nothing answers."""
    call = urllib.request.Request(url, b"{}" if token else None, {"X-Webhook-Token": token} if token else {})
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def succeeded(instance: dg.DagsterInstance, key: dg.AssetKey, *, notified: bool = False) -> dg.DagsterRun | None:
    """The last run of it; `notified`: that was asked for because of notifications alone."""
    runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    ours = (run for run in runs if key in (run.asset_selection or ()))
    return next((run for run in ours if not notified or _is_notified(run)), None)


def _asset_paths(production: Production) -> list[list[str]]:
    answer = production.web("/graphql", query=ASSETS)
    return [node["assetKey"]["path"] for node in answer["data"]["assetNodes"]] if answer else []


def _is_notified(run: dg.DagsterRun) -> bool:
    steps: Any = run.run_config.get("ops", {})
    return any(step["config"]["notified"] for step in steps.values())


def log_key(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Of what the one step of the run printed."""
    (captured,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
    return list(instance.compute_log_manager.build_log_key_for_run(run.run_id, captured.get_dagster_event().logs_captured_data.file_key))


def test_what_is_due_is_synced_and_shown_and_what_the_run_printed_is_read_back_from_the_object_store(
    production: Production, instance: dg.DagsterInstance
) -> None:
    run = production.until(lambda: succeeded(instance, SYNC), "the sync that is due")

    assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
    assert instance.get_materialized_partitions(SEARCH) == {"2024-05-01"}
    production.until(lambda: production.web("/server_info"), "an answer of the webserver")
    # It answers before it has loaded the code location.
    assert production.until(lambda: list(SEARCH.path) in _asset_paths(production), "the list of assets")
    assert instance.compute_log_manager.is_capture_complete(log_key(instance, run))
    assert [
        production.run("dagster", "api", "grpc-health-check", "--port", "4000").returncode,
        production.run("dagster-daemon", "liveness-check").returncode,
    ] == [0, 0]


def test_the_gateway_is_ready_and_takes_a_call_that_the_daemon_makes_a_sync_of(
    production: Production, instance: dg.DagsterInstance
) -> None:
    _with_gateway(production)
    address = _address(production)
    before = len(instance.get_runs(dg.RunsFilter(tags={"connector/endpoint": "told"})))

    statuses = [_status(f"{address}/webhooks/Told", token) for token in ("another", "a-token-of-the-test")]

    assert (before, statuses) == (0, [401, 202])
    production.until(lambda: succeeded(instance, dg.AssetKey(["local_folder", "told", "sync"])), "the sync that the call asks for")


def test_a_change_in_google_drive_arrives_by_push_and_is_found_by_a_search(
    production: Production, instance: dg.DagsterInstance, drive: FakeDrive
) -> None:
    sync = dg.AssetKey(["google_drive", "harbour", "sync"])
    _with_gateway(production)
    # One sync is asked for with it, since nobody told what changed until then; there is no schedule that would ask for another.
    assert production.run("connectors", "subscriptions", "renew", "harbour").returncode == 0
    production.until(lambda: succeeded(instance, sync), "the first sync")
    before = production.run("connectors", "search", "bollards").stdout

    drive.world.create(owner=PERSON, name="quay.txt", content=b"The bollards of the quay hold eighty tons.")

    production.until(lambda: succeeded(instance, sync, notified=True), "the sync that the notification asks for")
    assert "quay.txt" not in before
    assert "harbour: quay.txt" in production.run("connectors", "search", "bollards").stdout
    assert [one.status for one in drive.delivered() if one.state == "change"] == [202]


def test_a_run_whose_code_location_was_killed_is_ended_and_run_again_when_the_code_location_is_back(
    production: Production, instance: dg.DagsterInstance
) -> None:
    key, opened = dg.AssetKey(["patient", "slow", "sync"]), production.folder / "gate.opened"
    assert production.run("connectors", "sync", "--request", "slow").returncode == 0
    production.until(opened.exists, "the run that opens the file")
    (under_way,) = [
        run for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])) if key in (run.asset_selection or ())
    ]

    production.kill("code-location")
    assert production.run("dagster", "api", "grpc-health-check", "--port", "4000").returncode == 1
    (production.folder / "gate").touch()
    production.start("code-location")

    production.until(
        lambda: (instance.get_run_by_id(under_way.run_id) or under_way).status is dg.DagsterRunStatus.FAILURE,
        "the end of the run that was killed",
    )
    again = production.until(lambda: succeeded(instance, key), "the run that takes its place")
    assert again.run_id != under_way.run_id
    assert instance.get_materialized_partitions(dg.AssetKey(["patient", "slow", "search"]))
    assert instance.compute_log_manager.get_log_data(log_key(instance, again)).stdout == b"waiting at the gate\n"
