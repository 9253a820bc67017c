"""Every way to sign in: who is known, who is not, and what the journal calls them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import httpx
import pytest
import trustme

from connector_pipelines.testing.fake_api import (
    AllInOne,
    ApiKeys,
    BasicUsers,
    BearerTokens,
    ClientCertificates,
    CustomSignIn,
    FakeApi,
    Introspected,
    IntrospectedAt,
    Request,
    SignIn,
    SigV4Keys,
    StreamShape,
    Tls,
)
from connector_pipelines.testing.fake_api.sigv4 import signature_is_right

WAYS: list[tuple[SignIn, httpx.Request, httpx.Request]] = [
    (
        ApiKeys(keys={"app": "s3cret"}),
        httpx.Request("GET", "http://x/things", headers={"x-api-key": "s3cret"}),
        httpx.Request("GET", "http://x/things", headers={"x-api-key": "s3cre"}),
    ),
    (
        ApiKeys(keys={"app": "s3cret"}, name="Authorization", prefix="Token"),
        httpx.Request("GET", "http://x/things", headers={"authorization": "Token s3cret"}),
        httpx.Request("GET", "http://x/things", headers={"authorization": "s3cret"}),
    ),
    (
        ApiKeys(keys={"app": "s3cret"}, place="query", name="key"),
        httpx.Request("GET", "http://x/things?key=s3cret"),
        httpx.Request("GET", "http://x/things?key="),
    ),
    (
        BasicUsers(users={"app": "pass:word"}),
        httpx.Request("GET", "http://x/things", headers={"authorization": "Basic YXBwOnBhc3M6d29yZA=="}),
        httpx.Request("GET", "http://x/things", headers={"authorization": "Basic !!!"}),
    ),
    (
        BearerTokens(tokens={"app": "t0ken"}),
        httpx.Request("GET", "http://x/things", headers={"authorization": "bearer t0ken"}),
        httpx.Request("GET", "http://x/things", headers={"authorization": "Basic t0ken"}),
    ),
    (
        Introspected({"t0ken": "app"}.get),
        httpx.Request("GET", "http://x/things", headers={"authorization": "Bearer t0ken"}),
        httpx.Request("GET", "http://x/things"),
    ),
    (
        CustomSignIn(lambda request: "app" if request.headers.get("x-who") == "me" else None),
        httpx.Request("GET", "http://x/things", headers={"x-who": "me"}),
        httpx.Request("GET", "http://x/things", headers={"x-who": "you"}),
    ),
]


@pytest.mark.parametrize(("way", "right", "wrong"), WAYS, ids=[f"{type(w).__name__}-{n}" for n, (w, _, _) in enumerate(WAYS)])
def test_whoever_shows_what_is_known_is_answered_and_nobody_else(
    api: FakeApi, http: httpx.Client, way: SignIn, right: httpx.Request, wrong: httpx.Request
) -> None:
    api.add(StreamShape(name="things", paginator=AllInOne()))
    api.signs_in(way)

    for request in (right, wrong):
        http.get(request.url.raw_path.decode(), headers={k: v for k, v in request.headers.items() if k != "host"})

    assert [(entry.status, entry.credential) for entry in api.journal.entries()] == [(200, "app"), (401, "")]


def test_a_key_in_the_address_is_not_in_the_journal(api: FakeApi, http: httpx.Client) -> None:
    api.add(StreamShape(name="things"))
    api.signs_in(ApiKeys(keys={"app": "s3cret"}, place="query", name="key"))

    http.get("/things?key=s3cret&limit=3")

    assert "s3cret" not in repr(api.journal.entries())
    assert api.journal.entries()[0].params == {"key": "(secret)", "limit": "3"}


def test_any_of_several_ways_will_do(api: FakeApi, http: httpx.Client) -> None:
    api.add(StreamShape(name="things"))
    api.signs_in(BearerTokens(tokens={"one": "1"}), BearerTokens(tokens={"two": "2"}))

    for token in ("1", "2"):
        http.get("/things", headers={"authorization": f"Bearer {token}"})

    assert [entry.credential for entry in api.journal.entries()] == ["one", "two"]


@pytest.mark.parametrize("service", ["execute-api", "s3"])
@pytest.mark.parametrize("query", ["", "?b=2&a=1%2F3&a=%20&empty="])
def test_a_request_signed_by_botocore_is_known_and_one_that_was_changed_is_not(
    api: FakeApi, http: httpx.Client, service: str, query: str
) -> None:
    api.add(StreamShape(name="things"))
    api.signs_in(SigV4Keys(keys={"AKID": "shh"}, service=service))
    url = f"{api.url}/things/na%20me%2Fx{query}"
    request = botocore.awsrequest.AWSRequest("GET", url, data=b"")
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer(botocore.credentials.Credentials("AKID", "shh", "session"), service, "eu-central-1").add_auth(request)

    http.get(url, headers=dict(request.headers))
    http.get(url + ("&" if query else "?") + "more=1", headers=dict(request.headers))

    assert [(entry.status, entry.credential) for entry in api.journal.entries()] == [(404, "AKID"), (401, "")]


@pytest.mark.parametrize(("minutes", "who"), [(-16, None), (-14, "AKID"), (14, "AKID"), (16, None)])
def test_a_signature_is_good_for_a_quarter_of_an_hour(minutes: int, who: str | None) -> None:
    signed = botocore.awsrequest.AWSRequest("GET", "http://api.example.com/things", data=b"")
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("AKID", "shh"), "execute-api", "eu-central-1").add_auth(signed)
    headers = {name.lower(): value for name, value in signed.headers.items()} | {"host": "api.example.com"}
    request = Request(method="GET", path="/things", target="/things", base="", params={}, headers=headers)

    now = datetime.now(UTC) + timedelta(minutes=minutes)

    assert signature_is_right(request, {"AKID": "shh"}, region="eu-central-1", service="execute-api", now=now) == who


def test_a_client_certificate_is_known_by_its_common_name(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    tls = Tls(certificate=tmp_path / "server.pem", key=tmp_path / "server.pem", client_authority=tmp_path / "ca.pem")

    with FakeApi(tls=tls) as api:
        api.add(StreamShape(name="things"))
        api.signs_in(ClientCertificates(names=("app.example.com",)))
        for name in ("app.example.com", "other.example.com", None):
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            if name:
                authority.issue_cert(name, common_name=name).private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
                context.load_cert_chain(tmp_path / "client.pem")
            httpx.get(f"{api.url}/things", verify=context, trust_env=False)

        assert [(entry.status, entry.credential) for entry in api.journal.entries()] == [(200, "app.example.com"), (401, ""), (401, "")]


def test_a_token_is_asked_about_at_its_server(api: FakeApi, http: httpx.Client, token_server: str) -> None:
    api.add(StreamShape(name="things"))
    api.signs_in(IntrospectedAt(url=token_server, client_id="fake", client_secret="shh"))

    for token in ("good", "revoked"):
        http.get("/things", headers={"authorization": f"Bearer {token}"})

    assert [(entry.status, entry.credential) for entry in api.journal.entries()] == [(200, "ada"), (401, "")]


@pytest.fixture
def token_server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            good = asked == {"token": ["good"]} and self.headers["Authorization"] == "Basic ZmFrZTpzaGg="
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"active": true, "username": "ada"}' if good else b'{"active": false}')

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/introspect"
        server.shutdown()
