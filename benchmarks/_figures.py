"""How is a measurement told? As a share of a named peer's speed, with the absolute figures of this machine below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks._costs import Cost

__all__ = ["Figure", "alone", "percentile", "text_of"]

_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured against one peer, in the same rounds.

    Attributes:
        items: What one round does, in `unit`s.
        megabytes: Of content that one round moves, or None where bytes are not the point.
        goal: Least share of the peer's speed, or None where there is none.
        by: What the goal is about.
    """

    what: str
    peer_name: str
    ours: Sequence[Cost]
    peer: Sequence[Cost]
    items: int
    unit: str
    megabytes: float | None = None
    goal: float | None = None
    by: Literal["wall", "CPU"] = "wall"


def text_of(figure: Figure) -> str:
    """Several lines for a terminal."""
    walls = _shares([c.wall_s for c in figure.ours], [c.wall_s for c in figure.peer])
    cpus = _shares(list(map(_cpu, figure.ours)), list(map(_cpu, figure.peer)))
    width = max(len(figure.peer_name), 4) + 2
    return "\n".join(
        (
            f"* {figure.what} ({_times(len(figure.ours))})",
            f"    {'ours':<{width}}{_absolute(figure, figure.ours)}",
            f"    {figure.peer_name:<{width}}{_absolute(figure, figure.peer)}",
            f"    share of the peer's speed: wall {_spread(walls)}, CPU {_spread(cpus)}{_verdict(figure, walls, cpus)}",
        )
    )


def alone(what: str, cost: Cost, items: int, unit: str, megabytes: float | None = None) -> str:
    """One line for what has no peer: a stage among others."""
    figure = Figure(what=what, peer_name="", ours=[cost], peer=[], items=items, unit=unit, megabytes=megabytes)
    return f"{what:<12}{_absolute(figure, [cost])}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _absolute(figure: Figure, costs: Sequence[Cost]) -> str:
    wall, cpu, server = (median(values) for values in zip(*((c.wall_s, c.cpu_s, c.server_cpu_s) for c in costs), strict=True))
    parts = [f"{wall:8.3f} s", f"{_rate(figure.items / wall):>9} {_plural(figure.unit)}/s"]
    if figure.megabytes is not None:
        parts.append(f"{figure.megabytes / wall:6,.0f} MB/s")
    parts.append(f"CPU {cpu / figure.items * 1000:.3f}{f' + server {server / figure.items * 1000:.3f}' if server else ''} ms/{figure.unit}")
    children = max(c.children_bytes for c in costs)
    parts.append(f"peak {max(c.peak_bytes for c in costs) / _MB:,.0f}{f' + children {children / _MB:,.0f}' if children else ''} MB")
    return ", ".join(parts)


def _cpu(cost: Cost) -> float:
    return cost.cpu_s + cost.server_cpu_s


def _shares(ours: Sequence[float], peer: Sequence[float]) -> list[float]:
    return [theirs / max(mine, 1e-9) for mine, theirs in zip(ours, peer, strict=True)]


def _spread(shares: Sequence[float]) -> str:
    middle = _share(median(shares))
    return middle if len(shares) == 1 else f"{middle} ({_share(min(shares))} to {_share(max(shares))})"


def _share(share: float) -> str:
    return f"{share:.2f}" if share >= 0.1 else f"{share:.4f}"


def _verdict(figure: Figure, walls: Sequence[float], cpus: Sequence[float]) -> str:
    if figure.goal is None:
        return ""
    met = median(walls if figure.by == "wall" else cpus) >= figure.goal
    return f"; goal {figure.by} {figure.goal:.2f}: {'met' if met else 'MISSED'}"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 20 else f"{per_second:.2f}"


def _plural(unit: str) -> str:
    return f"{unit}es" if unit.endswith("h") else f"{unit}s"


def _times(rounds: int) -> str:
    return "once" if rounds == 1 else f"median of {rounds}"
