"""An installation whose every secret is a canary: where they are kept, who is signed in to with them, and its `connectors.yaml`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import trustme
from moto.server import ThreadedMotoServer

from connector_pipelines.store.sealing import new_key
from connector_pipelines.testing.consul import ConsulStandIn
from connector_pipelines.testing.fake_api import (
    ApiKeys,
    BasicUsers,
    BearerTokens,
    ClientCertificates,
    CustomSignIn,
    FakeApi,
    Introspected,
    SigV4Keys,
    StreamShape,
    Tls,
)
from connector_pipelines.testing.fake_api.rendering import signature_of
from connector_pipelines.testing.vault import VaultStandIn
from tests.canaries.drive import Drives, opened_drives
from tests.canaries.forms import Canaries
from tests.canaries.hostile import WAYS, Hostile

__all__ = ["SIGN_INS", "WRONG", "World", "opened_world"]

SIGN_INS = ("header", "query", "basic", "bearer", "certificate", "sigv4", "person", "app", "jwt", "assertion", "custom")
"""Each has an endpoint `NAME_works`, `NAME_refused` and `NAME_garbage`."""

WRONG = tuple(way for way in WAYS if way not in {"refused", "garbage"})
"""Each has an endpoint of that name, signed in by `bearer`."""

REGION = "eu-central-1"

ACME = """
class SignIn:
    '''Fails as somebody else's code does: with all it knows in the message.'''
    certificate = None
    def __init__(self, settings, secret): self.settings, self.secret = settings, secret
    def headers(self, method, url, body):
        key = self.secret(self.settings["key"]).get_secret_value()
        if "refused" in url: raise RuntimeError(f"acme cannot sign in with {key!r}", {"key": key})
        return {"X-Acme": key}
    def params(self): return {}
    def refused(self, headers): return False
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`variables` are what a process of the installation is given; `consul` those that Consul has instead of `CONSUL_ONLY`."""

    folder: Path
    canaries: Canaries
    variables: Mapping[str, str]
    hostile: Hostile
    api: FakeApi
    drives: Drives
    vault: VaultStandIn
    consul: ConsulStandIn


@contextmanager
def opened_world(folder: Path, canaries: Canaries, database_url: str) -> Iterator[World]:
    """Everything that secrets are used at, from `with` to its end."""
    with ExitStack() as stack:
        hostile, api = stack.enter_context(Hostile(canaries)), stack.enter_context(FakeApi())
        secure = _over_tls(stack, folder, canaries)
        vault, moto, consul = _places(stack, canaries)
        drives = stack.enter_context(opened_drives(folder, canaries))
        # Consul has the database's address, for whoever is not told it otherwise.
        consul.put("canaries/DATABASE_URL", database_url)
        consul.put("canaries/CONNECTORS_LOG_LEVEL", "DEBUG")
        variables = {
            "DATABASE_URL": database_url, "CONNECTORS_HOME": str(folder / "home"), "DAGSTER_HOME": str(folder / "dagster_home"),
            "CONNECTORS_LOG_LEVEL": "DEBUG", "CONNECTORS_EXTRACT_WORKERS": "1", "CONNECTORS_SECRET_KEYS": canaries.keep("sealing key", new_key()),
            "VAULT_ADDR": vault.address, "VAULT_TOKEN": canaries.keep("vault token", vault.token("app", "default", ttl_s=3600)),
            "AWS_REGION": REGION, "AWS_ENDPOINT_URL_SECRETS_MANAGER": moto, "AWS_ACCESS_KEY_ID": "AKIACANARIES",
            "AWS_SECRET_ACCESS_KEY": canaries.new("aws secret key", plain=True), "AWS_EC2_METADATA_DISABLED": "true",
            "CONSUL_HTTP_ADDR": consul.address, "CONSUL_HTTP_TOKEN": canaries["consul token"],
            "HTTPS_PROXY": _as_proxy(hostile, canaries.new("https proxy", tough=True)),
            "HTTP_PROXY": _as_proxy(hostile, canaries.new("http proxy", tough=True)), "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(folder / "authority.pem"), "PYTHONPATH": str(folder / "site"), "PYTHONWARNINGS": "always",
            "API_KEY": canaries.new("api key in header", tough=True), "KEY_PASSWORD": canaries["password of the certificate's key"],
            "SIGV4_ID": "AKIASIGNED", "APP_SECRET": canaries.new("oauth client secret", tough=True), "ACME_KEY": canaries.new("custom sign-in"),
            "ASSERTION_KEY": canaries.keep("key of client assertions", _private_key()), "HMAC": canaries.new("webhook secret", tough=True),
            "SAID": canaries.new("webhook token in header"), "ASKED": canaries.new("webhook token in query", plain=True),
            **drives.variables,
        }  # fmt: skip
        _write_files(folder, canaries)
        _fill(api, secure, canaries, hostile)
        _write_settings(folder, [*_connectors(api, secure, hostile), *drives.connectors])
        yield World(
            folder=folder, canaries=canaries, variables=variables, hostile=hostile, api=api, drives=drives, vault=vault, consul=consul
        )


def _places(stack: ExitStack, canaries: Canaries) -> tuple[VaultStandIn, str, ConsulStandIn]:
    vault = stack.enter_context(VaultStandIn())
    vault.policy("app", "kv/data/crm/*")
    vault.put("kv/crm/ada", password=canaries.new("secret in vault", tough=True))
    consul = stack.enter_context(ConsulStandIn(token=canaries.new("consul token", plain=True)))
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    stack.callback(moto.stop)
    host, port = moto.get_host_and_port()
    client = boto3.client(
        "secretsmanager", region_name=REGION, endpoint_url=f"http://{host}:{port}", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_secret(Name="crm/token", SecretString=json.dumps({"value": canaries.new("secret in aws", plain=True)}))
    client.close()
    return vault, f"http://{host}:{port}", consul


def _over_tls(stack: ExitStack, folder: Path, canaries: Canaries) -> FakeApi:
    """An API that wants a client's certificate."""
    from cryptography.hazmat.primitives import serialization as pem

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("client@example.com", common_name="ada")
    server.cert_chain_pems[0].write_to_path(folder / "server.pem")
    server.private_key_pem.write_to_path(folder / "server.key")
    key = pem.load_pem_private_key(client.private_key_pem.bytes(), None)
    sealed = pem.BestAvailableEncryption(canaries.new("password of the certificate's key").encode())
    (folder / "client.pem").write_bytes(client.cert_chain_pems[0].bytes())
    text = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, sealed).decode()
    (folder / "client.key").write_text(canaries.keep("key of the certificate", text))
    tls = Tls(certificate=folder / "server.pem", key=folder / "server.key", client_authority=folder / "authority.pem")
    return stack.enter_context(FakeApi(tls=tls))


def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()


def _as_proxy(hostile: Hostile, password: str) -> str:
    return f"http://proxied:{quote(password, safe='')}@{urlsplit(hostile.url).netloc}"


def _write_files(folder: Path, canaries: Canaries) -> None:
    (folder / "api.key").write_text(canaries.new("api key in query", tough=True))
    (folder / "jwt.pem").write_text(canaries.keep("key of a service account", _private_key()))
    info = folder / "site" / "acme-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[connector_pipelines.auth]\nacme = acme_sign_in:SignIn\n")
    (folder / "site" / "acme_sign_in.py").write_text(ACME)
    address = {"url": f"https://ada:{canaries.new('in an OpenAPI document', plain=True)}@api.example.com/v1"}
    key = {"name": "api_key", "in": "query", "schema": {"type": "string", "default": canaries["in an OpenAPI document"]}}
    page = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}}}}}}  # fmt: skip
    document = {
        "openapi": "3.0.0", "info": {"title": "CRM", "version": "1"}, "servers": [address],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "api_key"}}}, "security": [{"key": []}],
        "paths": {"/contacts": {"get": {"parameters": [key], "responses": page}}},
    }  # fmt: skip
    (folder / "openapi.json").write_text(json.dumps(document))


def _fill(api: FakeApi, secure: FakeApi, canaries: Canaries, hostile: Hostile) -> None:
    for one in (api, secure):
        one.add(StreamShape(name="contacts"))
        one.company.put_many("contacts", [{"name": "Ada Berg", "note": "Asked about the retaining wall."}, {"name": "Bram Eze"}])
        one.company.attach("contacts", "1", "drawing.txt", b"The drawing of the retaining wall.", "text/plain")
        for file in one.company.files.values():
            canaries.keep(f"signed address of {one.url}", signature_of(file))
    secure.signs_in(ClientCertificates(names=("ada",)))
    sigv4 = canaries.new("sigv4 secret key", tough=True)
    api.signs_in(
        ApiKeys(keys={"header": canaries["api key in header"]}),
        ApiKeys(keys={"query": canaries["api key in query"]}, place="query", name="api_key"),
        BasicUsers(users={"ada": canaries["secret in vault"]}),
        BearerTokens(tokens={"bearer": canaries["secret in aws"]}),
        SigV4Keys(keys={"AKIASIGNED": sigv4}, region=REGION),
        Introspected(lambda token: "ada" if token in hostile.valid else None),
        CustomSignIn(lambda request: "acme" if request.headers.get("x-acme") == canaries["custom sign-in"] else None),
    )


def _write_settings(folder: Path, connectors: list[dict[str, Any]]) -> None:
    sinks = {"search": {"kind": "postgres_text"}, "tables": {"kind": "postgres_table"}}
    (folder / "connectors.yaml").write_text(json.dumps({"sinks": sinks, "connectors": connectors}))


def _connectors(api: FakeApi, secure: FakeApi, hostile: Hostile) -> list[dict[str, Any]]:
    oauth = {"type": "oauth2", "token_url": f"{hostile.url}/oauth/token", "client_id": "app"}
    signing = {"key": "file:jwt.pem"}
    sign_ins: dict[str, dict[str, Any]] = {
        "header": {"type": "apikey", "key": "env:API_KEY"},
        "query": {"type": "apikey", "key": "file:api.key", "place": "query", "name": "api_key"},
        "basic": {"type": "basic", "username": "ada", "password": "vault:kv/crm/ada#password"},
        "bearer": {"type": "bearer", "token": "aws:crm/token#value"},
        "certificate": {"type": "certificate", "certificate": "file:client.pem", "key": "file:client.key", "password": "env:KEY_PASSWORD"},
        "sigv4": {"type": "sigv4", "access_key": "env:SIGV4_ID", "secret_key": "store:sigv4", "region": REGION, "service": "execute-api"},
        "person": oauth | {"client_secret": "env:APP_SECRET", "grant": {"type": "authorization_code", "authorize_url": f"{hostile.url}/oauth/authorize"}},
        "app": oauth | {"client_secret": "store:app", "client_authentication": "client_secret_post", "grant": {"type": "client_credentials"}},
        "jwt": oauth | {"client_id": None, "grant": {"type": "jwt_bearer", "issuer": "ada@example.com", "signing": signing}},
        "assertion": oauth | {"client_signing": {"key": "env:ASSERTION_KEY"}, "grant": {"type": "client_credentials"}},
        "custom": {"type": "custom", "kind": "acme", "settings": {"key": "env:ACME_KEY"}},
    }  # fmt: skip
    connectors = [
        _connector(name, auth, works=(secure if name == "certificate" else api).url, refused=f"{hostile.url}/refused", garbage=f"{hostile.url}/garbage")
        for name, auth in sign_ins.items()
    ]  # fmt: skip
    connectors += [_connector(way, sign_ins["bearer"], **{"": f"{hostile.url}/{way}"}) for way in WRONG]
    connectors += [
        # Through the proxy, which answers itself where it is asked in the clear.
        _connector("proxied", sign_ins["header"], works="http://crm.example/works", refused="https://crm.example/works"),
        _connector("grant", oauth | {"client_secret": "env:APP_SECRET", "scopes": ["nothing"], "grant": {"type": "client_credentials"}}, refused=api.url),
        _connector("coded", sign_ins["app"] | {"scopes": ["code"]}, refused=api.url),
    ]  # fmt: skip
    _add_webhooks(connectors)
    return connectors


def _connector(name: str, auth: dict[str, Any], **places: str) -> dict[str, Any]:
    endpoints = [{"slug": f"{name}_{which}".rstrip("_"), "settings": _settings(url)} for which, url in places.items()]
    return {"name": name, "kind": "rest_api", "auth": auth, "endpoints": endpoints}


def _settings(url: str) -> dict[str, Any]:
    right = "hostile" if "/" in urlsplit(url).path else ""
    pages: dict[str, Any] = {"type": "cursor", "path": "paging.next.after", "parameter": "after", "size": 1, "size_parameter": "limit"}
    stream: dict[str, Any] = {
        "name": "contacts", "path": "contacts", "record_selector": "data", "detail": "contacts/{id}", "columns": {"id": "integer"},
        "paginator": {"type": "next_url", "path": "next"} if right else pages,
        "attachments": [{"list": "files", "file_name": "name", "url": "url" if right else "signed_url", "size": "size"}],
    }  # fmt: skip
    base = {"base_url": url, "allow_private": True, "read_timeout": "5s", "retry_budget": "1s", "streams": [stream]}
    return base | ({"error_field": "error"} if "/flagged" in url else {})


def _add_webhooks(connectors: list[dict[str, Any]]) -> None:
    by_name = {connector["name"]: connector for connector in connectors}
    signature = {"type": "hmac", "secrets": ["env:HMAC"], "header": "X-Signature", "prefix": "sha256=", "signed": "{timestamp}.{body}"}
    by_name["header"]["webhook"] = {
        "verify": signature | {"timestamp": {"header": "X-Timestamp"}},
        "delivery_id": {"header": "X-Delivery-Id"},
    }
    by_name["query"]["webhook"] = {"verify": {"type": "token", "secrets": ["env:ASKED"], "place": "query", "name": "ticket"}}
    by_name["basic"]["webhook"] = {"verify": {"type": "token", "secrets": ["env:SAID"]}, "max_body_bytes": 1000}
    by_name["bearer"]["webhook"] = {"verify": {"type": "token", "secrets": ["env:SAID", "vault:kv/crm/ada#password"], "place": "bearer"}}
