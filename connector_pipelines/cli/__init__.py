"""The `connectors` command: what a person at a terminal, or a CI job, can ask of an installation."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line given to this process, and end it with the exit code."""
    from connector_pipelines.cli.app import app

    app(prog_name="connectors")
