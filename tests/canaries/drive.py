"""Google Drives whose every secret is a canary: what is in them, who signs in, and the connectors that read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connector_pipelines.testing.fake_drive import RemoteFakeDrive, fake_drive_process
from tests.canaries.between import DRIVE_WAYS, Between
from tests.canaries.forms import Canaries

__all__ = ["ADA", "DRIVE_RUNS", "DRIVE_SLUGS", "SUBSCRIBED", "Drives", "opened_drives"]

ADA, BEN = "ada@example.com", "ben@example.com"
_READ: Final = "drive.readonly"

DRIVE_SLUGS: Final = (*(f"drive_{way}" for way in DRIVE_WAYS), "drive_person")
"""Endpoints: one for each way, signed in by a key file, and one of a person."""

DRIVE_RUNS: Final = tuple(f"drive_{way}" for way in ("works", "cut_short", "bytes_refused"))
"""Those that are synced by a run of Dagster's from the command line, too: each costs as much as three in this process."""

SUBSCRIBED: Final = ("drive_works", "drive_watch_refused", "drive_watch_unproven", "drive_stop_refused")
"""Those whose connectors have a webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drives:
    """`connectors` are for `connectors.yaml`; `variables` what they refer to."""

    drive: RemoteFakeDrive
    between: Between
    connectors: list[dict[str, Any]]
    variables: Mapping[str, str] = field(repr=False)


@contextmanager
def opened_drives(folder: Path, canaries: Canaries) -> Iterator[Drives]:
    """A fake Drive in its own process, and who is between it and us, from `with` to its end."""
    with fake_drive_process() as drive, Between(drive.url, canaries) as between:
        _fill(drive)
        key = drive.service_account(delegation=[_READ])
        slow = drive.service_account(delegation=[_READ], name="slow", project="slow-project")
        for name, file in (("key", key), ("slow key", slow)):
            between.keys[file["client_email"]] = file["private_key"]
            canaries.keep(f"private {name} of a service account", file["private_key"])
            canaries.keep(f"id of the private {name}", file["private_key_id"])
        for way in DRIVE_WAYS:
            # What is paused for one user of a project, is so for all its connectors.
            of_project = slow if way == "slow_down" else key
            at = way if way.startswith("token_") else "works"
            text = json.dumps(of_project | {"token_uri": f"{between.url}/{at}/token"}, indent=2)
            (folder / f"drive_{way}.json").write_text(text)
        client = drive.application()["web"]
        secret = canaries.keep("secret of Google's client", client["client_secret"])
        drive.consent_as(ADA)
        connectors = [_connector(between, way) for way in DRIVE_WAYS]
        yield Drives(
            drive=drive,
            between=between,
            connectors=[*connectors, _of_a_person(between, client["client_id"])],
            variables={"GOOGLE_SECRET": secret},
        )


def _fill(drive: RemoteFakeDrive) -> None:
    world = drive.world
    for person in (ADA, BEN):
        world.add_user(person)
        world.create(owner=person, name="wall.txt", content=b"The retaining wall moved 12 millimetres in May.")
    world.create_native("document", "The plan of the retaining wall.", owner=ADA, name="Plan")
    keyed = world.create(owner=BEN, name="keyed.txt", content=b"Whoever has the link may read of the retaining wall.")
    world.share(keyed, "anyone")
    world.need_resource_key(keyed)
    world.make_shortcut(keyed, owner=ADA, name="keyed")


def _connector(between: Between, way: str) -> dict[str, Any]:
    name = f"drive_{way}"
    auth = {"type": "google_service_account", "key": f"file:{name}.json", "subject": ADA}
    settings: dict[str, Any] = {"my_drive": True, "page_size": 2} | ({"users": [ADA, BEN]} if way in {"works", "token_refused"} else {})
    made = _made(name, auth, settings | _reached(between, way))
    return made | ({"webhook": {"verify": {"type": "source"}}} if name in SUBSCRIBED else {})


def _of_a_person(between: Between, client_id: str) -> dict[str, Any]:
    at = f"{between.url}/works"
    auth = {"type": "google", "client_id": client_id, "client_secret": "env:GOOGLE_SECRET", "authorize_url": f"{at}/o/oauth2/v2/auth", "token_url": f"{at}/token"}  # fmt: skip
    return _made("drive_person", auth, {"my_drive": True} | _reached(between, "works"))


def _reached(between: Between, way: str) -> dict[str, Any]:
    return {"api_url": f"{between.url}/{way}", "allow_private": True}


def _made(name: str, auth: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "kind": "google_drive", "auth": auth, "endpoints": [{"slug": name, "settings": settings}]}
