"""Which models turn text into vectors, and how one is loaded.

``wordllama``               256 numbers; its weights come in the wheel, so it works offline and at once
``fastembed:<model name>``  any text model fastembed lists; needs the extra, and its weights are fetched on first load
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from connector_pipelines.core.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_MODEL", "EmbeddingModel", "canonical_name", "dimension_of", "load_model"]

DEFAULT_MODEL = "wordllama"

_FASTEMBED = "fastembed:"
_WORDLLAMA_DIMENSION = 256
_BATCH_TEXTS = 64
# A chunk is far shorter; this bounds what one text may cost where the caller passes something else.
_MAX_CHARACTERS = 32_768
_MAX_TOKENS_AT_ONCE = 4_096


class EmbeddingModel(Protocol):
    """Turns texts into vectors. May be used by several threads at once.

    Attributes:
        name: Canonical: what is stored beside the embeddings. Equal names give equal vectors for equal text.
        dimension: Length of a vector.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of unit length, shape (len(texts), dimension).

        A text in which the model finds nothing (empty, blank) gets the first unit vector. Memory beyond the result
        does not grow with `texts`: they are taken in small batches, and of each its first 32,768 characters.
        """
        ...


def load_model(name: str, *, cache: Path | None = None) -> EmbeddingModel:
    """The model of that name, its weights in memory. Asked again, the same one: loading takes half a second at least.

    Args:
        cache: Folder in which fetched weights are kept, or None for the library's own choice.

    Raises:
        ConfigurationError: There is no such model, or the library it needs is not installed.
        Unavailable: Its weights are not here and could not be fetched.
    """
    return _loaded(canonical_name(name), cache)


def canonical_name(name: str) -> str:
    """The one spelling of a model's name.

    Raises:
        ConfigurationError: There is no such model, or the library it needs is not installed.
    """
    stripped = name.strip()
    if stripped.lower() == DEFAULT_MODEL:
        return DEFAULT_MODEL
    if stripped.lower().startswith(_FASTEMBED):
        return _FASTEMBED + str(_fastembed_facts(stripped[len(_FASTEMBED) :])["model"])
    raise ConfigurationError(
        f"{name!r} is not an embedding model", advice=f"use {DEFAULT_MODEL!r}, or {_FASTEMBED!r} and the name of a model fastembed supports"
    )


def dimension_of(name: str) -> int:
    """Length of the model's vectors, without loading its weights.

    Raises:
        ConfigurationError: There is no such model, or the library it needs is not installed.
    """
    known = canonical_name(name)
    return _WORDLLAMA_DIMENSION if known == DEFAULT_MODEL else int(_fastembed_facts(known[len(_FASTEMBED) :])["dim"])


# Models are only read, so the process shares them; two, because a change of model runs the old and the new side by side.
@lru_cache(maxsize=2)
def _loaded(name: str, cache: Path | None) -> EmbeddingModel:
    return _WordLlama() if name == DEFAULT_MODEL else _FastEmbed(name, cache)


class _WordLlama:
    """Mean of static token vectors. The tokenizer and the table are only read, so threads may share them."""

    name = DEFAULT_MODEL
    dimension = _WORDLLAMA_DIMENSION

    def __init__(self) -> None:
        with _root_logger_untouched():
            import wordllama

        # Left to itself it looks for its tokenizer in a folder the wheel does not have, and then on the network.
        found = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True, dim=self.dimension)
        self._tokenizer = found.tokenizer
        # Padding to the longest of a batch makes one long text cost as much memory as sixty-four.
        self._tokenizer.no_padding()
        self._table: NDArray[np.float32] = found.embedding

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for first, batch in _batches(texts):
            encoded = self._tokenizer.encode_batch(batch, add_special_tokens=False)
            for row, encoding in enumerate(encoded, start=first):
                vectors[row] = self._sum(encoding.ids)
        return _unit(vectors)

    def _sum(self, ids: list[int]) -> NDArray[np.float32]:
        import numpy as np

        parts = (self._table[ids[at : at + _MAX_TOKENS_AT_ONCE]].sum(axis=0) for at in range(0, len(ids), _MAX_TOKENS_AT_ONCE))
        return sum(parts, start=np.zeros(self.dimension, dtype=np.float32))


class _FastEmbed:
    """An ONNX model. One session serves all threads: onnxruntime's `run` may be called concurrently."""

    def __init__(self, name: str, cache: Path | None) -> None:
        from fastembed import TextEmbedding

        self.name = name
        self.dimension = dimension_of(name)
        try:
            self._model = TextEmbedding(name[len(_FASTEMBED) :], cache_dir=str(cache) if cache else None)
        except (OSError, ValueError) as error:  # what fastembed raises when no source of the weights answers
            raise Unavailable(
                f"the weights of the embedding model {name!r} are not in the cache and could not be fetched",
                advice="let this machine reach the model hub once, or copy the model cache from one that can",
            ) from error

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for first, batch in _batches(texts):
            for row, vector in enumerate(self._model.embed(batch, batch_size=_BATCH_TEXTS), start=first):
                vectors[row] = vector
        return _unit(vectors)


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for first in range(0, len(texts), _BATCH_TEXTS):
        # Tokenizers refuse lone surrogates, which a query from outside may hold.
        yield first, [text[:_MAX_CHARACTERS].encode(errors="replace").decode() for text in texts[first : first + _BATCH_TEXTS]]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vectors`, scaled in place to unit length; one without a direction becomes the first unit vector."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lost = ~np.isfinite(lengths[:, 0]) | (lengths[:, 0] < np.finfo(np.float32).tiny)
    vectors[lost] = 0
    vectors[lost, 0] = 1
    lengths[lost] = 1
    vectors /= lengths
    return vectors


def _fastembed_facts(model: str) -> dict[str, Any]:
    """fastembed's entry for `model`, found without regard to case, as fastembed does."""
    try:
        from fastembed import TextEmbedding
    except ImportError as error:
        raise ConfigurationError(
            f"the embedding model '{_FASTEMBED}{model}' needs fastembed, which is not installed",
            advice="pip install 'connector-pipelines[fastembed]'",
        ) from error
    listed = {str(facts["model"]).lower(): facts for facts in TextEmbedding.list_supported_models()}
    if model.lower() in listed:
        return dict(listed[model.lower()])
    tails = {name.rsplit("/", 1)[-1]: name for name in listed}
    close = {
        name: None for near in get_close_matches(model.lower(), [*listed, *tails], n=8, cutoff=0.5) for name in [tails.get(near, near)]
    }
    suggestion = ", ".join(f"{_FASTEMBED}{listed[name]['model']}" for name in list(close)[:5])
    raise ConfigurationError(
        f"fastembed has no text model {model!r}",
        advice=f"did you mean {suggestion}?" if suggestion else "fastembed.TextEmbedding.list_supported_models() lists them",
    )


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """Importing wordllama calls `logging.basicConfig(level=INFO)`, which does nothing where the root has a handler."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
