"""Whether an answer is as the discovery document says, which google-api-python-client brings along."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def discovery_document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(files("googleapiclient.discovery_cache.documents").joinpath("drive.v3.json").read_bytes())
    return found


def methods(of: Mapping[str, Any] | None = None) -> Iterator[Mapping[str, Any]]:
    """Every method, of resources inside resources, too."""
    document = of or discovery_document()
    yield from document.get("methods", {}).values()
    for resource in document.get("resources", {}).values():
        yield from methods(resource)


def faults_of_answer(method_id: str, answer: Any) -> list[str]:
    """What in an answer to a method such as `drive.files.list` is not as it should be; an unknown property is."""
    method = next(each for each in methods() if each["id"] == method_id)
    if "response" not in method:
        return [] if answer in {None, ""} else [f"{method_id} should answer nothing"]
    return list(_faults(answer, {"$ref": method["response"]["$ref"]}, method_id))


def _faults(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = discovery_document()["schemas"][schema["$ref"]]
    kind = schema.get("type", "any")
    if not isinstance(value, _PYTHON[kind]) or (kind in {"integer", "number"} and isinstance(value, bool)):
        yield f"{at} should be {kind}, and is {value!r}"
        return
    if kind == "array":
        for place, each in enumerate(value):
            yield from _faults(each, schema["items"], f"{at}[{place}]")
    elif kind == "object":
        yield from _faults_of_object(value, schema, at)
    elif kind == "string" and not _has_format(value, schema.get("format", "")):
        yield f"{at} should be {schema['format']}, and is {value!r}"


def _faults_of_object(value: Mapping[str, Any], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name, each in value.items():
        inner = known.get(name, schema.get("additionalProperties"))
        if inner is None:
            yield f"{at}.{name} is not in the schema"
        else:
            yield from _faults(each, inner, f"{at}.{name}")


def _has_format(value: str, wanted: str) -> bool:
    if wanted in {"int64", "uint64"}:
        return re.fullmatch(r"-?\d+", value) is not None
    if wanted in {"date-time", "google-datetime"}:
        return value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    return True


_PYTHON: Mapping[str, Any] = {
    "string": str, "integer": int, "boolean": bool, "number": (int, float), "array": list, "object": dict, "any": object,
}  # fmt: skip
