"""A person signs in: by the page on this machine, or by pasting; and what is not their answer is not taken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from connector_pipelines.core.errors import ConfigurationError, Forbidden, Malformed, Unauthenticated
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.auth._memory import MemoryTokens
from connector_pipelines.net.auth.authorizing import Authorization, begin, code_from, code_pasted, finish
from connector_pipelines.net.auth.loopback import Redirects, listening
from connector_pipelines.net.protocols import TokenState
from connector_pipelines.testing.oauth_server import OAuthClient, OAuthServer
from tests.net.auth.world import REDIRECT, code_auth, secret, sign_in_person


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as found:
        yield found


def location(attempt: Authorization) -> str:
    """Where the provider sends the browser."""
    return httpx.get(attempt.url).headers["location"]


def end(attempt: Authorization, code: str) -> TokenState:
    return finish(attempt, code, MemoryTokens(), secret=secret, outbound=Outbound(), stop=threading.Event())


def test_the_address_asks_for_the_scopes_with_pkce_and_holds_no_secret(server: OAuthServer) -> None:
    grant = {
        "type": "authorization_code", "authorize_url": f"{server.authorize_url}?tenant=x",
        "authorize_params": {"access_type": "offline", "code_challenge": "mine", "code_challenge_method": "plain"},
    }  # fmt: skip
    attempt = begin("CRM", code_auth(server, scopes=["read", "offline"], grant=grant), REDIRECT)

    query = parse_qs(urlsplit(attempt.url).query)
    assert query["scope"] == ["read offline"]
    assert (query["tenant"], query["access_type"], query["code_challenge_method"]) == (["x"], ["offline"], ["S256"])
    assert query["code_challenge"] != ["mine"]
    assert attempt.verifier not in attempt.url
    assert attempt.verifier not in repr(attempt)


def test_the_account_is_told_by_the_id_token_or_by_an_address(server: OAuthServer) -> None:
    by_address = code_auth(server, account_url=server.account_url, account_field="user.email")
    by_id_token = code_auth(server, scopes=["openid", "read"])

    for auth in (by_address, by_id_token):
        state = sign_in_person(server, auth, MemoryTokens())
        assert state.token is not None
        assert state.token.account == "ada@example.com"


def test_an_answer_to_another_attempt_is_not_taken(server: OAuthServer) -> None:
    attempt, other = (begin("CRM", code_auth(server), REDIRECT) for _ in range(2))
    with pytest.raises(Forbidden, match="not the answer to this attempt"):
        code_pasted(attempt, location(other))


def test_a_code_that_another_attempt_asked_for_is_refused_by_its_verifier(server: OAuthServer) -> None:
    attempt, other = (begin("CRM", code_auth(server), REDIRECT) for _ in range(2))
    stolen = code_from(other, dict(httpx.URL(location(other)).params))

    with pytest.raises(Unauthenticated, match="Code challenge failed"):
        end(attempt, stolen)


def test_a_code_works_once(server: OAuthServer) -> None:
    attempt = begin("CRM", code_auth(server), REDIRECT)
    code = code_pasted(attempt, location(attempt))
    end(attempt, code)
    with pytest.raises(Unauthenticated, match="invalid_grant"):
        end(attempt, code)


def test_a_person_who_says_no_is_told_so(server: OAuthServer) -> None:
    server.person = None
    attempt = begin("CRM", code_auth(server), REDIRECT)
    with pytest.raises(Unauthenticated, match="'CRM' was not signed in: access_denied"):
        code_pasted(attempt, location(attempt))


@pytest.mark.parametrize(
    "paste",
    [
        lambda url: f"  {url}\n",
        lambda url: url.partition("?")[2],
        lambda url: parse_qs(urlsplit(url).query)["code"][0],
        lambda url: quote(parse_qs(urlsplit(url).query)["code"][0], safe=""),
    ],
    ids=["the address", "its query", "the code", "the code as in the address bar"],
)
def test_whatever_part_of_the_address_is_pasted_will_do(server: OAuthServer, paste: Callable[[str], str]) -> None:
    attempt = begin("CRM", code_auth(server), REDIRECT)
    assert end(attempt, code_pasted(attempt, paste(location(attempt)))).token is not None


@pytest.mark.parametrize("pasted", ["", "  ", "https://127.0.0.1/callback"])
def test_what_holds_no_code_is_told(server: OAuthServer, pasted: str) -> None:
    with pytest.raises((Malformed, Forbidden)):
        code_pasted(begin("CRM", code_auth(server), REDIRECT), pasted)


@contextmanager
def waiting(redirects: Redirects, take: Callable[..., None]) -> Iterator[list[BaseException]]:
    """`Redirects.wait` on a thread, and what it raised."""
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            redirects.wait(take, within_s=20, stop=threading.Event())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    yield raised
    thread.join(20)


def test_the_browser_comes_back_to_a_page_on_this_machine(server: OAuthServer) -> None:
    with listening(REDIRECT) as redirects:
        attempt = begin("CRM", code_auth(server), redirects.url)
        states: list[TokenState] = []
        with waiting(redirects, lambda query: states.append(end(attempt, code_from(attempt, query)))) as raised:
            page = httpx.get(attempt.url, follow_redirects=True)

    assert raised == []
    assert states[0].token is not None
    assert "You may close this page" in page.text
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert urlsplit(redirects.url).hostname == "127.0.0.1"


def test_whoever_else_knocks_does_not_end_the_wait(server: OAuthServer) -> None:
    with listening(REDIRECT) as redirects:
        attempt = begin("CRM", code_auth(server), redirects.url)
        port = urlsplit(redirects.url).port
        states: list[TokenState] = []
        silent = socket.create_connection(("127.0.0.1", port))  # as browsers open ahead
        with silent, waiting(redirects, lambda query: states.append(end(attempt, code_from(attempt, query)))) as raised:
            others = [
                httpx.get(f"http://127.0.0.1:{port}{path}").status_code
                for path in ("/favicon.ico", "/callback", "/callback?code=forged&state=guessed")
            ]
            page = httpx.get(attempt.url, follow_redirects=True)

    assert others == [404, 404, 400]
    assert (raised, page.status_code, len(states)) == ([], 200, 1)


def test_what_goes_wrong_is_told_in_the_browser_and_in_the_terminal(server: OAuthServer) -> None:
    server.person = None
    with listening(REDIRECT) as redirects:
        attempt = begin("<CRM>", code_auth(server), redirects.url)
        with waiting(redirects, lambda query: end(attempt, code_from(attempt, query))) as raised:
            page = httpx.get(attempt.url, follow_redirects=True)

    assert [type(error) for error in raised] == [Unauthenticated]
    assert page.status_code == 400
    assert "access_denied" in page.text
    assert "<CRM>" not in page.text


def test_a_wait_ends_when_nobody_comes() -> None:
    with listening(REDIRECT) as redirects, pytest.raises(Unauthenticated, match="nobody signed in in time"):
        redirects.wait(lambda _: None, within_s=0, stop=threading.Event())


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} of this machine"), listening(f"http://localhost:{port}/callback"):
            pass


def test_a_configured_port_and_name_are_kept(server: OAuthServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with listening(f"http://localhost:{port}/oauth/back") as redirects:
        assert redirects.url == f"http://localhost:{port}/oauth/back"
        strict = replace(OAuthClient(), redirects=(redirects.url,))
    assert strict.check_redirect_uri(redirects.url)
    assert server.url
