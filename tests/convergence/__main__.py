"""`python -m tests.convergence [drive]`: 10,000 random edits, with faults and kill -9; then whatever is held equals the source.

Without a word, of the 50,000 records of an API; `drive`: of a Google Drive of 3,000 files. About ten minutes and half an hour on two cores.
A seed repeats the dice, not the instants at which processes were killed.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.testing.fake_api import fake_api_process
from connector_pipelines.testing.fake_drive import fake_drive_process
from tests.convergence.campaign import Campaign, Company, Outcome, Size
from tests.convergence.drive.company import DriveCompany
from tests.convergence.rest_api.company import RestCompany

_SHOWN = 40
_WIDTH = 1000


def main() -> int:
    wanted, began_s = _arguments(), time.monotonic()

    def say(what: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began_s:6.0f} s  {what}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="connectors-convergence-") as folder, ExitStack() as stack:
        base = Path(folder)
        base.chmod(0o711)  # the Postgres runs as another user where we are root, and has to get through
        url = stack.enter_context(EmbeddedPostgres(base / "postgres", elsewhere=base / "elsewhere").use())
        dice = random.Random(wanted.seed)
        company = _company(wanted, stack, url, base, dice)
        size = Size(edits=wanted.edits, rounds=wanted.rounds, faults=wanted.faults)
        outcome = Campaign(company, size, wanted.seed, dice, say).run()
    return _report(outcome)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.convergence", description=__doc__)
    parser.add_argument("of", nargs="?", choices=("rest_api", "drive"), default="rest_api")
    parser.add_argument("--records", type=int, default=50_000, help="Of the API, to begin with.")
    parser.add_argument("--files", type=int, default=3_000, help="Of the Drive, to begin with.")
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--page", type=int, help="Records or files of a page. Default: 500, or 100.")
    parser.add_argument("--faults", type=int, default=6, help="Of the other side in a round, at most.")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _company(wanted: argparse.Namespace, stack: ExitStack, url: str, base: Path, dice: random.Random) -> Company:
    if wanted.of == "drive":
        return DriveCompany(url, base, stack.enter_context(fake_drive_process()), dice, wanted.files, wanted.page or 100)
    return RestCompany(url, base, stack.enter_context(fake_api_process()), dice, wanted.records, wanted.page or 500)


def _report(outcome: Outcome) -> int:
    for what in ("items", "edits", "ends", "faults", "connections_ended", "requests", "left_to_sweeps", "notes"):
        sys.stdout.write(f"{what}: {getattr(outcome, what)}\n")
    wrong: dict[str, Sequence[object]] = {
        "before the sweep": outcome.before_sweep,
        "after the sweep": outcome.after_sweep,
        "unsettled": outcome.unsettled,
        "asked too early": outcome.too_early,
        "fetched again": outcome.fetched_again,
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
        kinds.setdefault(re.sub(r"row [0-9a-f-]+|document [0-9a-f-]+|\b[01][\w-]{15,}|\d+|'.*|\[.*|Text.*", "", str(one)), []).append(one)
    return [one for some in kinds.values() for one in some[:3]][:_SHOWN]


if __name__ == "__main__":
    sys.exit(main())
