"""Whether models are found by name, and give unit vectors for any text without the network."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.pipeline.embedding import DEFAULT_MODEL, EmbeddingModel, canonical_name, dimension_of, load_model

MINILM = "fastembed:sentence-transformers/all-MiniLM-L6-v2"
OFFLINE = """
import socket, sys
def refuse(*_): sys.exit("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from connector_pipelines.pipeline.embedding import load_model
import logging
print(load_model("wordllama").embed(["hello"]).shape, logging.getLogger().handlers)
"""


@pytest.fixture(scope="module")
def model() -> EmbeddingModel:
    return load_model("wordllama")


def test_the_default_model_says_what_it_is(model: EmbeddingModel) -> None:
    assert (model.name, model.dimension, dimension_of(DEFAULT_MODEL)) == ("wordllama", 256, 256)


def test_the_default_model_needs_no_network_and_leaves_logging_alone(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "(1, 256) []\n", "")


def test_vectors_are_of_unit_length_and_related_texts_are_closer(model: EmbeddingModel) -> None:
    pump, valve, cake = model.embed(["The pump is broken", "Repair of a defective pump", "A recipe for chocolate cake"])
    assert pump.dtype == np.float32
    assert [float(np.linalg.norm(v)) for v in (pump, valve, cake)] == pytest.approx([1, 1, 1], abs=1e-6)
    assert pump @ valve > pump @ cake + 0.1


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00", "\ud800", "日本語 العربية", "\U0001f3d7", "x" * 200_000, "a\udcffb"])
def test_any_text_has_a_finite_unit_vector(model: EmbeddingModel, text: str) -> None:
    (vector,) = model.embed([text])
    assert np.isfinite(vector).all()
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


def test_a_text_without_content_gets_the_first_unit_vector(model: EmbeddingModel) -> None:
    (vector,) = model.embed([""])
    assert vector.tolist() == [1.0] + [0.0] * 255


def test_no_texts_make_an_empty_array(model: EmbeddingModel) -> None:
    assert model.embed([]).shape == (0, 256)


def test_a_text_has_the_same_vector_whatever_stands_beside_it(model: EmbeddingModel) -> None:
    texts = [f"text {n} " * (n % 40 + 1) for n in range(200)]
    together = model.embed(texts)
    alone = np.concatenate([model.embed([text]) for text in texts])
    assert np.array_equal(together, alone)


def test_threads_may_share_a_model(model: EmbeddingModel) -> None:
    texts = [f"part {n} of the assembly" for n in range(300)]
    expected = model.embed(texts)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(model.embed, [texts] * 8))
    assert all(np.array_equal(result, expected) for result in results)


def test_a_model_is_loaded_once(model: EmbeddingModel) -> None:
    assert load_model(" WordLlama ") is model


@pytest.mark.parametrize("name", ["", "word", "openai:ada", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_name_that_is_no_model_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not an embedding model") as refused:
        load_model(name)
    assert "wordllama" in refused.value.advice


def test_a_fastembed_model_has_one_spelling_and_a_dimension_without_its_weights() -> None:
    assert canonical_name("fastembed:SENTENCE-transformers/all-minilm-l6-v2") == MINILM
    assert dimension_of(MINILM) == 384


def test_an_unknown_fastembed_model_is_refused_with_close_names() -> None:
    with pytest.raises(ConfigurationError, match="all-MiniLM-L6") as refused:
        load_model("fastembed:all-MiniLM-L6")
    assert MINILM in refused.value.advice


def test_a_fastembed_model_whose_weights_cannot_be_fetched_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Unavailable, match="weights") as refused:
        load_model(MINILM, cache=tmp_path)
    assert "cache" in refused.value.advice


def test_without_fastembed_its_models_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)  # what the import system itself keeps for "not to be found"
    with pytest.raises(ConfigurationError) as refused:
        load_model(MINILM)
    assert "connector-pipelines[fastembed]" in refused.value.advice
