"""Which processes are ours: a child and all that descend from it, known by a token, even after we were killed."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Record", "end_family", "end_leftovers", "is_alive", "read_record", "spawn", "write_record"]

TOKEN = "CONNECTORS_DEV_TOKEN"  # noqa: S105 - the name of a variable; its value tells our processes from others and opens nothing

POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What `connectors dev` writes down of itself, so that the next one finds what it left.

    Attributes:
        pid: Of `connectors dev`.
        child: Of Dagster, the leader of a session and process group of its own.
        child_started: When that process began, as the system words it: a pid alone may be somebody else's by now.
        token: In the environment of the child and of whatever descends from it.
    """

    pid: int
    child: int
    child_started: str
    port: int
    token: str


def spawn(command: Sequence[str], environment: Mapping[str, str], log: Path, port: int) -> tuple[subprocess.Popen[bytes], Record]:
    """Start `command` in a session of its own, writing to `log`. SIGINT must be handled by us, not ignored: it is inherited.

    The child writes to the file itself: a pipe to us would break it when we are killed.
    """
    token = secrets.token_hex(16)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(command), env={**environment, TOKEN: token}, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )
    return process, Record(pid=os.getpid(), child=process.pid, child_started=_started(process.pid), port=port, token=token)


def write_record(path: Path, record: Record) -> None:
    """Replace the record at `path` whole."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(record)))
    fresh.replace(path)


def read_record(path: Path) -> Record | None:
    """The record at `path`; None where there is none that can be read."""
    try:
        return Record(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def end_family(record: Record, *, gently_s: float, hurry: Callable[[], bool] = lambda: False) -> bool:
    """Ask the leader to end all, then kill what remains of the family; whether nothing had to be killed.

    Args:
        hurry: Asked meanwhile; true ends the patience.
    """
    # SIGINT and not SIGTERM: Dagster maps the second to the first's handler.
    if is_alive(record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.child, signal.SIGINT)
    _wait(lambda: not _members(record), gently_s, hurry)
    remaining = _members(record)
    for pid in remaining:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait(lambda: not _members(record), 5, lambda: False)
    return not remaining


def end_leftovers(path: Path) -> bool:
    """End what a `connectors dev` that was killed left running; whether there was anything."""
    record = read_record(path)
    if record is None:
        return False
    found = bool(_members(record))
    if found:
        end_family(record, gently_s=10)
    path.unlink(missing_ok=True)
    return found


def is_alive(record: Record) -> bool:
    """Whether the child recorded is running, and not merely another process with its pid."""
    return bool(record.child_started) and _started(record.child) == record.child_started


def _wait(done: Callable[[], bool], limit_s: float, hurry: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + limit_s
    while not done() and not hurry() and time.monotonic() < give_up_at:
        time.sleep(POLL_S)


def _members(record: Record) -> list[int]:
    """Pids of the living family, the leader first."""
    if not sys.platform.startswith("linux"):
        return _members_by_group(record)
    wanted = f"{TOKEN}={record.token}".encode()
    found = [pid for pid, environment in _environments() if wanted in environment.split(b"\0")]
    return sorted(found, key=lambda pid: pid != record.child)


def _environments() -> Iterator[tuple[int, bytes]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            # Gone meanwhile, or somebody else's. A zombie's is empty.
            with contextlib.suppress(OSError):
                yield int(folder.name), (folder / "environ").read_bytes()


def _members_by_group(record: Record) -> list[int]:
    lines = _ps("-axo", "pid=,pgid=,stat=").splitlines()
    rows = [line.split() for line in lines]
    group = [int(pid) for pid, group, state in rows if int(group) == record.child and not state.startswith("Z")]
    # A group outlives its leader, and its number is not given again while it does.
    return group if is_alive(record) or record.child not in group else []


def _started(pid: int) -> str:
    """Empty for a process that is gone or a zombie."""
    if not sys.platform.startswith("linux"):
        return _ps("-o", "lstart=", "-p", str(pid)).strip()
    try:
        # The name, in parentheses, may hold anything; proc(5): state is field 3, the start in ticks since boot field 22.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, timeout=10, check=False).stdout
