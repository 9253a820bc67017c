"""How fast do files get from Google Drive into S3, beside `rclone copy`?

Both read the same folder of the same fake Drive, over TLS with a private authority and through a proxy that leads there (rclone's
addresses are built in), and write objects to the same S3 server. rclone's pacer is off; it copies, and compares what it wrote by MD5.
Ours lists with permissions, writes a row of the ledger for each file, fetches, verifies against Drive's checksum, stores under the SHA-256,
and writes what became of it; then nothing is left to do. The fake, the proxy, the S3 server and Postgres share the machine's CPUs with
both, so that a contender that leaves them more is faster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks._costs import Action, Meter, contest
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from benchmarks._s3_server import s3_server
from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, TenantConfig
from connector_pipelines.core.google import GoogleServiceAccountAuth
from connector_pipelines.core.types import DayRange
from connector_pipelines.pipeline.operations import run_stage
from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.blobs import S3Settings
from connector_pipelines.store.catalog import configuration
from connector_pipelines.testing._serving.connect_proxy import connect_proxy
from connector_pipelines.testing.fake_drive import PrivateAuthority, RemoteFakeDrive, fake_drive_process

__all__ = ["figures"]

_PERSON = "ada@example.com"
_SCOPE = "https://www.googleapis.com/auth/drive.readonly"
_HOST = "www.googleapis.com"


@dataclass(frozen=True, slots=True)
class _Load:
    """What is copied. `goal`: least share of rclone's speed."""

    name: str
    files: int
    size: int
    latency_s: float
    transfers: tuple[int, ...]
    goal: float


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where both work."""

    place: Installation
    drive: RemoteFakeDrive
    folder: str
    s3: S3Settings
    proxy: str
    authority: Path
    load: _Load

    @property
    def base(self) -> Path:
        return self.place.base


def figures(*, quick: bool) -> Iterator[Figure | str]:
    many, few, rounds = (200, 4, 1) if quick else (2_000, 40, 3)
    loads = (
        _Load(f"{many:,} × 20 KB", many, 20_000, 0.0, (16, 64), 1.2),
        _Load(f"{many:,} × 20 KB, 100 ms latency", many, 20_000, 0.1, (64,), 1.2),
        _Load(f"{few} × 16 MB", few, 16_000_000, 0.0, (16,), 1.0),
    )
    for load in loads:
        with _scene(load) as (scene, meter):
            for transfers in load.transfers:
                ours, peer = contest(meter, rounds, partial(_ours, scene, transfers), partial(_rclone, scene, transfers))
                yield Figure(
                    what=f"{load.name}, {transfers} at once", peer_name="rclone copy", ours=ours, peer=peer, items=load.files, unit="file",
                    megabytes=load.files * load.size / 1e6, goal=load.goal,
                )  # fmt: skip


@contextmanager
def _scene(load: _Load) -> Iterator[tuple[_Scene, Meter]]:
    with installation() as place:
        authority = PrivateAuthority(place.base)
        tls = authority.server(names=[_HOST])
        objects = place.base / "s3"
        objects.mkdir()
        with fake_drive_process(tls=tls, latency_s=load.latency_s) as drive, s3_server(objects) as (s3, s3_pid):
            drive.world.add_user(_PERSON)
            folder = drive.world.create_folder("Bench", owner=_PERSON)
            drive.world.fill(folder, load.files, size=load.size)
            key = place.base / "key.json"
            key.touch(mode=0o600)
            key.write_text(json.dumps(drive.service_account(delegation=[_SCOPE])))
            with connect_proxy(urlsplit(drive.url).port or 443) as (proxy, proxy_pid):
                # What serves both is not counted for either, but for our Postgres: rclone keeps no ledger.
                meter = Meter(s3_pid, proxy_pid, drive.pid)
                scene = _Scene(place, drive, folder, s3, proxy, authority.certificate, load)
                # The fake works out a checksum when it is first asked for one.
                _run_rclone(scene, "size", "drive:")
                yield scene, meter


def _ours(scene: _Scene, transfers: int, number: int) -> Action:
    """A tenant of its own for each round: what it has stored before is not stored again."""
    slug = f"drive_{transfers}_{number}"
    endpoint = EndpointConfig(slug=slug, settings={"folder": scene.folder})
    auth = GoogleServiceAccountAuth(key=f"file:{scene.base / 'key.json'}", subject=_PERSON, scopes=(_SCOPE,))
    connector = ConnectorConfig(name="drive", tenant=slug, kind="google_drive", auth=auth, endpoints=(endpoint,))
    with scene.place.services.database.operator() as tx:
        configuration.apply(tx, ConnectorsFile(tenants=(TenantConfig(name=slug),), connectors=(connector,)), actor="benchmark")

    def action() -> None:
        with closing(_services(scene, transfers)) as services, services.open(slug, "benchmark") as session:
            for stage in ("listing", "files"):
                report = run_stage(session, stage, DayRange())
        assert report.counts["stored"] == scene.load.files, report.counts

    return action


def _services(scene: _Scene, transfers: int) -> Services:
    s3 = scene.s3
    given = {
        "CONNECTORS_HOME": str(scene.base / "home"), "CONNECTORS_DOWNLOAD_THREADS": str(transfers), "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key.get_secret_value(), "MINIO_SECRET_KEY": s3.secret_key.get_secret_value(), "MINIO_BUCKET": s3.bucket,
        "MINIO_SECURE": "false", "HTTPS_PROXY": scene.proxy, "NO_PROXY": "127.0.0.1", "SSL_CERT_FILE": str(scene.authority),
    }  # fmt: skip
    return open_services(load_settings(given), scene.place.services.tools.database_url)


def _rclone(scene: _Scene, transfers: int, number: int) -> Action:
    at_once = ["--transfers", str(transfers), "--checkers", str(transfers), "--retries", "1"]
    return partial(_run_rclone, scene, "copy", "drive:", f"s3:{scene.s3.bucket}/copy-{transfers}-{number}", *at_once)


def _run_rclone(scene: _Scene, *arguments: str) -> None:
    s3, config = scene.s3, scene.base / "rclone.conf"
    drive = {
        "type": "drive", "scope": "drive.readonly", "service_account_file": scene.base / "key.json", "impersonate": _PERSON,
        "root_folder_id": scene.folder, "pacer_min_sleep": 0, "pacer_burst": 1_000_000,
    }  # fmt: skip
    target = {
        "type": "s3", "provider": "Rclone", "endpoint": f"http://{s3.endpoint}", "access_key_id": s3.access_key.get_secret_value(),
        "secret_access_key": s3.secret_key.get_secret_value(),
    }  # fmt: skip
    config.touch(mode=0o600)
    config.write_text("\n".join((_section("drive", drive), _section("s3", target))))
    rclone = Path(sysconfig.get_path("scripts")) / "rclone"
    environment = {**os.environ, "HTTPS_PROXY": scene.proxy, "NO_PROXY": "127.0.0.1"}
    command = [str(rclone), *arguments, "--config", str(config), "--ca-cert", str(scene.authority)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _section(name: str, values: dict[str, object]) -> str:
    return "\n".join((f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""))
