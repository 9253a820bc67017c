"""Channels of Google's: opened, told through, called wrongly and stopped; and Drives that somebody's own asset reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connector_pipelines.defs.connectors import EndpointResource
from connector_pipelines.pipeline.session import Services
from connector_pipelines.pipeline.subscribing import keep_subscribed, stop_subscriptions
from connector_pipelines.store.catalog.subscriptions import SubscriptionRow, listed
from tests.canaries.commands import Call, until
from tests.canaries.drive import ADA, SUBSCRIBED
from tests.canaries.inside import Heard
from tests.canaries.world import World
from tests.secrets_world import told

__all__ = ["calls_of_channels", "read_by_resource", "subscribe_all"]

_READ_BY_RESOURCE = ("drive_stop_refused", "drive_refused", "drive_bytes_refused", "drive_export_refused", "drive_export_turned_round")


def subscribe_all(services: Services, heard: Heard) -> None:
    """Open the channels of all, as far as they can be, and stop those that are."""
    public = _public(services, "http://hooks.example.com")
    for slug in SUBSCRIBED:
        heard.shown |= {
            f"{what} of {slug}": repr(act(public, slug)) for what, act in (("kept", keep_subscribed), ("stopped", stop_subscriptions))
        }


def read_by_resource(heard: Heard) -> None:
    """Read every file, as an asset of somebody's own does: what is raised there is written by Dagster as it is."""
    for slug in _READ_BY_RESOURCE:
        with EndpointResource(endpoint=slug).open() as source:
            try:
                refs = list(source.list())
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                heard.errors[f"listing of {slug}"] = "\n".join(told(error))
                continue
            for ref in refs:
                try:
                    with source.open(ref) as chunks:
                        list(chunks)
                except Exception as error:  # noqa: BLE001 - it is what is looked for
                    heard.errors[f"{ref.path} of {slug}"] = "\n".join(told(error))


def calls_of_channels(world: World, services: Services, port: int) -> Iterator[Call]:
    """Forged messages of a channel that is told its genuine ones by then."""
    drive = world.drives.drive
    drive.allow_http_receivers()
    kept = keep_subscribed(_public(services, f"http://127.0.0.1:{port}"), "drive_works")
    assert kept.open == 2, kept
    until(lambda: _delivered(world, "sync"), "the first message of a channel")
    drive.world.create(owner=ADA, name="more.txt", content=b"More of the retaining wall.")
    until(lambda: _delivered(world, "change"), "a message of a channel")
    with services.database.operator() as tx:
        row = next(row for slug, row in listed(tx, None) if slug == "drive_works" and row.state == "open")
    yield from _forged(row, world.drives.between.channels[row.id])


def _forged(row: SubscriptionRow, token: str) -> Iterator[Call]:
    path, said = "/webhooks/drive_works", {
        "X-Goog-Channel-ID": row.id, "X-Goog-Channel-Token": token, "X-Goog-Resource-ID": row.handle or "", "X-Goog-Resource-State": "change",
        "X-Goog-Message-Number": "900", "X-Goog-Resource-URI": f"https://www.googleapis.com/drive/v3/changes?pageToken={token}",
    }  # fmt: skip
    yield "genuine message", (path, b"", said)
    yield "message with a longer token", (path, b"", said | {"X-Goog-Channel-Token": f"{token}x"})
    yield "message with its token elsewhere", (f"{path}?token={token}", token.encode(), said | {"X-Goog-Channel-Token": ""})
    yield "message of no channel", (path, token.encode(), said | {"X-Goog-Channel-ID": token})
    yield "message of another resource", (path, b"", said | {"X-Goog-Resource-ID": token})
    yield "message without a number", (path, token.encode(), said | {"X-Goog-Message-Number": token})
    yield "message in another state", (path, b"", said | {"X-Goog-Message-Number": "901", "X-Goog-Resource-State": token})
    yield "message of a connector that is none", (f"/webhooks/{token}", b"", said)


def _delivered(world: World, state: str) -> bool:
    return any(one.state == state and 200 <= one.status < 300 for one in world.drives.drive.delivered())


def _public(services: Services, url: str) -> Services:
    return replace(services, settings=services.settings.model_copy(update={"public_url": url}))
