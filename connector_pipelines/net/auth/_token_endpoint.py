"""One request to a token endpoint: authlib says what is in it, the house's client sends it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unavailable
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth._answers import Answer, Asker, field_of, is_of_the_client, refusal, token_of
from connector_pipelines.net.auth._resolver import Resolver
from connector_pipelines.net.auth._signing import client_assertion
from connector_pipelines.net.http._decoding import whole
from connector_pipelines.net.http._hints import retry_after_s
from connector_pipelines.net.http._transport import PooledTransport
from connector_pipelines.net.http._wire import Lost, Sending, TransportSettings
from connector_pipelines.net.protocols import Token
from connector_pipelines.telemetry import get_logger, redact

__all__ = ["TokenEndpoint"]

MAX_ANSWER_BYTES = 1024 * 1024
CONNECT_TIMEOUT = timedelta(seconds=10)
ANSWER_TIMEOUT = timedelta(seconds=30)
"""From the request to the end of the answer."""

_CONNECTS = 3
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "connector-pipelines"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenEndpoint:
    """A connector's way to its token endpoint. Follows no redirect, and asks once: what it sends may be good for one use only.

    Args:
        stop: Ends a wait when set.
    """

    def __init__(self, asker: Asker, *, secret: Resolver, outbound: Outbound, stop: threading.Event) -> None:
        self._asker, self._secret, self._outbound, self._stop = asker, secret, outbound, stop

    def ask(self, grant_type: str, form: Mapping[str, str], *, interrupted: bool = False) -> Token:
        """The token given for `form`.

        Raises:
            Unauthenticated: What `form` proves has ended or was refused; the advice says what a person does.
            ConfigurationError: The application was refused, or its settings are wrong.
            RateLimited, Unavailable: Not just now.
            Malformed: The answer is none.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        auth = self._asker.auth
        body = prepare_token_request(grant_type, "", **{**auth.token_params, **form})
        proof, sent_at = self._proof(), time.monotonic()
        answer = self._asked(body)
        if is_of_the_client(answer):
            # Nothing was spent yet. The secret may have been replaced since it was fetched.
            self._secret.refused()
            answer = self._asked(body) if self._proof() != proof else answer
        if not 200 <= answer.status < 300 or answer.body.get("error"):
            raise refusal(self._asker, answer, interrupted=interrupted)
        token = token_of(answer)
        # Its life began when it was made, and that may be as long ago as the request.
        return _aged(token, time.monotonic() - sent_at)

    def who(self, token: Token) -> str:
        """Who `account_url` says the token is of; empty where it does not: that is for people, and holds up nothing."""
        auth = self._asker.auth
        if auth.account_url is None:
            return ""
        headers = {**_HEADERS, "authorization": f"Bearer {token.access_token.get_secret_value()}"}
        try:
            answer = self._exchange("GET", auth.account_url, headers, b"")
        except ConnectorError as error:
            get_logger(__name__).warning("account_not_told", connector=self._asker.connector, problem=str(error))
            return ""
        return field_of(answer.body, auth.account_field) if 200 <= answer.status < 300 else ""

    def _asked(self, body: str) -> Answer:
        headers, body = self._proved({**_HEADERS, **_FORM}, body)
        return self._exchange("POST", self._asker.auth.token_url, headers, body.encode())

    def _proof(self) -> str:
        """What the application proves itself by, as it is now."""
        auth = self._asker.auth
        reference = auth.client_secret or (auth.client_signing.key if auth.client_signing else None)
        return self._secret(reference).get_secret_value() if reference else ""

    def _proved(self, headers: dict[str, str], body: str) -> tuple[dict[str, str], str]:
        """The request with what proves the application; the standard allows one proof (RFC 6749, 2.3)."""
        from authlib.common.urls import add_params_to_qs
        from authlib.oauth2.auth import ClientAuth

        auth = self._asker.auth
        if auth.client_id is None:
            return headers, body
        if auth.client_signing is not None:
            signed = client_assertion(auth.client_id, auth.client_signing, auth.token_url, self._secret)
            proof = [("client_id", auth.client_id), ("client_assertion_type", _ASSERTION_TYPE), ("client_assertion", signed)]
            return headers, add_params_to_qs(body, proof)
        secret = self._secret(auth.client_secret).get_secret_value() if auth.client_secret else None
        try:
            _, headers, body = ClientAuth(auth.client_id, secret, auth.proof).prepare("POST", auth.token_url, headers, body)
        except UnicodeEncodeError:
            secret = None
        else:
            redact(headers.get("Authorization", "").rpartition(" ")[2])
            return headers, body
        # Out here: that error quotes the secret.
        raise ConfigurationError(
            f"the secret {auth.client_secret!r} holds a character that a header cannot",
            advice="set `client_authentication: client_secret_post`",
        )

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        host = urlsplit(url).hostname or ""
        transport = PooledTransport(
            TransportSettings(
                outbound=self._outbound, certificate=None, connections=1, connect_timeout=CONNECT_TIMEOUT,
                read_timeout=ANSWER_TIMEOUT, allow_private=True, stop=self._stop,
            )
        )  # fmt: skip
        try:
            return self._answer(transport, method, url, headers, body)
        except Lost as error:
            raise Unavailable(f"{host} gave no token: {error}", advice="nothing to do unless it stays") from error
        finally:
            transport.close()

    def _answer(self, transport: PooledTransport, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        host = urlsplit(url).hostname or ""
        for attempt in range(1, _CONNECTS + 1):
            deadline = time.monotonic() + ANSWER_TIMEOUT.total_seconds()
            try:
                reply = transport.send(Sending(method=method, url=url, headers=headers, body=body, deadline=deadline))
            except Lost as error:
                # Once it may have arrived, asking again could spend a refresh token twice.
                if error.arrived or attempt == _CONNECTS:
                    raise
                self._stop.wait(0.2 * attempt)
                continue
            try:
                content = whole(reply.pieces(), reply.headers.get("content-encoding", ""), limit=MAX_ANSWER_BYTES, what=host)
                return Answer(reply.status, _object(content), host, retry_after_s(reply.headers))
            finally:
                reply.close()
        raise AssertionError("unreachable")


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _aged(token: Token, by_s: float) -> Token:
    from dataclasses import replace

    return token if token.lifetime_s is None else replace(token, lifetime_s=max(0.0, token.lifetime_s - by_s))
