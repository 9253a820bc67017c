from __future__ import annotations

import pytest
from pydantic import SecretStr

from connector_pipelines.core.outbound import Outbound

PROXY = SecretStr("http://proxy:3128")


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_direct"),
    [
        ("https://api.example.com/v1", (), False),
        ("https://api.example.com/v1", ("example.com",), True),
        ("https://api.example.com/v1", (".example.com",), True),
        ("https://api.example.com/v1", ("*.example.com",), True),
        ("https://API.Example.com/v1", ("EXAMPLE.com",), True),
        ("https://notexample.com/", ("example.com",), False),
        ("https://example.com/", (".example.com",), True),
        ("https://api.example.com/v1", ("*",), True),
        ("https://api.example.com:8443/", ("api.example.com:8443",), True),
        ("https://api.example.com/", ("api.example.com:8443",), False),
        ("https://api.example.com/", ("api.example.com:443",), True),
        ("http://10.1.2.3/", ("10.0.0.0/8",), True),
        ("http://11.1.2.3/", ("10.0.0.0/8",), False),
        ("http://10.1.2.3/", ("10.1.2.3",), True),
        ("http://10.1.2.3:81/", ("10.1.2.3:80",), False),
        ("http://[fd00::1]/", ("fd00::/8",), True),
        ("http://[fd00::1]:80/", ("[fd00::1]:80",), True),
        ("http://[fd00::1]/", ("fd00::1",), True),
        ("http://10.1.2.3/", ("2.3",), False),
        ("http://10.1.2.3/", ("",), False),
    ],
)
def test_a_host_that_no_proxy_covers_is_reached_directly(url: str, no_proxy: tuple[str, ...], is_direct: bool) -> None:
    found = Outbound(https_proxy=PROXY, http_proxy=PROXY, no_proxy=no_proxy).proxy_for(url)

    assert (found is None) is is_direct


def test_each_scheme_has_a_proxy_of_its_own() -> None:
    outbound = Outbound(https_proxy=PROXY)

    assert (outbound.proxy_for("https://a/"), outbound.proxy_for("http://a/"), Outbound().proxy_for("https://a/")) == (PROXY, None, None)


def test_a_proxy_s_password_is_not_shown() -> None:
    assert "hidden12" not in repr(Outbound(https_proxy=SecretStr("http://user:hidden12@proxy:3128")))
