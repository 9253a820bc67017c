"""The `auth` of the connector, from the security schemes of the document. Secrets are places to put them, never values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from connector_pipelines.core.auth import Auth
from connector_pipelines.sources.rest_api.drafting.block import Block
from connector_pipelines.sources.rest_api.drafting.naming import env_name
from connector_pipelines.sources.rest_api.drafting.operations import Api, Operation, Scheme

__all__ = ["draft_auth"]

_NOWHERE: Final = "https://login.example.com/oauth/token"
_MOST_SCOPES: Final = 30
_AUTH: Final[TypeAdapter[Auth]] = TypeAdapter(Auth)


def draft_auth(api: Api, operations: list[Operation], name: str) -> Block:
    """How to sign in for these operations; `name` begins the names of environment variables."""
    wanted = _wanted(api, operations)
    scheme = next((api.schemes[one] for one in wanted if one in api.schemes), None)
    block = Block()
    if scheme is None:
        block.put("type", "none")
        block.advise("The document does not say how to sign in. Where a key or token is needed, see docs/auth.md.")
        return block
    _draft(block, scheme, name, tuple(dict.fromkeys(wanted[scheme.name]))[:_MOST_SCOPES])
    if others := [one for one in api.schemes if one != scheme.name]:
        block.advise(f"The document knows further ways: {', '.join(others)}")
    return block


def _wanted(api: Api, operations: list[Operation]) -> Mapping[str, tuple[str, ...]]:
    """Schemes, the most wanted first, with the scopes that any of the operations asks for."""
    found: dict[str, tuple[str, ...]] = {}
    for operation in operations:
        for name, scopes in (api.security if operation.scopes is None else operation.scopes).items():
            found[name] = (*found.get(name, ()), *scopes)
    return found or dict.fromkeys(list(api.schemes)[:1], ())


def _draft(block: Block, scheme: Scheme, name: str, scopes: tuple[str, ...]) -> None:
    raw, kind = scheme.raw, str(scheme.raw.get("type", "")).lower()
    way = str(raw.get("scheme", "")).lower() if kind == "http" else kind
    if str(raw.get("x-amazon-apigateway-authtype", "")).lower() == "awssigv4":
        way = "sigv4"
    drafted, draft = Block(), _WAYS.get(way)
    if draft is not None and draft(drafted, raw, name, scopes) and _is_right(drafted):
        block.take(drafted)
        return
    block.put("type", "none")
    block.advise(f"The document wants {scheme.name!r} ({way or 'of no type'}), for which nothing could be drafted; see docs/auth.md.")


def _is_right(block: Block) -> bool:
    try:
        _AUTH.validate_python(block.data())
    except ValidationError:
        return False
    return True


def _key(block: Block, raw: Mapping[str, Any], name: str, scopes: tuple[str, ...]) -> bool:  # noqa: ARG001 - one shape of draft
    place, key_name = str(raw.get("in", "")), str(raw.get("name", ""))[:100]
    if place not in {"header", "query"} or not key_name:
        return False
    block.put("type", "apikey")
    block.put("key", f"env:{env_name(name, 'key')}", "put the key into this environment variable, or name another reference")
    block.put("place", place)
    block.put("name", key_name)
    if key_name.lower() == "authorization":
        block.advise("A word that goes before the key, such as Token or Bearer, is `prefix`.")
    return True


def _bearer(block: Block, raw: Mapping[str, Any], name: str, scopes: tuple[str, ...]) -> bool:  # noqa: ARG001
    block.put("type", "bearer")
    block.put("token", f"env:{env_name(name, 'token')}", "put the token into this environment variable, or name another reference")
    return True


def _basic(block: Block, raw: Mapping[str, Any], name: str, scopes: tuple[str, ...]) -> bool:  # noqa: ARG001
    block.put("type", "basic")
    block.put("username_secret", f"env:{env_name(name, 'user')}", "or `username:` with the name itself")
    block.put("password", f"env:{env_name(name, 'password')}")
    return True


def _certificate(block: Block, raw: Mapping[str, Any], name: str, scopes: tuple[str, ...]) -> bool:  # noqa: ARG001
    block.put("type", "certificate")
    block.put("certificate", f"env:{env_name(name, 'certificate')}", "PEM; file:PATH where it is a file")
    block.put("key", f"env:{env_name(name, 'certificate', 'key')}")
    return True


def _sigv4(block: Block, raw: Mapping[str, Any], name: str, scopes: tuple[str, ...]) -> bool:  # noqa: ARG001
    block.put("type", "sigv4")
    block.put("access_key", f"env:{env_name(name, 'access', 'key')}")
    block.put("secret_key", f"env:{env_name(name, 'secret', 'key')}")
    block.put("region", "eu-central-1", "could not be told: the region of the API")
    block.guess("service", "execute-api", "as API Gateway is called")
    return True


def _oauth(block: Block, raw: Mapping[str, Any], name: str, scopes: tuple[str, ...]) -> bool:
    flow_name, flow = _flow(raw)
    if not flow_name:
        return False
    token_url = _url(flow.get("tokenUrl"))
    grant = Block()
    if flow_name == "clientCredentials":
        grant.put("type", "client_credentials")
    else:
        grant.put("type", "authorization_code", "a person signs in once: `connectors auth NAME`")
        grant.put("authorize_url", _url(flow.get("authorizationUrl")) or "https://login.example.com/oauth/authorize")
    block.put("type", "oauth2")
    block.put("grant", grant)
    block.put("token_url", token_url or _NOWHERE, "" if token_url else "could not be told")
    block.put("client_id", "YOUR-CLIENT-ID", "from where the application is registered")
    block.put("client_secret", f"env:{env_name(name, 'client', 'secret')}", "leave it out for an application without one")
    if usable := [scope for scope in scopes if scope.isascii() and scope.isprintable() and not set(scope) & set(' "\\')]:
        block.put("scopes", usable)
    elif isinstance(flow.get("scopes"), dict) and flow["scopes"]:
        block.advise(f"Scopes it knows: {', '.join(map(str, flow['scopes']))}")
    return True


def _flow(raw: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """3.x has several flows, 2.0 one. What a machine can do alone comes last: it is seldom meant for reading what people have."""
    flows = raw.get("flows")
    if isinstance(flows, dict):
        return next(((n, flows[n]) for n in ("authorizationCode", "clientCredentials") if isinstance(flows.get(n), dict)), ("", {}))
    name = {"accessCode": "authorizationCode", "application": "clientCredentials"}.get(str(raw.get("flow")), "")
    return name, raw


def _url(value: Any) -> str:
    """The address where it can be one: encrypted, and with nothing secret in it."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    plain = parts.scheme == "https" and parts.hostname and not parts.username and not parts.fragment
    return str(value).strip() if plain and not set(str(value)) & set("{} \n") else ""


_WAYS: Final = {
    "apikey": _key,
    "bearer": _bearer,
    "basic": _basic,
    "mutualtls": _certificate,
    "sigv4": _sigv4,
    "oauth2": _oauth,
}
