from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.settings import load_settings
from connector_pipelines.telemetry import scrub


def test_proxies_are_read_in_capitals_and_in_lower_case_and_capitals_win() -> None:
    found = load_settings(
        {"https_proxy": "http://low:1", "HTTP_PROXY": "http://high:1", "http_proxy": "http://low:1", "no_proxy": "a.b, c  d"}
    ).outbound

    assert (str(found.https_proxy and found.https_proxy.get_secret_value()), found.no_proxy) == ("http://low:1", ("a.b", "c", "d"))
    assert found.http_proxy is not None
    assert found.http_proxy.get_secret_value() == "http://high:1"


def test_one_for_all_is_used_where_a_scheme_has_none() -> None:
    found = load_settings({"ALL_PROXY": "all:1", "HTTPS_PROXY": "http://tls:1"}).outbound

    assert found.proxy_for("https://x/").get_secret_value() == "http://tls:1"  # type: ignore[union-attr]
    assert found.proxy_for("http://x/").get_secret_value() == "http://all:1"  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["ftp://user:hidden12@proxy", "http://user:hidden12@", "http://proxy:port"])
def test_what_is_no_proxy_is_refused_by_name_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY: is not the address of an HTTP proxy") as refused:
        load_settings({"HTTPS_PROXY": value})

    assert "hidden12" not in str(refused.value)


def test_a_proxy_that_speaks_socks_stops_only_what_would_go_through_it() -> None:
    assert load_settings({"ALL_PROXY": "socks5h://proxy:1080"}).outbound.proxy_for("https://x/") is not None


def test_the_password_of_a_proxy_is_masked_from_then_on_as_written_and_as_meant() -> None:
    load_settings({"HTTPS_PROXY": "http://user:pl%40nted-55d1@proxy:1"})

    assert "nted-55d1" not in scrub("refused pl@nted-55d1 and pl%40nted-55d1")


@pytest.mark.parametrize(
    ("environ", "file", "folder"),
    [
        ({"SSL_CERT_FILE": "/a.pem", "REQUESTS_CA_BUNDLE": "/b.pem"}, "/a.pem", None),
        ({"REQUESTS_CA_BUNDLE": "/b.pem", "SSL_CERT_DIR": "/certs"}, "/b.pem", "/certs"),
        ({}, None, None),
    ],
)
def test_authorities_are_those_of_the_usual_variables(environ: dict[str, str], file: str | None, folder: str | None) -> None:
    found = load_settings(environ).outbound

    assert (found.ca_file, found.ca_folder) == (file and Path(file), folder and Path(folder))


def test_the_object_store_goes_the_same_way_out() -> None:
    keys = {"MINIO_ENDPOINT": "https://minio:9000", "MINIO_ACCESS_KEY": "key", "MINIO_SECRET_KEY": "planted-8812"}
    settings = load_settings({**keys, "SSL_CERT_FILE": "/a.pem"})

    assert settings.s3 is not None
    assert settings.s3.outbound == settings.outbound
