"""An API that tells a webhook of a record: only that record is read, signed calls only, all of it over real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

from connector_pipelines.pipeline.operations import sync
from connector_pipelines.testing.fake_api import CursorToken, FakeApi, Notifier
from tests.gateway.conftest import SECRET, Gate
from tests.sources.rest_api_world import BY_TOKEN, CONTACTS, contacts

WEBHOOK = {
    "verify": {
        "type": "hmac", "secrets": ["file:secret"], "header": "X-Signature", "prefix": "sha256=", "signed": "{timestamp}.{body}",
        "timestamp": {"header": "X-Timestamp"},
    },
    "delivery_id": {"header": "X-Delivery-Id"},
}  # fmt: skip


def test_a_record_that_a_webhook_names_is_read_alone_and_forged_late_and_doubled_calls_change_nothing(gate: Gate) -> None:
    gate.clock.now = datetime.now(UTC)
    with FakeApi() as api:
        ids = contacts(api, 5, paginator=CursorToken())
        settings = {
            "base_url": api.url, "allow_private": True, "streams": [{**CONTACTS, "paginator": BY_TOKEN, "detail": "contacts/{id}"}],
            "webhooks": [{"stream": "contacts", "key": ["id"]}],
        }  # fmt: skip
        gate.configure(WEBHOOK, kind="rest_api", endpoints=[{"slug": "contacts", "settings": settings, "sinks": []}])
        gate.clock.now = datetime.now(UTC)
        notifier = Notifier(url=f"http://{gate.address[0]}:{gate.address[1]}/webhooks/crm", secret=SECRET)
        synced(gate)
        before = versions(gate)
        api.company.touch("contacts", ids[2])
        read = len(api.journal.entries())

        statuses = [notifier.send({"id": ids[2]}, delivery_id="1") for _ in range(3)]
        statuses += [notifier.send({"id": ids[1]}, forgery="signature"), notifier.send({"id": ids[1]}, age_s=3600)]
        synced(gate)

        assert statuses == [202, 202, 202, 401, 401]
        assert [entry.path for entry in api.journal.entries()[read:]] == [f"/contacts/{ids[2]}"]
    after = versions(gate)
    assert {name for name in after if after[name] != before[name]} == {f"contacts/{ids[2]}"}
    assert gate.owed() == []
    assert gate.refused() == {"forged": 1, "replayed": 1}


def synced(gate: Gate) -> None:
    with gate.services.open("contacts", "run") as session:
        sync(session, notified=True)


def versions(gate: Gate) -> dict[str, str]:
    return {row["external_id"]: row["version"] for row in gate.rows("SELECT external_id, version FROM files")}
