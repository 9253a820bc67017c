"""The code location: the endpoints of connectors.yaml. Assets of your own are merged in with `dg.Definitions.merge`."""

from connector_pipelines.definitions import defs

__all__ = ["defs"]
