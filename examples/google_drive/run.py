"""Runs the example: the Drive on this machine, a first sync, what happens there on a Tuesday, and a second sync.

python run.py          # and it is over
python run.py --stay   # the Drive stays, to be tried with `connectors dev` in another terminal
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import company

HERE = Path(__file__).parent
PORT = int(re.search(r"api_url: http://127\.0\.0\.1:(\d+)", (HERE / "connectors.yaml").read_text())[1])
KEY = HERE / ".connectors" / "drive-key.json"
# Also where the environment that this Python is of was never activated.
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    # The commands write to the same place.
    sys.stdout.flush()


def run(*command: str) -> None:
    say(f"\n$ {' '.join(command)}")
    subprocess.run(command, check=True, cwd=HERE, env=os.environ | {"PATH": PATH})


def asked(drive: company.FakeDrive) -> Counter[str]:
    """What was asked of the Drive since the last look."""
    counts = drive.journal.counts()
    drive.clear_journal()
    return counts


drive, harbour = company.make(PORT, KEY)
with drive:
    run("connectors", "test", "plans")
    run("connectors", "sync", "plans", "--strict")
    run("connectors", "search", "sheet piles")
    asked(drive)

    say("\n… Tuesday: the minutes are edited, a folder is renamed, the offer is shared with Chiara, a draft is thrown away.")
    company.tuesday(drive, harbour)
    run("connectors", "sync", "plans", "--strict")
    run("connectors", "search", "bollards")
    say(f"\nThat took: {', '.join(f'{count} × {call}' for call, count in sorted(asked(drive).items()))}.")

    run("connectors", "sync", "plans", "--strict")
    say(f"\nNothing had changed. That took: {', '.join(f'{count} × {call}' for call, count in sorted(asked(drive).items()))}.")

    if "--stay" in sys.argv:
        say(f"The Drive stays at {drive.url} until Ctrl-C. In another terminal: connectors dev")
        threading.Event().wait()
