"""`python -m connector_pipelines.cli`: the `connectors` command where its script is not on the path."""

from __future__ import annotations

from connector_pipelines.cli import main

if __name__ == "__main__":
    main()
