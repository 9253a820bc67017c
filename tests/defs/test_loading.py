"""Definitions are made from the rows once, and every run sees the set it was launched with."""

from __future__ import annotations

import socket
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.definitions.metadata.metadata_value import CodeLocationReconstructionMetadataValue
from dagster._core.definitions.repository_definition import RepositoryLoadData

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.definitions import defs
from connector_pipelines.defs.loading import RECONSTRUCTION_KEY, load_known, read_known
from connector_pipelines.defs.services import close_services
from connector_pipelines.embedded.configured import apply_file, apply_if_changed
from tests.defs.conftest import World


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_run_sees_the_endpoints_it_was_launched_with_after_the_rows_changed(world: World) -> None:
    world.configure(samples={})
    initial = DefinitionsLoadContext(DefinitionsLoadType.INITIALIZATION)
    with DefinitionsLoadContext.scoped(initial):
        launched = load_known()
    world.configure(other={})
    carried = {k: CodeLocationReconstructionMetadataValue(v) for k, v in initial.get_pending_reconstruction_metadata().items()}
    data = RepositoryLoadData(cacheable_asset_data={}, reconstruction_metadata=carried, defs_state_info=None)
    with DefinitionsLoadContext.scoped(DefinitionsLoadContext(DefinitionsLoadType.RECONSTRUCTION, data)):
        assert load_known() == launched
    assert [e.slug for e in load_known().endpoints] == ["other"]


def test_the_entry_point_puts_the_set_into_the_repository_that_runs_are_reconstructed_from(world: World) -> None:
    world.configure(samples={})
    context = DefinitionsLoadContext(DefinitionsLoadType.INITIALIZATION)
    with DefinitionsLoadContext.scoped(context):
        repository = defs().get_repository_def()
        carried = context.get_pending_reconstruction_metadata()
    assert dg.AssetKey(["local_folder", "samples", "sync"]) in repository.assets_defs_by_key
    assert "samples" in carried[RECONSTRUCTION_KEY]


def test_without_a_database_the_last_set_is_loaded_and_with_none_the_error_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = world.configure(samples={})
    close_services()
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody:secret@127.0.0.1:{closed_port()}/none")
    assert read_known(world.settings) == seen
    (world.settings.home / "definitions.json").unlink()
    with pytest.raises(Unavailable):
        read_known(world.settings)


def test_a_changed_file_is_applied_when_definitions_load_and_an_unchanged_one_spares_what_came_over_the_api(world: World) -> None:
    world.configure(samples={})
    world.execute("UPDATE endpoints SET name = 'renamed over the API'")
    assert read_known(world.settings).endpoints[0].name == "renamed over the API"
    assert apply_if_changed(world.services, world.settings.config_file, "test") is None
    assert [e.slug for e in world.configure(samples={}, more={}).endpoints] == ["more", "samples"]
    assert [e.slug for e in world.configure(samples={}).endpoints] == ["samples"]


def test_applying_a_file_on_purpose_applies_it_whatever_was_applied_last(world: World) -> None:
    world.configure(samples={})
    world.execute("UPDATE endpoints SET name = 'renamed over the API'")
    assert apply_file(world.services, world.settings.config_file, "test").changed == ("samples",)


def test_mistakes_in_the_file_do_not_take_down_endpoints_that_are_there(world: World) -> None:
    world.configure(samples={})
    world.settings.config_file.write_text("connectors: nonsense")
    assert [e.slug for e in read_known(world.settings).endpoints] == ["samples"]


def test_a_home_that_cannot_be_written_keeps_no_definitions_from_loading(world: World) -> None:
    world.settings.home.write_text("a file where the folder should be")
    assert [e.slug for e in world.configure(samples={}).endpoints] == ["samples"]


def test_importing_the_entry_point_imports_no_vendor_library() -> None:
    heavy = ["pandas", "numpy", "obstore", "minio", "httpx", "wordllama", "pypdfium2", "ruamel.yaml", "psycopg_pool", "dagster_postgres"]
    script = f"import connector_pipelines.definitions, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"


def test_mistakes_in_the_first_file_are_told(world: World) -> None:
    world.settings.config_file.write_text("connectors: nonsense")
    with pytest.raises(ConfigurationError, match=r"connectors\.yaml:1"):
        read_known(world.settings)
