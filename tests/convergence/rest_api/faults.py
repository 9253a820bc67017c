"""Faults of the API, and who did not wait though it asked to."""

from __future__ import annotations

import random
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from typing import Any

from connector_pipelines.testing.fake_api import Cut, Drip, Entry, Garbage, Gzip, HtmlPage, Journal, RemoteFakeApi, Reset, Stall, Status

__all__ = ["mark_killed", "script_faults", "too_early"]

_KILLED = "/killed/"
_GRACE_S = 0.75
"""How long after an answer that asks to wait others may still come in: they were on their way."""
_UNWRITTEN_S = 0.5
"""Who is killed so soon after it was asked to wait had no time to write that down."""

_PATHS = ("*", "*", "/contacts*", "/deals*", "/deals/deleted", "/tickets*", "/orders*", "/orders/*/lines", "/projects*", "/companies*", "/files/*",
          "/articles", "/stock", "/prices", "/movements", "/notices", "/depots/*")  # fmt: skip


def script_faults(api: RemoteFakeApi, dice: random.Random, count: int, *, without: Collection[int]) -> None:
    """So many faults for the requests to come, in place of those of before; but for those with these statuses."""
    api.clear_faults()
    for _ in range(count):
        known = [one for one in _faults(dice) if not isinstance(one[1], Status) or one[1].status not in without]
        _, action, more = dice.choices(known, [one[0] for one in known])[0]
        api.fault(action, **{"path": dice.choice(_PATHS), "skip": dice.choice((0, 0, 1, 3, 9)), "times": dice.choice((1, 1, 2))} | more)


def mark_killed(api: RemoteFakeApi, credential: str) -> None:
    """Note in the journal, by its own clock, that who signs in as that was killed just now."""
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{api.url}{_KILLED}{credential}", timeout=30).close()
    except urllib.error.HTTPError as refused:
        refused.close()


def too_early(journal: Journal) -> list[tuple[Entry, Entry]]:
    """Answers that asked to wait, each with a request that did not: those of whoever was killed before it could say so left out."""
    killed = [(entry.path.removeprefix(_KILLED), entry.arrived_s) for entry in journal.entries(f"{_KILLED}*")]

    def unwritten(asked: Entry) -> bool:
        at = asked.answered_s or 0.0
        return any(who == asked.credential and at - 0.05 <= when <= at + _UNWRITTEN_S for who, when in killed)

    return [(asked, early) for asked, early in journal.violations_of_retry_after(grace_s=_GRACE_S) if not unwritten(asked)]


def _faults(dice: random.Random) -> Sequence[tuple[float, Any, dict[str, Any]]]:
    """Weight, what happens, and to which requests where that is not chance."""
    return (
        # Not among the first: what was sent until then is the rate that is learnt from it.
        (2.0, Status(status=429, headers={"Retry-After": "2"}), {"path": "*", "times": 1, "skip": dice.randrange(15, 50)}),
        (0.5, Status(status=429), {"path": "*", "times": 1, "skip": dice.randrange(15, 50)}),
        (0.7, Status(status=503, headers={"Retry-After": "1"}), {"times": 1}),
        (2.0, Status(status=dice.choice((500, 502, 504))), {}),
        (0.3, Status(status=500), {"times": 6, "skip": 2}),
        (2.0, Cut(after_bytes=dice.choice((0, 1, 500, 5000))), {}),
        (2.0, Reset(), {}),
        (1.5, Garbage(), {}),
        (0.7, HtmlPage(), {}),
        (1.0, Stall(seconds=0.3), {}),
        (0.7, Gzip(broken=True), {}),
        (0.5, Drip(piece_bytes=4096, pause_s=0.002), {}),
        # What was read to is too long ago for the API.
        (1.0, Status(status=410), {"path": "/contacts", "params": {"updatedAfter": "?*"}, "times": 1, "skip": 0}),
        (
            1.0,
            Status(status=410),
            {"path": dice.choice(("/deals", "/deals/deleted", "/tickets")), "params": {"updated_since": "?*"}, "times": 1, "skip": 0},
        ),
        (0.7, Status(status=403), {"path": "/orders/*/lines", "times": 1}),
    )
