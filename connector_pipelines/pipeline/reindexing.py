"""When a sink that was filled anew with another model may answer from what it was filled with."""

from __future__ import annotations

from contextlib import closing

from connector_pipelines.core.protocols import EmbedsChunks, Reindexes
from connector_pipelines.pipeline.session import Session, open_sink
from connector_pipelines.store.catalog import deliveries
from connector_pipelines.store.catalog.configuration import sink_settings
from connector_pipelines.telemetry import get_logger

__all__ = ["switch_if_filled"]

_LOG = get_logger(__name__)


def switch_if_filled(session: Session, name: str) -> bool:
    """Let the sink answer from its new model's index if no endpoint owes it a document any more; whether it was told to."""
    if not isinstance(session.sinks[name], Reindexes):
        return False
    with session.database.operator() as tx:
        configured = sink_settings(tx)
    if name not in configured:
        return False
    # Opened by what is configured now: a run from before the change of model would switch back.
    with closing(open_sink(name, configured, session.services.tools)) as sink:
        if not isinstance(sink, Reindexes) or not isinstance(sink, EmbedsChunks) or sink.searched_model == sink.model:
            return False
        with session.database.operator() as tx:
            # In one transaction with the settings: changed again meanwhile, everything is owed again.
            if sink_settings(tx).get(name) != configured[name] or not deliveries.holds_all(tx, name):
                return False
        sink.switch()
        _LOG.info("sink_switched_model", sink=name, model=sink.model)
        return True
