"""Which secrets `connectors.yaml` refers to, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector_pipelines.core.config import ConnectorsFile
from connector_pipelines.core.references import is_reference
from connector_pipelines.pipeline._mistakes import dotted

__all__ = ["secret_references"]


def secret_references(file: ConnectorsFile) -> Mapping[str, tuple[str, ...]]:
    """By reference, the places it stands at, as `connectors[0].auth.key`; both in the order of the file.

    Whatever is written like a reference is taken for one: settings of a kind may take a value or a reference in one field.
    """
    found: dict[str, list[str]] = {}
    for where, text in _texts(file.model_dump(mode="json"), ()):
        if is_reference(text) and not text.startswith("file://"):
            found.setdefault(text, []).append(dotted(where))
    return {reference: tuple(places) for reference, places in found.items()}


def _texts(value: Any, where: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, (*where, str(name)))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, (*where, number))
