"""Whether a process of this machine still runs, and is not merely another one with its number."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["is_running"]

_SLACK = timedelta(seconds=10)
"""Between the clock that noted a process and the kernel's."""


def is_running(pid: int, noted_at: datetime) -> bool:
    """Whether the process `pid` that was seen at `noted_at` is running now. A zombie is not."""
    if not sys.platform.startswith("linux"):
        return _exists(pid)
    try:
        # The name, in parentheses, may hold anything; proc(5): state is field 3, the start in ticks since boot field 22.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    since_boot_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot_s
    return fields[0] not in {"Z", "X"} and datetime.now(UTC) - timedelta(seconds=age_s) <= noted_at + _SLACK


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
