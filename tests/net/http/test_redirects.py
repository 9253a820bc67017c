from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector_pipelines.core import errors
from tests.net.http.world import SECRET, Signs, client
from tests.net.scripted import Asked, Scripted, answer, serving


@pytest.fixture
def home() -> Iterator[Scripted]:
    with serving() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Scripted]:
    """Another host, as far as anybody can see: its name is another."""
    with serving(named="localhost") as server:
        yield server


def to(url: str, status: int = 302) -> object:
    return answer(status, headers={"Location": url})


def said(asked: Asked) -> str:
    return f"{asked.target} {asked.headers}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_and_the_answer_says_where_it_came_from(home: Scripted, status: int) -> None:
    with client(f"{home.url}/v1") as http:
        home.script(to("../v2/x?page=1#top", status), answer(200, b"1"))  # type: ignore[arg-type]
        found = http.get("x")

    assert (found.url, found.content) == (f"{home.url}/v2/x", b"1")


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"), (302, "PUT", "PUT"), (307, "POST", "POST"), (308, "POST", "POST"), (303, "HEAD", "HEAD")],
)  # fmt: skip
def test_method_and_body_are_kept_or_dropped_as_the_status_says(home: Scripted, status: int, method: str, becomes: str) -> None:
    with client(home.url) as http:
        home.script(to("/y", status))  # type: ignore[arg-type]
        http.request(method, "x", content=b"body", headers={"Content-Type": "text/plain"})

    asked = home.asked[1]
    kept = becomes == method
    assert (asked.method, asked.body, "content-type" in asked.headers) == (becomes, b"body" if kept else b"", kept)


def test_a_redirect_that_stays_on_the_host_keeps_the_credentials(home: Scripted) -> None:
    with client(home.url, sign_in=Signs(query={"key": SECRET}), headers={"X-Version": "7"}) as http:
        home.script(to("/y?key=" + SECRET))  # type: ignore[arg-type]
        http.get("x")

    asked = home.asked[1]
    assert (asked.target, asked.headers["authorization"], asked.headers["x-version"]) == (f"/y?key={SECRET}", f"Key {SECRET}", "7")


def test_a_redirect_to_another_host_goes_without_any_credentials(home: Scripted, other: Scripted) -> None:
    home.script(*[answer(302, headers={"Location": f"{other.url}/y?signature=1&key={SECRET}", "Set-Cookie": f"session={SECRET}"})] * 2)
    with client(home.url, sign_in=Signs(query={"key": SECRET}), headers={"X-Version": SECRET}) as http:
        http.get("x", headers={"X-Own": SECRET, "Cookie": f"a={SECRET}", "Range": "bytes=0-1"})
        with http.download("x", headers={"X-Own": SECRET, "Range": "bytes=0-1"}) as found:
            list(found)

    for asked in other.asked:
        assert asked.target == "/y?signature=1"
        assert asked.headers["range"] == "bytes=0-1"
        assert SECRET not in said(asked)


def test_the_same_host_on_another_port_is_another(home: Scripted) -> None:
    with serving() as neighbour, client(home.url, sign_in=Signs()) as http:
        home.script(to(neighbour.url))  # type: ignore[arg-type]
        http.get("x")

    assert SECRET not in said(neighbour.asked[0])


def test_a_host_that_is_named_beside_the_base_gets_the_credentials(home: Scripted, other: Scripted) -> None:
    with client(home.url, sign_in=Signs(), hosts=(f"{other.host}:{other.port}",)) as http:
        home.script(to(other.url))  # type: ignore[arg-type]
        http.get("x")
        http.get(f"{other.url}/direct")

    assert [asked.headers.get("authorization") for asked in other.asked] == [f"Key {SECRET}"] * 2


def test_an_absolute_address_elsewhere_goes_without_and_what_is_signed_into_it_is_not_shown(home: Scripted, other: Scripted) -> None:
    with client(home.url, sign_in=Signs()) as http:
        found = http.get(f"{other.url}/file?signature={SECRET}")
        other.script(answer(401), answer(403))
        for _ in range(2):
            with pytest.raises(errors.Forbidden) as refused:
                http.get(f"{other.url}/file?signature={SECRET}")
            assert SECRET not in str(refused.value)

    assert (found.url, other.asked[0].headers.get("authorization")) == (f"{other.url}/file", None)


def test_cookies_are_not_kept(home: Scripted) -> None:
    home.otherwise = answer(200, headers={"Set-Cookie": "session=1; Path=/"})
    with client(home.url) as http:
        http.get("x")
        http.get("x")

    assert "cookie" not in home.asked[1].headers


def test_a_redirect_without_end_is_refused(home: Scripted) -> None:
    home.otherwise = to("/again")  # type: ignore[assignment]
    with client(home.url) as http, pytest.raises(errors.PermanentError, match="redirects more than 5 times"):
        http.get("x")

    assert len(home.asked) == 6


@pytest.mark.parametrize("target", ["ftp://host/x", "javascript:alert(1)", "http://[::1", "http://user:pw@host/"])
def test_a_redirect_to_what_is_no_address_of_http_is_refused(home: Scripted, target: str) -> None:
    home.otherwise = to(target)  # type: ignore[assignment]
    with client(home.url) as http, pytest.raises(errors.PermanentError, match="no address of HTTP"):
        http.get("x")
