from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from connector_pipelines.core import errors
from connector_pipelines.net import _sockets
from connector_pipelines.net._sockets import connect, require_public
from tests.net.http.world import client
from tests.net.scripted import answer, serving


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.9.9.9", "localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "192.0.0.192", "198.18.0.1", "240.0.0.1", "168.63.129.16", "2130706433", "0x7f000001", "0177.0.0.1", "127.1",
        "::1", "::", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_connected_to_however_it_is_written(host: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="private network") as refused:
        connect(host, 9, timeout_s=0.1, allow_private=False)

    assert "allow_private" in refused.value.advice


@pytest.mark.parametrize("host", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_pass(host: str) -> None:
    require_public(host, 443)


def test_a_request_and_a_download_to_a_private_address_are_refused_and_nothing_is_sent() -> None:
    with serving() as server, client(server.url, allow_private=False) as http:
        with pytest.raises(errors.ConfigurationError, match="private network"):
            http.get("x")
        with pytest.raises(errors.ConfigurationError, match="private network"), http.download("x"):
            pass

    assert server.connections == 0


def test_a_name_that_means_another_address_a_moment_later_is_connected_to_where_it_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        [
            [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.9", 80))],
            [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))],
        ]
    )
    connected: list[object] = []
    # What the resolver says cannot be had for real, since no name here means a public address.
    monkeypatch.setattr(_sockets.socket, "getaddrinfo", lambda *_, **__: next(answers))
    monkeypatch.setattr(_sockets, "_is_public", lambda address: not address.is_loopback)
    monkeypatch.setattr(_sockets._PatientSocket, "connect", lambda _, address: connected.append(address))

    connect("rebinding.example", 80, timeout_s=1, allow_private=False).close()

    assert connected == [("203.0.113.9", 80)]


def test_a_name_that_means_a_public_and_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(_sockets.socket, "getaddrinfo", lambda *_, **__: both)

    with pytest.raises(errors.ConfigurationError, match=r"10\.0\.0\.1"):
        connect("both.example", 80, timeout_s=1, allow_private=False)


def test_a_name_that_nobody_has_is_a_mistake_in_the_settings() -> None:
    with client("http://does-not-exist.invalid", retry_budget=timedelta(0)) as http:
        with pytest.raises(errors.ConfigurationError, match="not the name of any machine"):
            http.get("x")
        with pytest.raises(errors.ConfigurationError, match="not the name of any machine"), http.download("x"):
            pass


def test_what_is_allowed_is_allowed_for_redirects_too_and_nothing_else() -> None:
    with serving() as server, client(server.url, allow_private=True) as http:
        server.script(answer(302, headers={"Location": f"http://localhost:{server.port}/y"}))

        assert http.get("x").status == 200
