"""An ERP on this machine, in the manner of those that companies run: orders, their lines and documents, and a Tuesday."""

from __future__ import annotations

from connector_pipelines.testing.fake_api import ApiKeys, FakeApi, Filter, PageNumber, StreamShape, Tombstone

KEY = "a-key-for-this-example"
PAGES = PageNumber(param="page", size_param="per_page", size=50, max_size=50, total="pagination.total", pages="pagination.pages")

ORDERS = [
    ("SO-1001", "Quay & Sons", 18400.0, "Deliver to the west gate, not before six."),
    ("SO-1002", "Vidro Glazing", 960.5, None),
    ("SO-1003", "Quay & Sons", 77.0, "Spare seals."),
]
LINES = {
    "1": [("Sheet pile AZ 18", 40, 410.0), ("Driving cap", 2, 1000.0)],
    "2": [("Glazing bead", 100, 9.605)],
    "3": [("Seal ring", 7, 11.0)],
}
NOTE = b"Delivery note for SO-1001\n\nThe crane on site lifts eight tonnes at most; split the sheet piles into bundles of five.\n"


def make(port: int) -> FakeApi:
    """The ERP, with some orders in it."""
    api = FakeApi(port=port)
    api.signs_in(ApiKeys(keys={"the connector": KEY}))
    api.add(
        StreamShape(
            name="orders",
            path="/api/v1/orders",
            paginator=PAGES,
            select="data.items",
            cursor_field="modified",
            timestamps="naive",
            filter=Filter(since="modified_from", until="modified_to"),
            tombstone=Tombstone(list_path="/api/v1/orders/deleted"),
            files_field="documents",
        ),
        StreamShape(
            name="lines",
            path="/api/v1/orders/{parent}/lines",
            parent="orders",
            touches_parent=True,
            paginator=PAGES,
            select="data.items",
            cursor_field=None,
            filter=None,
        ),
    )
    for number, customer, total, remark in ORDERS:
        api.company.put("orders", {"number": number, "customer": customer, "total": total, "remark": remark})
    for order, lines in LINES.items():
        for article, quantity, price in lines:
            api.company.put("lines", {"article": article, "quantity": quantity, "price": price}, parent=order)
    api.company.attach("orders", "1", "delivery-note.txt", NOTE, "text/plain")
    return api


def tuesday(api: FakeApi) -> None:
    """A quantity is corrected, an order deleted, and another comes in."""
    api.company.put("lines", {"article": "Sheet pile AZ 18", "quantity": 44, "price": 410.0}, id="1")
    api.company.delete("orders", "3")
    order = api.company.put(
        "orders", {"number": "SO-1004", "customer": "Harbour Board", "total": 5200.0, "remark": "Bollards for berth nine."}
    )
    api.company.put("lines", {"article": "Bollard 80 t", "quantity": 4, "price": 1300.0}, parent=order)
