"""The services of this process for Dagster: opened once, by whoever asks first, on the settings they ask for."""

import threading

from connector_pipelines.embedded.stack import database_url, open_installation
from connector_pipelines.pipeline.session import Services
from connector_pipelines.settings import Settings

__all__ = ["close_services", "services_of"]

# The one thing here that outlives a call: a pool of connections belongs to the process, and Dagster makes its
# resources anew for every run and every tick of a sensor.
_opened: dict[Settings, Services] = {}
_lock = threading.Lock()


def services_of(settings: Settings) -> Services:
    """The process's services. The first call connects, and may start the local Postgres.

    Raises:
        ConfigurationError: The database's schema is not this version's.
        Unavailable: No database answers within ten seconds.
    """
    with _lock:
        # Looked at each time: a local Postgres that was killed is started again by whoever needs it first.
        if settings in _opened and database_url(settings) != _opened[settings].database.url:
            _opened.pop(settings).close()
        if settings not in _opened:
            _opened[settings] = open_installation(settings)
        return _opened[settings]


def close_services() -> None:
    """Close them all; the next call opens anew."""
    with _lock:
        while _opened:
            _opened.popitem()[1].close()
