"""`python -m tests.convergence`: 10,000 random edits of 50,000 records, with faults and kill -9; then tables, documents and vectors equal the source.

About ten minutes on two cores. A seed repeats the dice, not the instants at which processes were killed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.testing.fake_api import fake_api_process
from tests.convergence.campaign import Campaign, Outcome, Size

_SHOWN = 40
_WIDTH = 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.convergence", description=__doc__)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--page", type=int, default=500, help="Records of a page.")
    parser.add_argument("--faults", type=int, default=6, help="Of the API in a round, at most.")
    parser.add_argument("--seed", type=int, default=1)
    wanted = vars(parser.parse_args())
    seed, began_s = wanted.pop("seed"), time.monotonic()

    def say(what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began_s:6.0f} s  {what}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="connectors-convergence-") as folder, fake_api_process() as api:
        base = Path(folder)
        base.chmod(0o711)  # the Postgres runs as another user where we are root, and has to get through
        with EmbeddedPostgres(base / "postgres", elsewhere=base / "elsewhere").use() as url:
            outcome = Campaign(url, base, api, Size(**wanted), seed, say).run()
    return _report(outcome)


def _report(outcome: Outcome) -> int:
    for what in ("records", "edits", "ends", "faults", "connections_ended", "requests", "left_to_sweeps"):
        sys.stdout.write(f"{what}: {getattr(outcome, what)}\n")
    wrong: dict[str, Sequence[object]] = {
        "before the sweep": outcome.before_sweep,
        "after the sweep": outcome.after_sweep,
        "unsettled": outcome.unsettled,
        "asked too early": outcome.too_early,
        "news at rest": [f"{outcome.news_at_rest} items"] if outcome.news_at_rest else [],
    }
    for when, found in wrong.items():
        sys.stdout.write("".join(f"{when}: {one}"[:_WIDTH] + "\n" for one in _some(found)))
        sys.stdout.write(f"{when}: {len(found)} in all\n")
    return 1 if any(wrong.values()) else 0


def _some(found: Sequence[object]) -> list[object]:
    """A few of each kind."""
    kinds: dict[str, list[object]] = {}
    for one in found:
        kinds.setdefault(re.sub(r"row [0-9a-f-]+|document [0-9a-f-]+|\d+|'.*|\[.*|Text.*", "", str(one)), []).append(one)
    return [one for some in kinds.values() for one in some[:3]][:_SHOWN]


if __name__ == "__main__":
    sys.exit(main())
