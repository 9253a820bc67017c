"""What a connector is lent to reach its own system: its sign-in, and the limits it shares with every process of the installation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connector_pipelines.core.auth import Auth, auth_in_full
from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.protocols import AsksForScopes, Tools
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth.application import application_of
from connector_pipelines.net.http import Counters, open_http
from connector_pipelines.net.protocols import SignIn, TokenStore
from connector_pipelines.registry import source_type
from connector_pipelines.store.tokens import SealedTokens

if TYPE_CHECKING:
    from connector_pipelines.pipeline.session import Services

__all__ = ["Account", "auth_of_kind", "connector_sign_in", "connector_tokens", "connector_tools"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who asks. `connector_id` is None while the connector is in a file only: then nobody can have signed in. `auth` is as of `auth_of_kind`."""

    connector_id: str | None
    connector: str
    auth: Auth

    @property
    def bucket(self) -> str:
        """What limits and pauses count for, where the connector names nothing else: all its endpoints together."""
        return f"{self.connector}/{self.connector_id or 'file'}"


def auth_of_kind(auth: Auth, kind: str) -> Auth:
    """`auth` with what its kind knows: the scopes it needs, where none are named.

    Raises:
        ConfigurationError: There is no such kind, and it would have to be asked.
    """

    def scopes() -> tuple[str, ...]:
        found = source_type(kind)
        return found.scopes if isinstance(found, AsksForScopes) else ()

    return auth_in_full(auth, scopes)


def connector_tools(services: Services, account: Account, stop: threading.Event, counters: Counters | None = None) -> Tools:
    """The house's tools, with `http` signed in as the connector, or for one of its users; its requests are counted in `counters`.

    Raises:
        ConfigurationError: Its `auth` names a sign-in that is not installed, or that does not take its settings.
    """
    # One for all clients of the source that act as the same user: they share its token.
    sign_ins: dict[str | None, SignIn | None] = {None: connector_sign_in(services, account, None, stop)}
    making = threading.Lock()

    def sign_in(subject: str | None) -> SignIn | None:
        with making:
            if subject not in sign_ins:
                sign_ins[subject] = connector_sign_in(services, account, subject, stop)
            return sign_ins[subject]

    def http(options: HttpOptions) -> Http:
        return open_http(
            replace(options, buckets=options.buckets or (account.bucket,)),
            name=account.connector,
            account=account.bucket,
            sign_in=sign_in(options.subject),
            limiter=services.limits.limiter,
            breaker=services.limits.breaker,
            stop=stop,
            outbound=services.settings.outbound,
            counters=counters,
        )

    return replace(services.tools, http=http, stop=stop, application=application_of(account.auth, services.tools.secret))


def connector_sign_in(services: Services, account: Account, subject: str | None, stop: threading.Event) -> SignIn | None:
    """The sign-in of the connector as itself, or for a user. Raises as `connector_tools`, and where it cannot act for others."""
    return make_sign_in(
        account.auth,
        secret=services.tools.secret,
        connector=account.connector,
        subject=subject,
        forget=services.secrets.forget,
        tokens=connector_tokens(services, account, subject),
        outbound=services.settings.outbound,
        stop=stop,
    )


def connector_tokens(services: Services, account: Account, subject: str | None = None) -> TokenStore | None:
    """Where the token of the connector, or of a user it acts for, is kept; None while it is in no row."""
    return SealedTokens(services.database, services.sealer, account.connector_id, subject or "") if account.connector_id else None
