"""Trees of files to walk, and what a walk of them gives."""

from __future__ import annotations

from pathlib import Path

from connector_pipelines.core.types import Change, FileRef, Skipped, Unlistable, Upserted
from connector_pipelines.sources.local_folder import Config, Source
from connector_pipelines.testing.source_suite import plain_tools


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def source(root: Path, **settings: object) -> Source:
    return Source(Config.model_validate({"root": root} | settings), plain_tools())


def changes(root: Path, **settings: object) -> list[Change]:
    return [change for page in source(root, **settings).changes() for change in page.changes]


def refs(root: Path, **settings: object) -> dict[str, FileRef]:
    return {change.ref.id: change.ref for change in changes(root, **settings) if isinstance(change, Upserted)}


def skipped(root: Path, **settings: object) -> dict[str, str]:
    return {change.path: change.reason for change in changes(root, **settings) if isinstance(change, Skipped)}


def unlistable(root: Path, **settings: object) -> dict[str, str]:
    return {change.path: change.code for change in changes(root, **settings) if isinstance(change, Unlistable)}
