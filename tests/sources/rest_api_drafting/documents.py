"""OpenAPI documents, put together piece by piece."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from connector_pipelines.pipeline.connectors_file import read_connectors_file
from connector_pipelines.sources.rest_api.drafting import draft_from_openapi

Json = dict[str, Any]


def openapi(paths: Json, **rest: Any) -> Json:
    """3.0 with a server; `paths` as in the document."""
    info = {"title": "Acme CRM", "version": "1.2"}
    return {"openapi": "3.0.3", "info": info, "servers": [{"url": "https://api.acme.example/v1"}], "paths": paths} | rest


def get(answer: Json | None, *query: str | Json, **rest: Any) -> Json:
    """A path item whose GET answers this schema; a parameter may be no more than its name."""
    parameters = [{"name": q, "in": "query", "schema": {"type": "string"}} if isinstance(q, str) else {"in": "query"} | q for q in query]
    content = {"application/json": {"schema": answer}} if answer is not None else {}
    return {"get": {"parameters": parameters, "responses": {"200": {"description": "ok", "content": content}}} | rest}


def number(name: str, **schema: Any) -> Json:
    return {"name": name, "schema": {"type": "integer", **schema}}


def record(**fields: str | Json) -> Json:
    """An object; a field may be no more than its type, or one of the formats of text."""
    formats = {"date-time", "date", "uri"}
    return {
        "type": "object",
        "properties": {
            name: ({"type": "string", "format": kind} if kind in formats else {"type": kind}) if isinstance(kind, str) else kind
            for name, kind in fields.items()
        },
    }


def listed(item: Json, **beside: str | Json) -> Json:
    """An envelope with the records under `data`."""
    return record(data={"type": "array", "items": item}, **beside)


def drafted(document: Json | bytes, tmp_path: Path) -> Json:
    """The connector that comes of it, as `connectors validate` reads it."""
    text = draft_from_openapi(document if isinstance(document, bytes) else json.dumps(document).encode(), "acme.json")
    path = tmp_path / "connectors.yaml"
    path.write_text(text)
    read_connectors_file(path)
    connector: Json = YAML(typ="safe").load(text)["connectors"][0]
    return connector


def streams(document: Json | bytes, tmp_path: Path) -> dict[str, Json]:
    settings = drafted(document, tmp_path)["endpoints"][0]["settings"]
    return {stream["name"]: stream for stream in settings["streams"]}


def only_stream(document: Json | bytes, tmp_path: Path) -> Json:
    (stream,) = streams(document, tmp_path).values()
    return stream
