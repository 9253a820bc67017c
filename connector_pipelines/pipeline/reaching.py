"""What a connector is lent to reach its own system: its sign-in, and the limits it shares with every process of the installation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.protocols import Tools
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.http import Counters, open_http
from connector_pipelines.net.protocols import TokenStore
from connector_pipelines.store.tokens import SealedTokens

if TYPE_CHECKING:
    from connector_pipelines.pipeline.session import Services

__all__ = ["Account", "connector_tokens", "connector_tools"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who asks. `connector_id` is None while the connector is in a file only: then nobody can have signed in."""

    connector_id: str | None
    connector: str
    auth: Auth

    @property
    def bucket(self) -> str:
        """What limits and pauses count for, where the connector names nothing else: all its endpoints together."""
        return f"{self.connector}/{self.connector_id or 'file'}"


def connector_tools(services: Services, account: Account, stop: threading.Event, counters: Counters | None = None) -> Tools:
    """The house's tools, with `http` signed in as the connector; its requests are counted in `counters`.

    Raises:
        ConfigurationError: Its `auth` names a sign-in that is not installed, or that does not take its settings.
    """
    # One for all clients of the source: they share its token.
    sign_in = make_sign_in(
        account.auth,
        secret=services.tools.secret,
        connector=account.connector,
        forget=services.secrets.forget,
        tokens=connector_tokens(services, account),
        outbound=services.settings.outbound,
        stop=stop,
    )

    def http(options: HttpOptions) -> Http:
        return open_http(
            replace(options, buckets=options.buckets or (account.bucket,)),
            name=account.connector,
            sign_in=sign_in,
            limiter=services.limits.limiter,
            breaker=services.limits.breaker,
            stop=stop,
            outbound=services.settings.outbound,
            counters=counters,
        )

    return replace(services.tools, http=http, stop=stop)


def connector_tokens(services: Services, account: Account) -> TokenStore | None:
    """Where the connector's token is kept; None while it is in no row."""
    return SealedTokens(services.database, services.sealer, account.connector_id) if account.connector_id else None
