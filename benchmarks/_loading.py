"""What a fresh process does to load Dagster definitions: ``python -m benchmarks._loading dagster | bare ENDPOINTS | ours``."""

from __future__ import annotations

import sys

__all__ = ["STAGES"]

STAGES = ("listing", "files", "documents", "vectors", "search", "sync")


def main(what: str, endpoints: int) -> None:
    import dagster  # noqa: F401 - the import is what is measured

    if what == "bare":
        _snapshot_of("benchmarks._loading_bare", f"defs{endpoints}")
    elif what == "ours":
        _snapshot_of("connector_pipelines.definitions", "defs")


def _snapshot_of(module: str, attribute: str) -> None:
    """Everything a code server makes before it is ready, and the description of it that the webserver asks for."""
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._grpc.server import LoadedRepositories
    from dagster._serdes import serialize_value

    origin = LoadableTargetOrigin(module_name=module, attribute=attribute)
    loaded = LoadedRepositories(origin, container_image=None, entry_point=["dagster"], container_context=None)
    (repository,) = loaded.definitions_by_name.values()
    size = len(serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True)))
    print(f"{len(list(repository.asset_graph.get_all_asset_keys()))} assets, {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
