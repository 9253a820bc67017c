"""`python -m tests.faults.syncing SLUG`: one sync in a process of its own, without Dagster; exits with 3 where an error stopped it."""

from __future__ import annotations

import os
import sys

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.embedded.stack import open_installation
from connector_pipelines.pipeline import operations
from connector_pipelines.settings import load_settings

if __name__ == "__main__":
    services = open_installation(load_settings())
    try:
        with services.open(sys.argv[1], f"process {os.getpid()}") as session:
            operations.sync(session)
    except ConnectorError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)
    finally:
        services.close()
