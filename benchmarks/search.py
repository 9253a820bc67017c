"""How long does a search take beside its two bare queries on one open connection?

The peer asks pgvector's index and Postgres' full text index once each, with vectors made before. Ours embeds the words, checks
what the sinks were made with, fuses the answers and reads each passage shown from the catalog. A single search opens both
sinks for itself; the command line starts a process, too.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from statistics import median

import psycopg

from benchmarks._corpus import fill
from benchmarks._costs import Action, contest
from benchmarks._figures import Figure, percentile
from benchmarks._installation import Installation, installation
from connector_pipelines.pipeline.embedding import load_model
from connector_pipelines.pipeline.search import Searcher, search

__all__ = ["figures"]

_PEER = "both bare queries"
_LIMIT = 50
_NEAREST = "SELECT document_id, ordinal FROM sink_vectors.chunks WHERE tenant_id = %s ORDER BY embedding <=> %s::halfvec LIMIT %s"
_BY_WORDS = """
    SELECT document_id, ordinal FROM sink_search.chunks, websearch_to_tsquery('simple', %s) q
    WHERE tsv @@ q AND tenant_id = %s ORDER BY ts_rank_cd(tsv, q) DESC LIMIT %s
"""

Ask = Callable[[str], int]


def figures(*, quick: bool) -> Iterator[Figure | str]:
    sizes, queries, rounds = ((20_000,), 20, 3) if quick else ((20_000, 100_000), 30, 3)
    for chunks in sizes:
        with installation() as place, psycopg.connect(place.url, autocommit=True) as raw:
            # Half the time for the index over 100,000, whose graph does not fit into the default of 64 MB.
            raw.execute("ALTER DATABASE connectors SET maintenance_work_mem = '512MB'")
            started = time.monotonic()
            texts = fill(place, chunks)
            yield f"{chunks:,} chunks were made and put in {time.monotonic() - started:.0f} s"
            # As autovacuum does within the minute; while it does, searches take several times as long.
            raw.execute("VACUUM ANALYZE")
            yield from _measured(place, raw, _queries(texts, queries), rounds, chunks)


def _queries(texts: Sequence[str], count: int) -> list[str]:
    """Two words of a passage, which some passages have both of; every fourth with a third that none has."""
    source, found = random.Random(5), []
    for number in range(count):
        words = source.choice(texts).rstrip(".").split()
        found.append(" ".join(source.sample(words[1:8], 2)) + (" zzyzx" if number % 4 == 3 else ""))
    return found


def _measured(
    place: Installation, raw: psycopg.Connection[tuple[object, ...]], queries: Sequence[str], rounds: int, chunks: int
) -> Iterator[Figure | str]:
    names = "ours, sinks kept open", "ours, each by itself", _PEER
    latencies: tuple[list[float], ...] = ([], [], [])
    with closing(Searcher(place.services)) as searcher:
        asks: tuple[Ask, ...] = (_kept(searcher), _once(place), _bare(place, raw, queries))
        for ask in asks:
            ask(queries[0])
        kept, once, peer = contest(
            place.meter, rounds, *(partial(_all, ask, queries, times) for ask, times in zip(asks, latencies, strict=True))
        )
    for name, ours in zip(names, (kept, once), strict=False):
        what = f"{len(queries)} searches among {chunks:,} chunks, {name.removeprefix('ours, ')}"
        yield Figure(what=what, peer_name=_PEER, ours=ours, peer=peer, items=len(queries), unit="search")
    for name, times in zip(names, latencies, strict=True):
        yield f"{name}: p50 {median(times) * 1000:.0f} ms, p95 {percentile(times, 0.95) * 1000:.0f} ms"
    command, start = contest(place.meter, rounds, lambda _: _command("search", queries[0]), lambda _: _command("--help"))
    yield Figure(
        what=f"`connectors search` among {chunks:,} chunks, its process included", peer_name="`connectors --help`",
        ours=command, peer=start, items=1, unit="search",
    )  # fmt: skip


def _all(ask: Ask, queries: Sequence[str], times: list[float], _: int) -> Action:
    def action() -> None:
        for query in queries:
            started = time.perf_counter()
            if not ask(query):
                raise RuntimeError(f"nothing was found for {query!r}")
            times.append(time.perf_counter() - started)

    return action


def _kept(searcher: Searcher) -> Ask:
    return lambda query: len(searcher.search(query, tenant="default"))


def _once(place: Installation) -> Ask:
    return lambda query: len(search(place.services, query, tenant="default"))


def _command(*arguments: str) -> Action:
    return lambda: subprocess.run([sys.executable, "-m", "connector_pipelines.cli", *arguments], check=True, stdout=subprocess.DEVNULL)


def _bare(place: Installation, raw: psycopg.Connection[tuple[object, ...]], queries: Sequence[str]) -> Ask:
    tenant = place.endpoint("docs").tenant_id
    vectors = dict(zip(queries, load_model("wordllama").embed(queries), strict=True))
    raw.execute("SET hnsw.ef_search = 100")

    def ask(query: str) -> int:
        near = raw.execute(_NEAREST, [tenant, str(vectors[query].tolist()), _LIMIT]).fetchall()
        return len(near) + len(raw.execute(_BY_WORDS, [query, tenant, _LIMIT]).fetchall())

    return ask
