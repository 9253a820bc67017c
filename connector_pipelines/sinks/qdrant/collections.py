"""The collections of a sink: what they are called, how they come to be, and which of them is searched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from connector_pipelines.core.errors import ConfigurationError, PermanentError
from connector_pipelines.sinks.qdrant.points import CHUNK_INDEXES, DOCUMENT_INDEXES, VECTOR
from connector_pipelines.sinks.qdrant.server import Gone, Server

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import CollectionInfo, KeywordIndexParams, PayloadSchemaType, VectorParams

__all__ = ["Collections", "Live"]

_FORMAT = 1
_SLUG_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The collection of chunks that searches ask. `replaces` is the one it took over from, until that is gone."""

    name: str
    model: str
    dimension: int
    replaces: str


class Collections:
    """Of one sink. `model` names the collection that is written to.

    Attributes:
        alias: The name to search under.
        documents: The collection of documents, which all models share.
        own: The collection of chunks of `model`.
    """

    def __init__(self, server: Server, name: str, model: str) -> None:
        self._server = server
        self._model = model
        self.alias = name
        self.documents = f"{name}--documents"
        self.own = f"{name}--{_slug(model)}"
        self._indexed: set[str] = set()

    def prepare_documents(self) -> None:
        facts = {"made_by": "connector_pipelines", "format": _FORMAT}
        self._ensure(self.documents, {}, DOCUMENT_INDEXES, facts)

    def prepare(self, dimension: int) -> None:
        """Make what is missing; whoever comes first makes it.

        Raises:
            ConfigurationError: What is there was made for another model or dimension, or is not ours.
        """
        from qdrant_client.models import Distance, VectorParams

        if self.alias in self._names():
            raise ConfigurationError(
                f"there is a collection {self.alias!r} on the server, where this sink would make an alias",
                advice="give the sink another `collection`, or rename that one",
            )
        self.prepare_documents()
        facts = {"made_by": "connector_pipelines", "format": _FORMAT, "name": self.own, "model": self._model, "dimension": dimension}
        vectors = {VECTOR: VectorParams(size=dimension, distance=Distance.COSINE)}
        self._ensure(self.own, vectors, CHUNK_INDEXES, {**facts, "replaces": ""})
        if self.live() is None:
            self._point_alias(None)

    def live(self) -> Live | None:
        """What the alias leads to; None where there is none yet."""
        info = self.info(self.alias)
        if info is None:
            return None
        facts = dict(info.config.metadata or {})
        if not {"name", "model", "dimension"} <= facts.keys():
            raise _not_ours(self.alias)
        return Live(name=facts["name"], model=facts["model"], dimension=facts["dimension"], replaces=facts.get("replaces") or "")

    def every(self) -> list[str]:
        """All collections of chunks there are now: more than one while another model's is filled, or one was given up."""
        prefix = f"{self.alias}--"
        found = sorted(name for name in self._names() if name.startswith(prefix) and name != self.documents)
        for name in set(found) - self._indexed:
            # Another process may have got no further than making it, and what has no index is not to be filtered by.
            if (info := self.info(name)) is not None:
                self._index(name, info, CHUNK_INDEXES)
        return found

    def switch(self) -> None:
        """Let searches ask the collection of `model`. The one asked until now stays for searches on their way: `drop_replaced` removes it."""
        live = self.live()
        if live is not None and live.name != self.own and self.info(self.own) is not None:
            self._note(replaces=live.name)
            self._point_alias(live.name)

    def drop_replaced(self) -> None:
        live = self.live()
        if live is not None and live.name == self.own and live.replaces not in {"", self.own}:
            replaced = live.replaces
            self._server.call("remove the collection that was replaced", lambda c: c.delete_collection(replaced))
            self._note(replaces="")

    def info(self, name: str) -> CollectionInfo | None:
        try:
            return self._server.call("look at a collection", lambda c: c.get_collection(name))
        except Gone:
            return None

    def _ensure(self, name: str, vectors: Mapping[str, VectorParams], indexes: Mapping[str, str], facts: Mapping[str, Any]) -> None:
        info = self.info(name)
        if info is None:
            self._create(name, lambda c: c.create_collection(name, vectors_config=vectors, metadata=dict(facts)))
            info = self.info(name)
        if info is None:
            raise Gone(f"the collection {name!r} was removed as it was made", advice="the next try makes it again")
        _check(name, dict(info.config.metadata or {}), facts)
        self._index(name, info, indexes)

    def _index(self, name: str, info: CollectionInfo, indexes: Mapping[str, str]) -> None:
        for field in indexes.keys() - info.payload_schema.keys():
            schema = _schema(indexes[field])
            self._server.call("make an index", lambda c, f=field, s=schema: c.create_payload_index(name, f, s))  # type: ignore[misc]
        self._indexed.add(name)

    def _create(self, name: str, create: Callable[[QdrantClient], object]) -> None:
        try:
            self._server.call(f"make the collection {name!r}", create)
        except PermanentError:
            # Refused where another process was faster: then it is there.
            if self.info(name) is None:
                raise

    def _point_alias(self, before: str | None) -> None:
        """In one request, so that there is no moment without."""
        from qdrant_client.models import CreateAlias, CreateAliasOperation, DeleteAlias, DeleteAliasOperation, RenameAliasOperation

        create = CreateAliasOperation(create_alias=CreateAlias(collection_name=self.own, alias_name=self.alias))
        delete = DeleteAliasOperation(delete_alias=DeleteAlias(alias_name=self.alias))
        steps: list[CreateAliasOperation | RenameAliasOperation | DeleteAliasOperation] = [create] if before is None else [delete, create]
        self._server.call("point the alias", lambda c: c.update_collection_aliases(change_aliases_operations=steps))

    def _note(self, *, replaces: str) -> None:
        self._server.call("note what is replaced", lambda c: c.update_collection(self.own, metadata={"replaces": replaces}))

    def _names(self) -> set[str]:
        return {found.name for found in self._server.call("list collections", lambda c: c.get_collections()).collections}


def _slug(model: str) -> str:
    """For people, with a hash for what it leaves out. Models' names are told apart without regard to case."""
    name = model.strip().lower()
    readable = re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:_SLUG_CHARACTERS].strip("-")
    return f"{readable}-{sha256(name.encode()).hexdigest()[:8]}"


def _schema(kind: str) -> KeywordIndexParams | PayloadSchemaType:
    from qdrant_client.models import KeywordIndexParams, KeywordIndexType, PayloadSchemaType

    if kind == "tenant":
        return KeywordIndexParams(type=KeywordIndexType.KEYWORD, is_tenant=True)
    return PayloadSchemaType(kind)


def _check(name: str, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if recorded.get("made_by") != wanted["made_by"]:
        raise _not_ours(name)
    # The model is in the name.
    for key in ("format", "dimension"):
        if recorded.get(key) != wanted.get(key):
            raise ConfigurationError(
                f"the collection {name!r} was made with {key} {recorded.get(key)!r}, and is given {wanted.get(key)!r}",
                advice="give the sink another `collection`: it is then filled anew beside the old one",
            )


def _not_ours(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"the collection behind {name!r} was not made by this sink", advice="give the sink another `collection`, or remove that one"
    )
