"""What a test does to the service itself, beside edits of what is in it: the same here and from another process."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from connector_pipelines.testing.fake_drive.accounts import scope_names
from connector_pipelines.testing.fake_drive.faults import Fault, FaultAction
from connector_pipelines.testing.fake_drive.journal import Call
from connector_pipelines.testing.fake_drive.limits import Limit
from connector_pipelines.testing.fake_drive.push import Delivered
from connector_pipelines.testing.fake_drive.service import Service

__all__ = ["Commands"]

_PROJECT = "fake-project"
_READ = ("drive.readonly",)


class Commands:
    """Methods of `FakeDrive` and `RemoteFakeDrive`. Scopes come with their prefix or without."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def service_account(self, *, delegation: Iterable[str] = (), name: str = "robot", project: str = _PROJECT) -> dict[str, Any]:
        """A key file of a service account, as Google's console gives it; the account is a user of the Drive, too.

        Args:
            delegation: Scopes for which it may speak for anybody (domain-wide delegation).
        """
        key = self._service.sign_in.accounts.service_account(name=name, project=project, delegation=list(delegation))
        self._service.world.add_user(key["client_email"])
        return key

    def application(self, *, redirects: Iterable[str] = ("http://127.0.0.1/callback",), project: str = _PROJECT) -> dict[str, Any]:
        """An OAuth client, as the file `client_secret.json` of Google's console has it."""
        made = self._service.sign_in.accounts.application(project=project, redirects=list(redirects))
        uris = {
            "auth_uri": self._service.sign_in.authorize_url,
            "token_uri": self._service.sign_in.token_url,
            "redirect_uris": list(made.redirects),
        }
        return {"web": {"client_id": made.id, "client_secret": made.secret, "project_id": project, **uris}}

    def authorized_user(self, person: str, *, client_id: str = "", scopes: Iterable[str] = _READ) -> dict[str, Any]:
        """What an application holds after a person consented: client, secret and refresh token.

        Args:
            client_id: Of an application that was made before; empty: a new one.
        """
        name = client_id or self.application()["web"]["client_id"]
        known = self._service.sign_in.accounts.applications[name]
        token = self._service.sign_in.refresh_token(person, known, scope_names(list(scopes)))
        return {
            "type": "authorized_user", "client_id": known.id, "client_secret": known.secret, "refresh_token": token,
            "token_uri": self._service.sign_in.token_url, "universe_domain": "googleapis.com",
        }  # fmt: skip

    def access_token(self, person: str, *, scopes: Iterable[str] = _READ, project: str = _PROJECT) -> str:
        """A token to show, without any dance."""
        return self._service.sign_in.access_token(person, project, scope_names(list(scopes)))

    def consent_as(self, person: str | None) -> None:
        """Who is in front of the browser when an application asks for consent; None refuses."""
        self._service.sign_in.person = person

    def expire_tokens(self) -> None:
        """End every access token; refresh tokens stay."""
        self._service.sign_in.grants.expire()

    def revoke(self, person: str) -> None:
        """Take back all that a person ever consented to, as they may do in their account."""
        self._service.sign_in.grants.revoke(lambda grant: grant.user == person)

    def lifetime(self, of_tokens_s: float) -> None:
        """Of access tokens that are given from now on."""
        self._service.sign_in.grants.lifetime_s = of_tokens_s

    def pass_time(self, by: timedelta) -> None:
        """Tokens, limits, channels and permissions end by it; nothing else happens."""
        self._service.time.let_pass(by)
        self._service.world.pass_time(by)

    def limit(self, *limits: Limit) -> None:
        """These and no other limits from now on; counts begin anew, and pauses are over."""
        self._service.limits.set(*limits)

    def latency(self, seconds: float) -> None:
        """Added to each answer from now on; it holds up no other."""
        self._service.latency_s = seconds

    def fault(self, action: FaultAction, **which: Any) -> None:
        """Script a fault; `which` as the other fields of `Fault`."""
        self._service.faults.add(Fault(action=action, **which))

    def clear_faults(self) -> None:
        self._service.faults.clear()

    def calls(self) -> list[Call]:
        """What the journal has."""
        return self._service.journal.entries()

    def clear_journal(self) -> None:
        self._service.journal.clear()

    def allow_http_receivers(self, *, allowed: bool = True) -> None:
        """Whether channels may be opened to addresses without TLS."""
        self._service.channels.allows_http = allowed

    def push_settings(self, *, delay_s: float | None = None, backoff_s: float | None = None, trusted: Path | None = None) -> None:
        """Change what is named; see `Push`."""
        push = self._service.push
        push.delay_s = push.delay_s if delay_s is None else delay_s
        push.backoff_s = push.backoff_s if backoff_s is None else backoff_s
        push.trusted = trusted or push.trusted

    def delivered(self) -> list[Delivered]:
        """Every try to deliver a notification, in order."""
        return list(self._service.push.delivered)
