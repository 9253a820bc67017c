"""Proxies and authorities of a company, for every client in use: ours, and those of others that sources, sinks and stores sit on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core import errors
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net.protocols import ClientCertificate
from connector_pipelines.sinks.qdrant import Config as QdrantConfig
from connector_pipelines.sinks.qdrant import Sink as QdrantSink
from connector_pipelines.store.blobs import S3Settings, open_blobs
from connector_pipelines.testing.tools import PLANTED_SECRET, plain_tools
from tests.conftest import S3Server
from tests.net.http.world import Signs, client
from tests.net.scripted import Scripted, answer, serving
from tests.net.ways import PASSWORD, Authority, Proxy, proxying, tls_in_front
from tests.qdrant_server import LocalEngine
from tests.qdrant_server import serving as serving_qdrant
from tests.sources.s3_world import Bucket, changes


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxying() as found:
        yield found


@pytest.fixture
def server(authority: Authority) -> Iterator[Scripted]:
    """By the name localhost, over TLS that only the authority's friends trust."""
    with serving(tls=authority.server(asks=True), named="localhost") as found:
        found.otherwise = answer(200, b"bytes")
        yield found


class TestOurs:
    def test_an_authority_that_is_not_known_is_a_setting_to_correct(self, server: Scripted) -> None:
        with client(server.url, retry_budget=timedelta(0)) as http:
            for ask in (http.get, lambda url: http.download(url).__enter__()):
                with pytest.raises(errors.ConfigurationError, match=r"certificate of \S+ is not trusted") as refused:
                    ask("x")
                assert "SSL_CERT_FILE" in refused.value.advice

    def test_a_certificate_of_another_name_is_refused_although_its_authority_is_known(self, authority: Authority) -> None:
        tls = authority.server("other.example")
        with serving(tls=tls, named="localhost") as server, client(server.url, outbound=Outbound(ca_file=authority.bundle)) as http:
            for ask in (http.get, lambda url: http.download(url).__enter__()):
                with pytest.raises(errors.ConfigurationError, match="is not trusted"):
                    ask("x")

    def test_tls_with_an_authority_of_one_s_own_works_directly(self, authority: Authority, server: Scripted) -> None:
        with client(server.url, outbound=Outbound(ca_file=authority.bundle)) as http:
            assert http.get("x").content == b"bytes"
            with http.download("x") as found:
                assert b"".join(found) == b"bytes"

    def test_a_proxy_makes_a_tunnel_for_tls_and_learns_nothing_but_the_host(
        self, authority: Authority, proxy: Proxy, server: Scripted
    ) -> None:
        with client(server.url, outbound=proxy.outbound(ca_file=authority.bundle), sign_in=Signs()) as http:
            for _ in range(2):
                http.get("x?q=1")
                with http.download("x") as found:
                    assert b"".join(found) == b"bytes"

        assert proxy.lines == [f"CONNECT localhost:{server.port}"]
        assert (proxy.refused, len(server.asked)) == ([], 4)
        assert all("proxy-authorization" not in asked.headers for asked in server.asked)

    def test_a_proxy_is_told_whole_addresses_where_there_is_no_tls(self, proxy: Proxy) -> None:
        with serving() as server:
            with client(server.url, outbound=proxy.outbound()) as http:
                http.get("x?q=1")
            with client(server.url, outbound=proxy.outbound()) as http, http.download("y") as found:
                assert b"".join(found) == b"{}"

        assert proxy.lines == [f"GET {server.url}/x?q=1", f"GET {server.url}/y"]

    def test_what_no_proxy_names_is_reached_without(self, authority: Authority, proxy: Proxy, server: Scripted) -> None:
        with client(server.url, outbound=proxy.outbound(ca_file=authority.bundle, no_proxy=("localhost",))) as http:
            http.get("x")

        assert proxy.lines == []

    @pytest.mark.parametrize(("status", "kind"), [(403, errors.ConfigurationError), (502, errors.Unavailable)])
    def test_a_proxy_that_refuses_is_named_and_its_password_is_not(
        self, authority: Authority, proxy: Proxy, server: Scripted, status: int, kind: type[errors.ConnectorError]
    ) -> None:
        proxy.status = status
        with client(server.url, outbound=proxy.outbound(ca_file=authority.bundle), retry_budget=timedelta(0)) as http:
            for ask in (http.get, lambda url: http.download(url).__enter__()):
                with pytest.raises(kind, match=f"the proxy on the way to localhost.* answered {status}") as refused:
                    ask("x")
                assert PASSWORD not in f"{refused.value!r} {proxy.outbound()!r}"

    def test_a_proxy_that_does_not_know_us_is_a_setting_to_correct(self, proxy: Proxy) -> None:
        nobody = SecretStr(f"http://{proxy.url.rpartition('@')[2]}")
        with (
            serving() as server,
            client(server.url, outbound=Outbound(http_proxy=nobody)) as http,
            pytest.raises(errors.ConfigurationError, match="answered 407"),
        ):
            http.get("x")

    def test_a_proxy_that_speaks_socks_is_refused_by_name(self, server: Scripted) -> None:
        socks = SecretStr("socks5://proxy:1080")
        with client(server.url, outbound=Outbound(https_proxy=socks)) as http:
            for ask in (http.get, lambda url: http.download(url).__enter__()):
                with pytest.raises(errors.ConfigurationError, match="socks5, and only HTTP"):
                    ask("x")

    def test_a_private_name_is_refused_before_a_proxy_hears_of_it(self, proxy: Proxy, server: Scripted) -> None:
        with client(server.url, outbound=proxy.outbound(), allow_private=False) as http:
            for ask in (http.get, lambda url: http.download(url).__enter__()):
                with pytest.raises(errors.ConfigurationError, match="private network"):
                    ask("x")

        assert proxy.lines == []

    def test_our_certificate_is_shown_to_the_base_and_to_nobody_a_redirect_leads_to(self, authority: Authority, server: Scripted) -> None:
        certificate, key = authority.client()
        signs = Signs(certificate=ClientCertificate(SecretStr(certificate), SecretStr(key)))
        outbound = Outbound(ca_file=authority.bundle)
        with serving(tls=authority.server(asks=True)) as other, client(server.url, sign_in=signs, outbound=outbound) as http:
            server.script(*[answer(302, headers={"Location": f"{other.url}/x"})] * 2)
            http.get("x")
            with http.download("x") as found:
                list(found)

        assert [bool(asked.peer) for asked in (*server.asked, *other.asked)] == [True, True, False, False]

    def test_a_certificate_that_does_not_fit_its_key_is_a_setting_to_correct_and_not_shown(
        self, authority: Authority, server: Scripted
    ) -> None:
        certificate, key = authority.client()[0], authority.client()[1]
        signs = Signs(certificate=ClientCertificate(SecretStr(certificate), SecretStr(key)))
        with client(server.url, sign_in=signs) as http, pytest.raises(errors.ConfigurationError, match="client certificate") as refused:
            http.get("x")

        assert "PRIVATE KEY" not in str(refused.value)

    def test_a_redirect_out_of_tls_is_not_followed(self, authority: Authority, server: Scripted) -> None:
        with serving(named="localhost") as plain, client(server.url, outbound=Outbound(ca_file=authority.bundle)) as http:
            server.script(answer(302, headers={"Location": f"{plain.url}/x"}))
            with pytest.raises(errors.PermanentError, match="out of TLS into the clear"):
                http.get("x")

        assert plain.asked == []

    def test_a_bundle_that_is_not_there_is_a_setting_to_correct(self, server: Scripted, tmp_path: Path) -> None:
        missing = Outbound(ca_file=tmp_path / "none.pem")
        with client(server.url, outbound=missing) as http, pytest.raises(errors.ConfigurationError, match=r"none\.pem"):
            http.get("x")


class TestOfOthers:
    """Each reaches a TLS server that only the company's authority vouches for, through a proxy that wants to know who asks."""

    def test_the_store_of_objects(self, authority: Authority, proxy: Proxy, s3: S3Settings) -> None:
        with tls_in_front(s3.endpoint, authority.server()) as endpoint:
            there = replace(s3, endpoint=endpoint, secure=True, outbound=proxy.outbound(ca_file=authority.bundle))
            blobs = open_blobs(None, there)
            blob = blobs.put("acme", [b"bytes" * 1000])
            with blobs.open(blob.key) as found:
                assert b"".join(found) == b"bytes" * 1000
            with pytest.raises(errors.Unavailable):
                open_blobs(None, replace(there, outbound=proxy.outbound())).put("acme", [b"x"])

        assert set(proxy.lines) == {f"CONNECT {endpoint}"}
        # One of minio for the bucket, one of obstore for the bytes at least.
        assert len(proxy.lines) >= 2

    def test_the_source_s3(self, authority: Authority, proxy: Proxy, s3_server: S3Server) -> None:
        bucket = Bucket(f"http://{s3_server.endpoint}", s3_server.access_key, s3_server.secret_key)
        bucket.put("a.txt", b"text")
        with tls_in_front(s3_server.endpoint, authority.server()) as endpoint:
            there = bucket.at(f"https://{endpoint}")
            assert len(changes(there.source(outbound=proxy.outbound(ca_file=authority.bundle)))) == 1
            with pytest.raises(errors.ConfigurationError, match="not trusted"):
                changes(there.source(outbound=proxy.outbound()))
        # Without TLS, too, where the proxy is told whole addresses.
        assert len(changes(bucket.source(outbound=proxy.outbound()))) == 1

        assert proxy.lines[0] == f"CONNECT {endpoint}"
        assert proxy.lines[-1].startswith(f"GET http://{s3_server.endpoint}/{bucket.name}?")

    def test_the_sink_qdrant(self, authority: Authority, proxy: Proxy) -> None:
        with ExitStack() as stack:
            server = stack.enter_context(serving_qdrant(LocalEngine, key=PLANTED_SECRET))
            endpoint = stack.enter_context(tls_in_front(server.url.removeprefix("http://"), authority.server()))
            config = QdrantConfig.model_validate({"url": f"https://{endpoint}", "api_key": "env:KEY"})
            for outbound, works in ((proxy.outbound(ca_file=authority.bundle), True), (proxy.outbound(), False)):
                sink = QdrantSink("vectors", config, replace(plain_tools(), outbound=outbound))
                stack.callback(sink.close)
                assert sink.test().works is works

        assert set(proxy.lines) == {f"CONNECT {endpoint}"}
