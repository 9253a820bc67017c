"""What tests of signing in share: a connector's row, its sealed tokens, and somebody who signs in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from connector_pipelines.core.auth import NoAuth
from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig, SinkSettings, TenantConfig
from connector_pipelines.core.oauth import OAuth2Auth
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.auth._oauth import OAuth2SignIn
from connector_pipelines.net.auth.authorizing import begin, code_from, finish
from connector_pipelines.net.protocols import TokenState, TokenStore
from connector_pipelines.store.catalog import configuration
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.sealing import Sealer, given_keys, new_key
from connector_pipelines.store.tokens import SealedTokens
from connector_pipelines.testing.oauth_server import OAuthServer

SECRETS = {"env:APP_SECRET": "app-secret"}
REDIRECT = "http://127.0.0.1/callback"


def secret(reference: str) -> SecretStr:
    return SecretStr(SECRETS[reference])


def code_auth(server: OAuthServer, **more: Any) -> OAuth2Auth:
    grant = {"type": "authorization_code", "authorize_url": server.authorize_url}
    return OAuth2Auth.model_validate(
        {"token_url": server.token_url, "client_id": "app", "client_secret": "env:APP_SECRET", "scopes": ["read"], "grant": grant} | more
    )


def credentials_auth(server: OAuthServer, **more: Any) -> OAuth2Auth:
    return code_auth(server, **{"grant": {"type": "client_credentials"}} | more)


def sign_in_person(
    server: object, auth: OAuth2Auth, store: TokenStore, name: str = "CRM", secret: Callable[[str], SecretStr] = secret
) -> TokenState:
    """As a browser does: to the provider, and back with what it sends along."""
    attempt = begin(name, auth, REDIRECT)
    back = httpx.get(attempt.url).headers["location"]
    code = code_from(attempt, dict(httpx.URL(back).params))
    return finish(attempt, code, store, secret=secret, outbound=Outbound(), stop=threading.Event())


def made(auth: OAuth2Auth, store: TokenStore | None, name: str = "CRM", stop: threading.Event | None = None) -> OAuth2SignIn:
    found = make_sign_in(auth, secret=secret, connector=name, tokens=store, stop=stop)
    assert isinstance(found, OAuth2SignIn)
    return found


def access_of(sign_in: OAuth2SignIn) -> str:
    return sign_in.headers("GET", "https://api.example.com/", b"")["authorization"].removeprefix("Bearer ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A connector in a migrated database, and where its token is kept."""

    database: Database
    url: str
    key: str
    connector_id: str

    @property
    def store(self) -> SealedTokens:
        return self.store_of("")

    def store_of(self, subject: str) -> SealedTokens:
        return SealedTokens(self.database, Sealer(given_keys(SecretStr(self.key))), self.connector_id, subject)

    def row(self) -> dict[str, Any]:
        with self.database.operator() as tx:
            return tx.execute("SELECT * FROM tokens WHERE connector_id = %s", [self.connector_id]).fetchone() or {}

    def execute(self, statement: str) -> None:
        with self.database.operator() as tx:
            tx.execute(statement)  # type: ignore[call-overload]


def kept_in(url: str) -> Kept:
    database = Database(SecretStr(url))
    file = ConnectorsFile(
        tenants=(TenantConfig(name="default"),),
        sinks={"search": SinkSettings(kind="memory")},
        connectors=(
            ConnectorConfig(
                name="CRM", kind="local_folder", auth=NoAuth(), endpoints=(EndpointConfig(slug="deals", settings={"root": "/deals"}),)
            ),
        ),
    )
    with database.operator() as tx:
        configuration.apply(tx, file, actor="test")
        connector_id = configuration.connector_id(tx, "default", "CRM")
    assert connector_id is not None
    return Kept(database=database, url=url, key=new_key(), connector_id=connector_id)
