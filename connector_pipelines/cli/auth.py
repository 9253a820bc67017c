"""`connectors auth`: sign a connector in, see who is signed in, sign out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from connector_pipelines.cli.auth_status import status

if TYPE_CHECKING:
    from connector_pipelines.core.auth import KeepsToken
    from connector_pipelines.core.oauth import OAuth2Auth
    from connector_pipelines.net.protocols import TokenState, TokenStore
    from connector_pipelines.pipeline.session import Services
    from connector_pipelines.store.catalog.database import Transaction
    from connector_pipelines.store.tokens import SignedIn

__all__ = ["auth"]

WAIT_S = 600.0
"""For a person to sign in in the browser."""


class _NameFirst(TyperGroup):
    """`connectors auth NAME` is `connectors auth sign-in NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["sign-in", *args]
        return super().parse_args(ctx, args)


auth = typer.Typer(
    cls=_NameFirst,
    help="Sign a connector in (`connectors auth NAME`), see who is signed in, sign out.",
    no_args_is_help=True,
)
auth.command("status")(status)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a connector of connectors.yaml.")]
_Tenant = Annotated[str | None, typer.Option("--tenant", help="Its tenant, where several have a connector of that name.")]


@auth.command("sign-in")
def sign_in(
    name: _Name,
    tenant: _Tenant = None,
    paste: Annotated[
        bool, typer.Option("--paste", help="For a machine without a browser: sign in anywhere, and paste what comes back.")
    ] = False,
    subject: Annotated[str | None, typer.Option("--as", metavar="USER", help="Try whether a service account may act as this user.")] = None,
) -> None:
    """Sign in, or try the sign-in where nobody has to; then sync again what waited for it. `sign-in` may be left out."""
    from connector_pipelines.cli.opening import ACTOR, apply_if_there, opened
    from connector_pipelines.core.auth import KeepsToken
    from connector_pipelines.core.oauth import AuthorizationCode, OAuth2Auth
    from connector_pipelines.store.catalog.sealed import note

    with opened() as services:
        apply_if_there(services)
        with services.database.operator() as tx:
            found = _connector(tx, name, tenant)
        if isinstance(found.auth, KeepsToken):
            if isinstance(found.auth, OAuth2Auth) and isinstance(found.auth.grant, AuthorizationCode) and subject is None:
                made = _by_person(services, found, found.auth, paste=paste)
            else:
                made = _by_itself(services, found, subject)
            _say_signed_in(found.auth, made)
            with services.database.operator() as tx:
                note(tx, ACTOR, "sign_in", found.connector, {"tenant": found.tenant} | ({"as": subject} if subject else {}))
        else:
            _try(services, found, subject)
        _resume(services, found)


@auth.command()
def forget(name: _Name, tenant: _Tenant = None) -> None:
    """Forget the token of a connector, and those of users that it acts for. Withdraw them at the provider, too, where they should be of no use to anybody."""
    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.cli.output import count
    from connector_pipelines.store.catalog.sealed import note
    from connector_pipelines.store.tokens import forget_users

    with opened() as services:
        with services.database.operator() as tx:
            found = _connector(tx, name, tenant)
        if found.settings is None and not found.acts_for:
            print(f"nothing is kept for {found.connector!r}")
            return
        with _tokens(services, found).locked(within_s=WAIT_S, stop=threading.Event()) as held:
            held.forget()
        with services.database.operator() as tx:
            users = forget_users(tx, found.id)
            note(tx, ACTOR, "sign_out", found.connector, {"tenant": found.tenant, "users": users})
        of_users = f", and those of {count(users, 'user')}" if users else ""
        print(f"forgotten: the token of {found.connector!r}{of_users}")


def _connector(tx: Transaction, name: str, tenant: str | None) -> SignedIn:
    from dataclasses import replace

    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.pipeline.reaching import auth_of_kind
    from connector_pipelines.store.tokens import signed_in

    every = signed_in(tx)
    found = [one for one in every if one.connector == name and tenant in {None, one.tenant}]
    if not found:
        known = ", ".join(one.connector for one in every) or "none yet"
        raise ConfigurationError(f"there is no connector {name!r}", advice=f"known: {known}; `connectors.yaml` adds one")
    if len(found) > 1:
        tenants = ", ".join(one.tenant for one in found)
        raise ConfigurationError(f"several tenants have a connector {name!r}", advice=f"name one with `--tenant`: {tenants}")
    return replace(found[0], auth=auth_of_kind(found[0].auth, found[0].kind))


def _tokens(services: Services, found: SignedIn, subject: str | None = None) -> TokenStore:
    from connector_pipelines.store.tokens import SealedTokens

    return SealedTokens(services.database, services.sealer, found.id, subject or "")


def _by_person(services: Services, found: SignedIn, auth: OAuth2Auth, *, paste: bool) -> TokenState:
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.core.oauth import AuthorizationCode, is_loopback
    from connector_pipelines.net.auth.authorizing import begin, code_from, code_pasted
    from connector_pipelines.net.auth.loopback import listening

    assert isinstance(auth.grant, AuthorizationCode)  # noqa: S101 - the caller looked
    # A code is good for one use: what could not be kept is not asked for.
    _ = services.sealer.key_id
    redirect = auth.grant.redirect_url
    if paste:
        attempt = begin(found.connector, auth, redirect)
        _say_open(attempt.url)
        return _finish(services, found, attempt, code_pasted(attempt, _asked()))
    if not is_loopback(_host(redirect)):
        raise ConfigurationError(
            f"the browser is sent back to {redirect}, which is not this machine", advice="use `--paste`, or a `redirect_url` on 127.0.0.1"
        )
    with listening(redirect) as redirects:
        attempt = begin(found.connector, auth, redirects.url)
        _say_open(attempt.url)
        print(f"\nwaiting for the browser to come back to {redirects.url}; Ctrl-C gives up", file=sys.stderr, flush=True)
        states: list[TokenState] = []

        def take(query: Mapping[str, str]) -> None:
            states.append(_finish(services, found, attempt, code_from(attempt, query)))

        redirects.wait(take, within_s=WAIT_S, stop=threading.Event())
    return states[-1]


def _finish(services: Services, found: SignedIn, attempt: Any, code: str) -> TokenState:
    from connector_pipelines.net.auth.authorizing import finish

    return finish(
        attempt, code, _tokens(services, found), secret=services.tools.secret, outbound=services.settings.outbound, stop=threading.Event()
    )


def _by_itself(services: Services, found: SignedIn, subject: str | None) -> TokenState:
    from connector_pipelines.net.auth._oauth import OAuth2SignIn

    made = _made(services, found, subject)
    assert isinstance(made, OAuth2SignIn)  # noqa: S101 - the caller looked
    made.keeper.fetch()
    return _tokens(services, found, subject).read()


def _try(services: Services, found: SignedIn, subject: str | None) -> None:
    """Do as for a request, without sending one: what is missing is told."""
    from connector_pipelines.net._tls import tls_context

    made = _made(services, found, subject)
    if made is None:
        print(f"{found.connector!r} needs no sign-in")
        return
    made.headers("GET", "https://127.0.0.1/", b"")
    made.params()
    if made.certificate is not None:
        tls_context(services.settings.outbound, made.certificate)
    print(f"nothing to sign in to: {found.connector!r} says who it is with every request ({found.auth.type}), and its secrets are there")
    print("`connectors test` tries it")


def _made(services: Services, found: SignedIn, subject: str | None) -> Any:
    from connector_pipelines.pipeline.reaching import Account, connector_sign_in

    account = Account(connector_id=found.id, connector=found.connector, auth=found.auth)
    return connector_sign_in(services, account, subject, threading.Event())


def _resume(services: Services, found: SignedIn) -> None:
    from datetime import UTC, datetime

    from connector_pipelines.cli.output import count
    from connector_pipelines.store.catalog.scheduling import resume

    with services.database.operator() as tx:
        slugs = resume(tx, found.id, datetime.now(UTC))
    if slugs:
        print(f"due again: {count(len(slugs), 'endpoint')} ({', '.join(slugs)})")


def _say_open(url: str) -> None:
    print(f"Open this address in a browser, and sign in:\n\n{url}", flush=True)


def _say_signed_in(auth: KeepsToken, state: TokenState) -> None:
    from connector_pipelines.cli.output import one_line
    from connector_pipelines.core.oauth import AuthorizationCode, OAuth2Auth

    token = state.token
    assert token is not None  # noqa: S101 - just stored
    who = f" as {one_line(token.account)}" if token.account else ""
    by_person = isinstance(auth, OAuth2Auth) and isinstance(auth.grant, AuthorizationCode)
    print(f"signed in{who}" if by_person and token.refresh_token is None else f"signed in{who}; the token is renewed by itself")
    if by_person and token.refresh_token is None and state.left_s is not None:
        print(
            f"warning: the provider gave nothing to renew this by, and it ends in {state.left_s / 60:.0f} min. Most give a refresh token"
            " only when asked for it: by a scope such as `offline_access`, or by `authorize_params`",
            file=sys.stderr,
        )


def _asked() -> str:
    import getpass

    prompt = "\nPaste the code, or the whole address that the browser was sent to (it is not shown): "
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _host(url: str) -> str | None:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname
