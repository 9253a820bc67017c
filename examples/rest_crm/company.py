"""A CRM on this machine, in the manner of those that are sold: what it lists, who is in it, and what happens there on a Tuesday."""

from __future__ import annotations

from connector_pipelines.testing.fake_api import BearerTokens, CursorToken, FakeApi, Filter, RateLimit, StreamShape, Tombstone

TOKEN = "a-token-for-this-example"  # noqa: S105 - of a server on this machine

PEOPLE = [
    ("Ada", "Abate", "Wants an offer for the sheet piles at the harbour wall."),
    ("Bram", "Berg", "Call again when the drawings of the north quay are out."),
    ("Chiara", "Castro", None),
]
COMPANIES = [("Quay & Sons", "Rotterdam", "Piling and dredging."), ("Vidro Glazing", "Porto", "Façades.")]


def make(port: int) -> FakeApi:
    """The CRM, with some people in it."""
    api = FakeApi(port=port)
    api.signs_in(BearerTokens(tokens={"the connector": TOKEN}))
    api.limit(RateLimit(requests=100, per_s=10))
    for name in ("contacts", "companies"):
        api.add(
            StreamShape(
                name=name,
                path=f"/crm/v3/objects/{name}",
                paginator=CursorToken(param="after", path="paging.next.after", size=2, max_size=100),
                select="results",
                ids="text",
                fields_under="properties",
                cursor_field="updatedAt",
                created_field="createdAt",
                timestamps="iso_millis",
                filter=Filter(since="updatedAfter", until=None),
                tombstone=Tombstone(shown="asked", field="archived", param="includeArchived"),
            )
        )
    for first, last, note in PEOPLE:
        api.company.put("contacts", {"firstname": first, "lastname": last, "email": f"{first.lower()}@example.com", "note": note})
    for name, city, about in COMPANIES:
        api.company.put("companies", {"name": name, "city": city, "about": about})
    return api


def tuesday(api: FakeApi) -> None:
    """One contact is edited, one archived, one made."""
    api.company.put(
        "contacts", {"firstname": "Bram", "lastname": "Berg", "email": "bram@example.com", "note": "Has ordered the bollards."}, id="2"
    )
    api.company.delete("contacts", "1")
    api.company.put("contacts", {"firstname": "Dov", "lastname": "Dahl", "email": "dov@example.com", "note": "Asks about tie rods."})
