"""What does the whole path of a file cost beside reading, hashing and writing the same bytes?

The peers are lower bounds, not rivals: a copy extracts, embeds and indexes nothing. What each stage took is said below them.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks._costs import Action, Cost
from benchmarks._figures import Figure
from benchmarks._installation import Installation, installation
from benchmarks._trees import binary_tree, passage, text_tree, write_text
from connector_pipelines.pipeline.operations import sync
from connector_pipelines.store.catalog.reports import last_logs

__all__ = ["figures"]

_READ = 1024**2
_TEXT_BYTES = 20_000
_LARGE_BYTES = 16 * 1024**2
_CHANGED = 15
_STAGES = 5


@dataclass(frozen=True, slots=True)
class _Size:
    texts: int
    large: int
    rounds: int


@dataclass(slots=True)
class _Costs:
    """By what was done, the costs of each round; by endpoint, its stages' seconds of each round."""

    of: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    stages: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    chunks: int = 0


def figures(*, quick: bool) -> Iterator[Figure | str]:
    size, costs = _Size(200, 4, 1) if quick else _Size(1_000, 40, 1), _Costs()
    for number in range(size.rounds):
        # Each round on an installation of its own: what was embedded and stored once is not embedded and stored again.
        with installation() as place:
            _round(place, size, costs, number)
    yield from _texts(size, costs)
    yield from _large(size, costs)
    yield from _again(size, costs)


def _round(place: Installation, size: _Size, costs: _Costs, number: int) -> None:
    roots = {slug: place.base / slug for slug in ("warm", "small", "large")}
    text_tree(roots["warm"], 10, 2_000)
    text_tree(roots["small"], size.texts, _TEXT_BYTES)
    binary_tree(roots["large"], size.large, _LARGE_BYTES)
    place.configure({slug: {"root": str(root)} for slug, root in roots.items()})
    # The sinks' tables and the model's import are not what is asked here.
    _sync(place, "warm", expected=10)()
    for slug, files in (("small", size.texts), ("large", size.large)):
        for durable in (False, True):
            target = place.base / f"copy-{slug}-{durable}"
            costs.of[f"{slug} copy {durable}"].append(place.meter.cost(_copy(roots[slug], target, durable=durable)))
        costs.of[slug].append(place.meter.cost(_sync(place, slug, expected=files)))
        costs.stages[slug].append(_stage_seconds(place, slug, costs))
    costs.of["walk"].append(place.meter.cost(lambda: _walk(roots["small"])))
    costs.of["unchanged"].append(place.meter.cost(_sync(place, "small", expected=0)))
    source = random.Random(number + 1)
    for index in range(_CHANGED):
        write_text(roots["small"], index * size.texts // _CHANGED, passage(source, _TEXT_BYTES))
    costs.of["changed"].append(place.meter.cost(_sync(place, "small", expected=_CHANGED)))
    costs.stages["changed"].append(_stage_seconds(place, "small", _Costs()))


def _texts(size: _Size, costs: _Costs) -> Iterator[Figure | str]:
    what = f"{size.texts:,} text files of 20 KB through all stages: {costs.chunks:,} chunks, embedded and in both sinks"
    yield from _beside_copies(costs, "small", what, size.texts, size.texts * _TEXT_BYTES)


def _large(size: _Size, costs: _Costs) -> Iterator[Figure | str]:
    what = f"{size.large} files of 16 MiB, stored and looked at; no extractor takes them"
    yield from _beside_copies(costs, "large", what, size.large, size.large * _LARGE_BYTES)


def _beside_copies(costs: _Costs, slug: str, what: str, files: int, content: int) -> Iterator[Figure | str]:
    for durable, name in ((False, "read, sha256, write"), (True, "the same, with fsync")):
        peer = costs.of[f"{slug} copy {durable}"]
        yield Figure(what=what, peer_name=name, ours=costs.of[slug], peer=peer, items=files, unit="file", megabytes=content / 1e6)
    yield _told(costs.stages[slug])


def _again(size: _Size, costs: _Costs) -> Iterator[Figure | str]:
    for name, what in (("unchanged", "nothing changed"), ("changed", f"{_CHANGED} changed")):
        yield Figure(
            what=f"a sync of the {size.texts:,} text files, {what}", peer_name="scandir and stat", ours=costs.of[name], peer=costs.of["walk"],
            items=size.texts, unit="file",
        )  # fmt: skip
    yield _told(costs.stages["changed"])


def _sync(place: Installation, slug: str, *, expected: int) -> Action:
    def action() -> None:
        with place.services.open(slug, "benchmark") as session:
            stored = sync(session).stages["files"].counts["stored"]
        if stored != expected:
            raise RuntimeError(f"{slug}: {stored} files were stored, {expected} were expected")

    return action


def _stage_seconds(place: Installation, slug: str, costs: _Costs) -> dict[str, float]:
    endpoint = place.endpoint(slug)
    with place.services.database.operator() as tx:
        logs = last_logs(tx, endpoint.id, limit=_STAGES)
    costs.chunks = max(costs.chunks, *(log["counts"].get("chunks", 0) for log in logs))
    return {log["stage"]: (log["finished_at"] - log["started_at"]).total_seconds() for log in reversed(logs)}


def _told(rounds: list[dict[str, float]]) -> str:
    return "stages: " + ", ".join(f"{stage} {median(r[stage] for r in rounds):.2f} s" for stage in rounds[0])


def _copy(root: Path, target: Path, *, durable: bool) -> Action:
    """Every file read once, hashed, and written under its hash."""

    def action() -> None:
        target.mkdir()
        for path in _walk(root):
            digest = hashlib.sha256()
            with open(path, "rb") as source, (target / "part").open("wb") as copy:  # noqa: PTH123 - the path is scandir's text
                while block := source.read(_READ):
                    digest.update(block)
                    copy.write(block)
                copy.flush()
                if durable:
                    os.fsync(copy.fileno())
            (target / "part").rename(target / digest.hexdigest())

    return action


def _walk(root: Path) -> list[str]:
    found: list[str] = []
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                (folders if entry.is_dir(follow_symlinks=False) else found).append(entry.path)
    return found
