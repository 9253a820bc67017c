"""Faults of the Drive: refusals of every sort, answers that break off, stall or are something else, and who did not wait."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from connector_pipelines.testing.fake_drive import (
    BackendError,
    Call,
    Corrupted,
    Cut,
    Denied,
    Drip,
    Garbage,
    Gzip,
    HtmlPage,
    IgnoredRange,
    Journal,
    RemoteFakeDrive,
    Reset,
    Stall,
    Status,
    Throttle,
    Truncated,
    WrongChecksums,
)
from tests.convergence.running import Ran

__all__ = ["script_faults", "script_quirks", "too_early"]

_GRACE_S = 0.75
"""How long after an answer that asks to wait others may still come in: they were on their way."""
_UNWRITTEN_S = 0.5
"""Who is killed so soon after it was asked to wait had no time to write that down."""

_CALLS = (
    "*",
    "files.*",
    "files.list",
    "files.get",
    "files.get media",
    "files.get media",
    "changes.*",
    "permissions.list",
    "drives.*",
    "files.export",
    "batch",
    "token",
)


def script_faults(drive: RemoteFakeDrive, dice: random.Random, count: int, *, waits: bool) -> None:
    """So many faults for the requests to come, in place of those of before. `waits`: some that are waited out for seconds, too."""
    drive.clear_faults()
    for _ in range(count):
        known = [one for one in _faults(dice) if waits or not isinstance(one[1], Throttle)]
        _, action, more = dice.choices(known, [one[0] for one in known])[0]
        which = {"call": dice.choice(_CALLS), "skip": dice.choice((0, 0, 1, 3, 9)), "times": dice.choice((1, 1, 2))} | more
        if which["call"] == "token" and isinstance(action, Throttle | WrongChecksums | Corrupted):
            which["call"] = "*"
        drive.fault(action, **which)


def script_quirks(drive: RemoteFakeDrive, dice: random.Random, *, is_late: bool) -> None:
    """What the real one does now and then. None that makes all be listed anew when it `is_late`."""
    drive.world.quirks(
        short_pages=dice.choice((1.0, 1.0, 0.6, 0.2)),
        empty_page_every=dice.choice((0, 0, 2, 5)),
        repeat_every=dice.choice((0, 0, 2, 3)),
        incomplete_listing=not is_late and dice.random() < 0.15,
        incomplete_search=dice.random() < 0.3,
    )


def too_early(journal: Journal, runs: Sequence[Ran]) -> list[tuple[Call, Call]]:
    """Answers that asked to wait, each with a request that did not: those given to whoever was killed before it could say so left out."""
    killed = [run.ended_at for run in runs if run.ended.code == "killed"]

    def unwritten(asked: Call) -> bool:
        return any(asked.answered_at - 0.05 <= at <= asked.answered_at + _UNWRITTEN_S for at in killed)

    return [(asked, early) for asked, early in journal.violations(grace_s=_GRACE_S) if not unwritten(asked)]


def _faults(dice: random.Random) -> Sequence[tuple[float, Any, dict[str, Any]]]:
    """Weight, what happens, and to which requests where that is not chance."""
    per, status = dice.choice(("user", "user", "project")), dice.choice((403, 429))
    # Not among the first: what was sent until then is the rate that is learnt from it.
    late = {"skip": dice.randrange(15, 50), "times": 1, "call": "*"}
    return (
        *((0.7, Throttle(wait_s=2, per=per, status=status, tells=tells), late) for tells in ("seconds", "date", "message")),
        (0.7, Throttle(wait_s=0.3, per=per, status=status, tells="nothing"), late),
        (2.0, BackendError(status=dice.choice((500, 502, 503, 504))), {}),
        (0.3, BackendError(status=500), {"times": 6, "skip": 2}),
        (0.7, Status(status=503, headers={"Retry-After": "1"}), {"times": 1}),
        (
            0.7,
            Denied(reason=dice.choice(("downloadQuotaExceeded", "sharingRateLimitExceeded", "backendError", "unknownReason"))),
            {"call": "files.get media"},
        ),
        (1.0, Denied(reason="insufficientFilePermissions"), {"call": "permissions.list"}),
        (2.0, Cut(after_bytes=dice.choice((0, 1, 50, 500, 5000))), {}),
        (2.0, Reset(), {}),
        (1.5, Garbage(), {"call": dice.choice(("files.list", "changes.list", "files.get", "permissions.list", "batch"))}),
        (0.7, HtmlPage(), {}),
        (1.0, Stall(seconds=0.3), {}),
        (0.5, Gzip(broken=True), {}),
        (0.5, Drip(piece_bytes=64, pause_s=0.002), {"call": "files.get media"}),
        (1.5, Truncated(keep_bytes=dice.choice((0, 7, 20))), {"call": "files.get media"}),
        (1.0, Corrupted(at=dice.randrange(10)), {"call": "files.get media"}),
        (0.7, IgnoredRange(), {"call": "files.get media"}),
        (0.7, WrongChecksums(), {"call": dice.choice(("files.list", "changes.list", "files.get"))}),
    )
