"""Contract suites for sources and sinks, and what stands in for the other side. Shipped, so that a connector elsewhere can run them."""

from __future__ import annotations

import pytest

__all__: list[str] = []

# Only in test files does pytest explain failed assertions by itself, and the suites are imported by those.
pytest.register_assert_rewrite(
    *(f"{__name__}.{suite}" for suite in ("_records_world", "_sink_acl", "_sink_contents", "_sink_order", "_sink_records")),
    *(
        f"{__name__}.{suite}"
        for suite in ("_source_changes", "_source_folders", "_source_inline", "_source_items", "_source_opens", "_source_world")
    ),
    *(f"{__name__}.{suite}" for suite in ("records_suite", "sink_suite", "source_suite")),
)
