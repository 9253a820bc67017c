"""Runs the example: the cloud on this machine, a first sync, what happens there on a Tuesday, and a second sync.

python run.py          # and it is over
python run.py --stay   # the cloud stays, to be tried with `connectors dev` in another terminal
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import company

HERE = Path(__file__).parent
PORT, TOKEN_PORT = (
    int(re.search(rf"{name}: http://127\.0\.0\.1:(\d+)", (HERE / "connectors.yaml").read_text())[1]) for name in ("base_url", "token_url")
)
ENVIRONMENT = {"APS_CLIENT_SECRET": company.SECRET}
# Also where the environment that this Python is of was never activated.
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    # The commands write to the same place.
    sys.stdout.flush()


def run(*command: str) -> None:
    say(f"\n$ {' '.join(command)}")
    subprocess.run(command, check=True, cwd=HERE, env=os.environ | ENVIRONMENT | {"PATH": PATH})


with company.make(PORT, TOKEN_PORT) as api:
    run("connectors", "test", "construction")
    run("connectors", "sync", "construction", "--strict")
    run("connectors", "search", "sheet pile wall")

    say("\n… Tuesday: one drawing has a new version, one is deleted, one is new.")
    company.tuesday(api)
    run("connectors", "sync", "construction", "--strict")
    run("connectors", "search", "crane rail")
    say(f"\n{len(api.journal.entries())} requests were made of the cloud in all.")

    if "--stay" in sys.argv:
        exports = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
        say(f"The cloud stays at {api.url} until Ctrl-C. In another terminal: {exports} connectors dev")
        threading.Event().wait()
