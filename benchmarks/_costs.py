"""What does an action cost: wall time, CPU of this process and its children, CPU of the servers it uses, peak memory?"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Action", "Cost", "Meter", "contest"]

Action = Callable[[], object]

_SAMPLE_S = 0.05
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one action.

    Attributes:
        cpu_s: User and system, of this process and all its children.
        server_cpu_s: The same of the servers named to the meter.
        peak_bytes: Most resident memory this process had during the action, what it had before included.
        children_bytes: Most resident memory of all children together, each at its highest.
    """

    wall_s: float
    cpu_s: float
    server_cpu_s: float
    peak_bytes: int
    children_bytes: int

    def __add__(self, other: Cost) -> Cost:
        """Of one after the other."""
        return Cost(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            server_cpu_s=self.server_cpu_s + other.server_cpu_s,
            peak_bytes=max(self.peak_bytes, other.peak_bytes),
            children_bytes=max(self.children_bytes, other.children_bytes),
        )


class Meter:
    """Measures in this process. `servers` are pids whose trees do work for us; they are counted apart."""

    def __init__(self, *servers: int) -> None:
        self.servers = servers

    def cost(self, action: Action) -> Cost:
        _forget_peak()
        with _watched(self._children) as seen:
            cpu, server, started = self._cpu(), self._server_cpu(), time.perf_counter()
            action()
            wall = time.perf_counter() - started
            cpu, server = self._cpu() - cpu, self._server_cpu() - server
        return Cost(wall_s=wall, cpu_s=cpu, server_cpu_s=server, peak_bytes=_highest(os.getpid()), children_bytes=max(seen, default=0))

    def _children(self) -> Iterator[int]:
        return _below(os.getpid(), self.servers)

    def _cpu(self) -> float:
        waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + waited_for.ru_utime + waited_for.ru_stime + sum(map(_cpu, self._children()))

    def _server_cpu(self) -> float:
        return sum(_cpu(pid) for server in self.servers for pid in (server, *_below(server, ())))


def contest(meter: Meter, rounds: int, *contenders: Callable[[int], Action]) -> list[list[Cost]]:
    """Costs of each contender by round. They take turns, so that a busy machine is as busy for all of them.

    A contender is given the round's number and prepares, unmeasured, the action that is measured.
    """
    costs: list[list[Cost]] = [[] for _ in contenders]
    for number in range(rounds):
        order = range(len(contenders)) if number % 2 == 0 else reversed(range(len(contenders)))
        for index in order:
            costs[index].append(meter.cost(contenders[index](number)))
    return costs


@contextmanager
def _watched(pids: Callable[[], Iterable[int]]) -> Iterator[Sequence[int]]:
    """A list that fills with the memory of these processes, looked at again and again."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLE_S):
            seen.append(sum(map(_highest, pids())))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _forget_peak() -> None:
    """Let this process's high-water mark begin anew (proc(5), clear_refs)."""
    (_PROC / "self/clear_refs").write_text("5")


def _highest(pid: int) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _below(pid: int, but: Sequence[int]) -> Iterator[int]:
    for child in _children(pid):
        if child not in but:
            yield child
            yield from _below(child, but)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _cpu(pid: int) -> float:
    """Of a process and the children it has waited for."""
    try:
        # The second field is the program's name in brackets, and may hold blanks.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS
