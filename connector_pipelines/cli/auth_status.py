"""`connectors auth status`: who is signed in, until when, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from connector_pipelines.store.tokens import SignedIn

__all__ = ["SignInStatus", "status", "status_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInStatus:
    """One connector's sign-in, for people and programs.

    Attributes:
        type: Of `auth`, and the grant of OAuth.
        state: `signed_in`; `signed_out`: a person has to sign in; `failing`: the last fetch of a token failed; `not_yet`: a token is
            fetched when one is needed; `every_request`: there is nothing to sign in to.
        advice: What to do, or empty.
        acts_for: How many users a token is kept of, beside the connector's own.
        refused: Users of whom the last fetch of a token failed, and what it said; the first few of them.
    """

    connector: str
    tenant: str
    type: str
    state: Literal["signed_in", "signed_out", "failing", "not_yet", "every_request"]
    account: str
    expires_at: datetime | None
    refreshed_at: datetime | None
    failed_at: datetime | None
    failure: str
    advice: str
    acts_for: int
    refused: Mapping[str, str]


def status(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show for each connector how it signs in, who is signed in and until when, and what to do."""
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import ago, console, emit_json, one_line, table
    from connector_pipelines.store.tokens import signed_in

    with opened() as services, services.database.operator() as tx:
        found = [status_of(one) for one in signed_in(tx)]
    if json:
        emit_json(found)
        return
    if not found:
        print("no connectors yet: `connectors init` writes a connectors.yaml to start from, `connectors apply` brings it in")
        return
    rows = [
        (
            one.connector,
            one.type,
            _who(one),
            _until(one),
            ago(one.refreshed_at) if one.refreshed_at else "",
            one.failure.partition(":")[0],
        )
        for one in found
    ]
    out = console()
    out.print(table("connector", "sign-in", "who", "until", "fetched", "failed", rows=rows))
    for one in found:
        if one.failure:
            out.print(f"\n{one.connector}: {one_line(one.failure)} ({ago(one.failed_at)})")
        if one.advice:
            out.print(f"{'' if one.failure else chr(10) + one.connector + ': '}  fix: {one_line(one.advice)}")
        for user, said in one.refused.items():
            out.print(f"\n{one.connector}, as {one_line(user)}: {one_line(said)}")


def status_of(one: SignedIn) -> SignInStatus:
    """What `one` means for a person."""
    from contextlib import suppress
    from dataclasses import replace

    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.core.oauth import OAuth2Auth
    from connector_pipelines.pipeline.reaching import auth_of_kind

    # Of a kind that is not there (any more) it is shown as it stands.
    with suppress(ConfigurationError):
        one = replace(one, auth=auth_of_kind(one.auth, one.kind))
    auth = one.auth
    kind = f"{auth.type} ({auth.grant.type})" if isinstance(auth, OAuth2Auth) else auth.type
    state, advice = _state(one)
    failure = one.failure or {}
    told = f"{failure['code']}: {failure['message']}" if failure else ""
    return SignInStatus(
        connector=one.connector, tenant=one.tenant, type=kind, state=state, account=one.account, expires_at=one.expires_at,
        refreshed_at=one.stored_at, failed_at=one.failed_at, failure=told, advice=advice,
        acts_for=one.acts_for, refused=one.refused,
    )  # fmt: skip


_WORDS = {
    "signed_in": "(not told)",
    "signed_out": "nobody",
    "failing": "(not told)",
    "not_yet": "(when needed)",
    "every_request": "",
}


def _state(one: SignedIn) -> tuple[Literal["signed_in", "signed_out", "failing", "not_yet", "every_request"], str]:
    from connector_pipelines.core.auth import KeepsToken
    from connector_pipelines.core.oauth import AuthorizationCode, OAuth2Auth
    from connector_pipelines.net.auth._answers import sign_in_again

    if not isinstance(one.auth, KeepsToken):
        return "every_request", ""
    if one.failure:
        return "failing", one.failure.get("advice", "")
    if one.settings == one.auth.fingerprint:
        return "signed_in", ""
    if isinstance(one.auth, OAuth2Auth) and isinstance(one.auth.grant, AuthorizationCode):
        changed = "its sign-in settings have changed since; " if one.settings is not None else ""
        return "signed_out", f"{changed}{sign_in_again(one.connector)}"
    return "not_yet", ""


def _who(one: SignInStatus) -> str:
    from connector_pipelines.cli.output import count

    users = count(one.acts_for, "user") if one.acts_for else ""
    if users and one.state == "not_yet":
        return users
    return " and ".join(part for part in (one.account or _WORDS[one.state], users) if part)


def _until(one: SignInStatus) -> str:
    from connector_pipelines.cli.output import ago

    if one.state == "every_request" or one.refreshed_at is None:
        return ""
    return "withdrawn" if one.expires_at is None else ago(one.expires_at)
