"""What an OpenAPI 3.x or Swagger 2.0 document says about reading: addresses, parameters, answers, ways to sign in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector_pipelines.sources.rest_api.drafting.schemas import Resolver, Shape

__all__ = ["Api", "Operation", "Scheme", "read_api"]

_JSON: Final = re.compile(r"application/([\w.+-]*\+)?json|\*/\*|application/\*")
_MOST_PATHS: Final = 5000
_MOST_PARAMETERS: Final = 300


@dataclass(frozen=True, slots=True)
class Operation:
    """A GET.

    Attributes:
        query: Its query parameters by name.
        answer: Schema of the body of its success; None where it answers no JSON.
        headers: Names of headers of its answer, in lower case.
        scopes: What signing in must ask for, by name of the scheme; None where the document's own goes.
    """

    path: str
    query: Mapping[str, Shape]
    answer: Any
    headers: frozenset[str]
    scopes: Mapping[str, tuple[str, ...]] | None


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to sign in, `raw` as the document has it."""

    name: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """A document, read.

    Attributes:
        servers: Base addresses, the first one first, as written.
        security: Names of schemes that hold where an operation does not say.
    """

    title: str
    version: str
    servers: tuple[str, ...]
    schemes: Mapping[str, Scheme]
    security: Mapping[str, tuple[str, ...]]
    operations: Mapping[str, Operation]
    resolver: Resolver


def read_api(document: Mapping[str, Any]) -> Api:
    resolver = Resolver(document)
    info = resolver.at(document.get("info"))
    raw_schemes = resolver.at(resolver.at(document.get("components")).get("securitySchemes")) or resolver.at(
        document.get("securityDefinitions")
    )
    paths = resolver.at(document.get("paths"))
    return Api(
        title=_line(info.get("title")) or "An API",
        version=_line(info.get("version")),
        servers=_servers(document, resolver),
        schemes={str(name): Scheme(str(name), resolver.at(raw)) for name, raw in raw_schemes.items()},
        security=_security(document.get("security")) or {},
        operations={
            path: operation for path, item in list(paths.items())[:_MOST_PATHS] if (operation := _operation(str(path), item, resolver))
        },
        resolver=resolver,
    )


def _operation(path: str, item: Any, resolver: Resolver) -> Operation | None:
    shared = resolver.at(item)
    get = resolver.at(shared.get("get"))
    if not get or not path.startswith("/"):
        return None
    parameters = [*_list(shared.get("parameters")), *_list(get.get("parameters"))][:_MOST_PARAMETERS]
    response = _success(get.get("responses"), resolver)
    return Operation(
        path=path,
        query={
            str(parameter["name"]): _parameter_shape(parameter, resolver)
            for parameter in map(resolver.at, parameters)
            if parameter.get("in") == "query" and parameter.get("name")
        },
        answer=_answer(response, resolver),
        headers=frozenset(str(name).lower() for name in resolver.at(response.get("headers"))),
        scopes=_security(get.get("security")),
    )


def _parameter_shape(parameter: Mapping[str, Any], resolver: Resolver) -> Shape:
    shape = resolver.shape(parameter.get("schema") or parameter)
    shape.description = _line(parameter.get("description")) or shape.description
    return shape


def _success(responses: Any, resolver: Resolver) -> Mapping[str, Any]:
    by_code = {str(code).upper(): response for code, response in resolver.at(responses).items()}
    for code in ("200", "2XX", "206", "DEFAULT"):
        if code in by_code:
            return resolver.at(by_code[code])
    return {}


def _answer(response: Mapping[str, Any], resolver: Resolver) -> Any:
    """3.x has a schema for each media type, 2.0 one for all."""
    content = resolver.at(response.get("content"))
    for media_type, body in content.items():
        if _JSON.fullmatch(str(media_type).split(";")[0].strip().lower()):
            return resolver.at(body).get("schema")
    return response.get("schema")


def _servers(document: Mapping[str, Any], resolver: Resolver) -> tuple[str, ...]:
    if host := document.get("host"):
        schemes = [str(s) for s in _list(document.get("schemes"))] or ["https"]
        scheme = "https" if "https" in schemes else schemes[0]
        return (f"{scheme}://{_line(host)}{_line(document.get('basePath')).rstrip('/')}",)
    found = []
    for server in map(resolver.at, _list(document.get("servers"))[:20]):
        url = _line(server.get("url"))
        for name, variable in resolver.at(server.get("variables")).items():
            if (default := resolver.at(variable).get("default")) not in {None, ""}:
                url = url.replace(f"{{{name}}}", _line(default))
        found.append(url)
    return tuple(url for url in found if url) or (_line(document.get("basePath")),)


def _security(raw: Any) -> Mapping[str, tuple[str, ...]] | None:
    """The first alternative that asks for anything; None where nothing is said."""
    if not isinstance(raw, list):
        return None
    for one in raw:
        if isinstance(one, dict) and one:
            return {str(name): tuple(map(_line, _list(scopes))) for name, scopes in one.items()}
    return {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line(value: Any) -> str:
    """Text on one line, whatever it was."""
    return " ".join(str(value).split())[:500] if isinstance(value, str | int | float) else ""
