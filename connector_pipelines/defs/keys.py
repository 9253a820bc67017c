"""What the assets of an endpoint are called: `[kind, slug, stage]`."""

import dagster as dg

__all__ = ["STAGES", "SYNC", "operation_name", "slug_of", "stage_key", "sync_key"]

STAGES = ("listing", "files", "documents")
"""Before the sinks, in order."""

SYNC = "sync"


def stage_key(kind: str, slug: str, stage: str) -> dg.AssetKey:
    return dg.AssetKey([kind, slug, stage])


def sync_key(kind: str, slug: str) -> dg.AssetKey:
    return stage_key(kind, slug, SYNC)


def slug_of(key: dg.AssetKey) -> str | None:
    """The endpoint whose sync asset this is, or None where it is another asset."""
    return key.path[1] if len(key.path) == 3 and key.path[2] == SYNC else None


def operation_name(kind: str, slug: str, stage: str) -> str:
    """Under which run config addresses the asset, as Dagster derives it from the key."""
    return f"{kind}__{slug}__{stage}"
