"""How fast are chunks embedded, beside the model's own library?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks._costs import Meter, contest
from benchmarks._figures import Figure
from benchmarks._trees import passage
from connector_pipelines.pipeline.embedding import load_model

__all__ = ["figures"]

_CHARACTERS = 900


def figures(*, quick: bool) -> Iterator[Figure | str]:
    import wordllama

    count, rounds = (2_000, 1) if quick else (20_000, 3)
    source = random.Random(3)
    texts = [passage(source, _CHARACTERS) for _ in range(count)]
    ours = load_model("wordllama")
    bare = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True, dim=ours.dimension)
    ours_cost, peer = contest(Meter(), rounds, lambda _: lambda: ours.embed(texts), lambda _: lambda: bare.embed(texts, norm=True))
    yield Figure(
        what=f"{count:,} texts of {_CHARACTERS} characters embedded", peer_name="wordllama's own embed", ours=ours_cost, peer=peer,
        items=count, unit="text", megabytes=count * _CHARACTERS / 1e6,
    )  # fmt: skip
