"""Dagster definitions with the assets of so many endpoints and nothing else: `defs1`, `defs50`, `defs500`."""

import warnings
from functools import lru_cache

import dagster as dg

from benchmarks._loading import STAGES


# Asked for twice by a code server, and made once here as by ours.
@lru_cache(maxsize=1)
def _defs(endpoints: int) -> dg.Definitions:
    warnings.simplefilter("ignore")
    windows = dg.DailyPartitionsDefinition("2020-01-01", end_offset=1)
    return dg.Definitions(assets=[asset for n in range(endpoints) for asset in _chain(f"e{n:04}", windows)])


def _chain(slug: str, windows: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    made: list[dg.AssetsDefinition] = []
    for stage in STAGES:
        partitions = None if stage == "sync" else windows

        @dg.asset(
            key=["bare", slug, stage],
            group_name=slug,
            partitions_def=partitions,
            deps=[made[-1].key] if made and partitions else [],
            backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
        )
        def nothing() -> None:
            """Materialises nothing."""

        made.append(nothing)
    return made


def __getattr__(name: str) -> dg.Definitions:
    if name.startswith("defs"):
        return _defs(int(name.removeprefix("defs")))
    raise AttributeError(name)
