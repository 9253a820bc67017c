"""A Qdrant sink on a server that may fail at any request, and a look at what is really stored there."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import Document
from connector_pipelines.sinks.qdrant import Config, Sink
from connector_pipelines.testing._sink_world import id_of
from connector_pipelines.testing.sink_suite import Maker, plain_tools
from tests.qdrant_server import Answer, QdrantServer, Request

__all__ = ["OTHER_MODEL", "Stored", "World"]

OTHER_MODEL = "fastembed:BAAI/bge-small-en-v1.5"


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk as it is stored: whose, from which generation, what it says."""

    document_id: str
    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class World:
    server: QdrantServer
    stack: ExitStack
    name: str = field(default_factory=lambda: f"c{secrets.token_hex(8)}")

    @property
    def documents(self) -> str:
        return f"/collections/{self.name}--documents/points"

    def config(self, **given: object) -> Config:
        return Config.model_validate({"url": self.server.url, "api_key": "env:KEY", "collection": self.name, **given})

    def open(self, **given: object) -> Sink:
        return self.stack.enter_context(closing(Sink("vectors", self.config(**given), plain_tools())))

    def stored(self, model: str = "w") -> list[Stored]:
        """Every chunk of every document in the collection of a model whose name begins so, in order of their ids and ordinals."""
        found = []
        for name in self.chunk_collections():
            if name.startswith(f"{self.name}--{model}"):
                at = self.server.collection(name)
                records, _ = at.engine.scroll(None, 10_000, None)
                found += [p for _, p in records]
        ordered = sorted(found, key=lambda p: (p["document_id"], p["generation"], p["ordinal"]))
        return [Stored(p["document_id"], p["generation"], p["text"]) for p in ordered]

    def texts(self, model: str = "w") -> list[str]:
        return [one.text for one in self.stored(model)]

    def chunk_collections(self) -> list[str]:
        return sorted(n for n in self.server.collections if n.startswith(f"{self.name}--") and not n.endswith("--documents"))

    @contextmanager
    def failing(self, hook: Callable[[Request], Answer | None]) -> Iterator[None]:
        self.server.hook = hook
        try:
            yield
        finally:
            self.server.hook = lambda _: None

    @contextmanager
    def dying(self, after: int) -> Iterator[list[str]]:
        """The process is killed when so many of its requests are through. Gives those."""
        through: list[str] = []

        def hook(request: Request) -> Answer | None:
            if len(through) == after:
                return Answer(cut=True)
            through.append(request.line)
            return None

        with self.failing(hook), suppress(ConnectorError):
            yield through

    @contextmanager
    def dying_at(self, line: str, *, but_first: tuple[str, Callable[[], object]] | None = None) -> Iterator[None]:
        """The process is killed at its first request whose line is so. `but_first` is done, and let through, before another line."""
        pending = [] if but_first is None else [but_first]

        def hook(request: Request) -> Answer | None:
            if pending and request.line == pending[0][0]:
                _, act = pending.pop()
                self.server.hook = lambda _: None
                act()
                self.server.hook = hook
            return Answer(cut=True) if request.line == line and not pending else None

        with self.failing(hook), suppress(ConnectorError):
            yield

    @contextmanager
    def meanwhile(self, line: str, act: Callable[[], object]) -> Iterator[None]:
        """`act` happens right before the first request whose line is so."""
        pending = [act]

        def hook(request: Request) -> Answer | None:
            if pending and request.line == line:
                pending.pop()()
            return None

        with self.failing(hook):
            yield
        assert not pending, f"there was no {line}"

    def put(self, document: Document) -> None:
        """As another process."""
        self.open().put([document])

    def found(self, maker: Maker, text: str, name: str = "a") -> list[tuple[int, int]]:
        """Generation and ordinal of each chunk of the document that another process finds, sorted."""
        hits = self.open().search(maker.query(text, limit=200))
        return sorted((hit.generation, hit.ordinal) for hit in hits if hit.document_id == id_of(name))
