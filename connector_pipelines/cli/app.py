"""Which commands there are, in the order a person needs them, and what they share."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from connector_pipelines.cli.auth import auth
from connector_pipelines.cli.configuring import apply, validate
from connector_pipelines.cli.deletions import approve, purge
from connector_pipelines.cli.demo import demo
from connector_pipelines.cli.dev import dev
from connector_pipelines.cli.drafting import draft
from connector_pipelines.cli.failing import failures
from connector_pipelines.cli.gateway import gateway
from connector_pipelines.cli.limiting import limits
from connector_pipelines.cli.migrating import migrate
from connector_pipelines.cli.outcome import told
from connector_pipelines.cli.probing import probe
from connector_pipelines.cli.registered import kinds
from connector_pipelines.cli.searching import search
from connector_pipelines.cli.secrets import secrets
from connector_pipelines.cli.starting import init
from connector_pipelines.cli.status import status
from connector_pipelines.cli.subscribing import subscriptions
from connector_pipelines.cli.syncing import sync

__all__ = ["app"]

_HELP = """Bring files from where people keep them into stores where they can be found, and keep them right.

Begin with `connectors init`, then `connectors dev`. What to sync stands in connectors.yaml.
"""

_EPILOG = (
    "Exit codes: 0 well; 1 it did not work, or nothing was found; 2 wrong usage or configuration; 3 some items failed (sync --strict);"
    " 4 deletions wait for approval; 70 a fault of this program; 130 interrupted."
)


class _Told(TyperGroup):
    """Every fault becomes a line a person can act on, and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        # A file name may hold bytes that are no text.
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        with told(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Told,
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from connector_pipelines import __version__

        print(f"connectors {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and more log lines.")] = False,
) -> None:
    """Options before the command; `told` reads `debug`."""


# pytest would take a function `test_…` or `test` of ours for one of its own.
_NAMES = {"probe": "test"}

for _command, _panel in (
    (init, "Begin"),
    (dev, "Begin"),
    (demo, "Begin"),
    (draft, "Configure"),
    (validate, "Configure"),
    (apply, "Configure"),
    (kinds, "Configure"),
    (probe, "Configure"),
    (sync, "Work"),
    (search, "Work"),
    (gateway, "Work"),
    (status, "Look"),
    (approve, "Mend"),
    (purge, "Mend"),
    (migrate, "Mend"),
):
    app.command(_NAMES.get(_command.__name__), rich_help_panel=_panel)(_command)
app.add_typer(auth, name="auth", rich_help_panel="Configure")
app.add_typer(failures, name="failures", rich_help_panel="Look")
app.add_typer(limits, name="limits", rich_help_panel="Look")
app.add_typer(secrets, name="secrets", rich_help_panel="Configure")
app.add_typer(subscriptions, name="subscriptions", rich_help_panel="Look")
