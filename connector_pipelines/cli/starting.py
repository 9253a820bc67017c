"""`connectors init`: the files an installation begins with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connector_pipelines.settings import Settings

__all__ = ["ensure_dagster_home", "init", "workspace_file", "write_connectors_file"]

WORKSPACE = """\
# What `dagster dev` loads. Read by the Dagster webserver and daemon.
load_from:
  - python_module:
      module_name: connector_pipelines.definitions
      location_name: connector_pipelines
"""

_EXAMPLES = "examples/files"


def init(
    root: Annotated[
        Path | None, typer.Option(help="Folder to bring in. Default: examples/files where it is, else a folder `files`.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write connectors.yaml with comments, and the files Dagster needs. Never overwrites one without --force."""
    from connector_pipelines.cli.opening import quiet_settings

    settings = quiet_settings()
    wrote = write_connectors_file(settings, root, force=force)
    print(f"{'wrote' if wrote else 'kept'} {_shown(settings.config_file)}{'' if wrote else ' (--force overwrites it)'}")
    dagster_yaml = settings.dagster_home / "dagster.yaml"
    for path, text in ((dagster_yaml, default_dagster_yaml()), (Path.cwd() / "workspace.yaml", WORKSPACE)):
        print(f"{'wrote' if _write(path, text, force=force) else 'kept'} {_shown(path)}")
    print("\nnext:")
    print(f"  1. set `root` in {_shown(settings.config_file)} to the folder to bring in; `connectors test` tries it")
    print("  2. `connectors dev` opens the UI and syncs as scheduled, or `connectors sync` syncs once")
    print('  3. `connectors search "a question"`')


def write_connectors_file(settings: Settings, root: Path | None, *, force: bool = False) -> bool:
    """Whether the file was written; False where there is one already.

    Raises:
        ConfigurationError: `root` is no folder.
    """
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.pipeline.connectors_file import template

    if root is not None and not root.expanduser().is_dir():
        raise ConfigurationError(f"--root: {root} is not a folder", advice="create it, or name one that exists")
    root = root or Path(_EXAMPLES if Path(_EXAMPLES).is_dir() else "files")
    base = settings.config_file.parent
    # What is written is read relative to the file, what was typed is relative to here.
    text = root.as_posix() if base == Path.cwd() else root.expanduser().absolute().as_posix()
    if settings.home.is_relative_to(root.expanduser().absolute()):
        raise ConfigurationError(
            f"--root: {root} holds {_shown(settings.home)}, where what is brought in is kept; it would bring in itself",
            advice="choose another folder, or set CONNECTORS_HOME to one outside of it",
        )
    return _write(settings.config_file, template(text), force=force)


def default_dagster_yaml() -> str:
    """The text of the embedded default's `dagster.yaml`."""
    return files("connector_pipelines.embedded").joinpath("dagster.yaml").read_text(encoding="utf-8")


def ensure_dagster_home(settings: Settings) -> Path:
    """`DAGSTER_HOME`, with a `dagster.yaml` in it."""
    _write(settings.dagster_home / "dagster.yaml", default_dagster_yaml(), force=False)
    return settings.dagster_home


def workspace_file(settings: Settings) -> Path:
    """The workspace of the working directory, or one made in `CONNECTORS_HOME`."""
    here = Path.cwd() / "workspace.yaml"
    if here.is_file():
        return here
    made = settings.home / "workspace.yaml"
    _write(made, WORKSPACE, force=True)
    return made


def _write(path: Path, text: str, *, force: bool) -> bool:
    from connector_pipelines.core.errors import ConfigurationError

    if path.exists() and not force:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}", advice="check the folder, its permissions and free space"
        ) from error
    return True


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
