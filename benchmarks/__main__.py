"""Which benchmarks are run: ``python -m benchmarks [NAME …] [--quick]``, each in a process of its own."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
import time

from benchmarks._figures import Figure, text_of

NAMES = (
    "ledger",
    "records",
    "path",
    "again",
    "pdf",
    "embedding",
    "search",
    "qdrant",
    "load",
    "windows",
    "history",
    "blobs",
    "http",
    "limits",
    "webhooks",
    "rest_api",
    "google_drive",
    "push",
)

_LIMIT_S = 240
_LONGER_S = {"push": 420}
"""Of one that waits for changes, one after the other."""
_CLEANING_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer items and rounds; all of it within three minutes")
    parser.add_argument("--here", action="store_true", help="in this process: one NAME, for a profiler")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if given.here:
        _run(*given.names, quick=given.quick)
        return 0
    print(
        f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}. A share of 1.00 is the peer's speed; absolute figures are this machine's."
    )
    failed = [name for name in given.names or NAMES if _child(name, quick=given.quick) != 0]
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


def _run(name: str, *, quick: bool) -> None:
    started = time.monotonic()
    print(f"\n{name}  (load {os.getloadavg()[0]:.1f})", flush=True)
    for found in importlib.import_module(f"benchmarks.{name}").figures(quick=quick):
        print(text_of(found) if isinstance(found, Figure) else f"    {found}", flush=True)
    print(f"  {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f}")


def _child(name: str, *, quick: bool) -> int:
    """A process for each: the memory of one is not the next one's."""
    sys.stdout.flush()
    with subprocess.Popen([sys.executable, "-m", "benchmarks", "--here", name, *(["--quick"] if quick else [])]) as process:
        try:
            return process.wait(_LONGER_S.get(name, _LIMIT_S))
        except subprocess.TimeoutExpired as late:
            print(f"{name}: stopped after {late.timeout:.0f} s")
            # Not killed: it has a server to stop and a folder to remove.
            process.send_signal(signal.SIGINT)
            process.wait(_CLEANING_S)
            return 1


if __name__ == "__main__":
    sys.exit(main())
