"""Runs the example: the CRM on this machine, a first sync, what happens there on a Tuesday, and a second sync.

python run.py          # and it is over
python run.py --stay   # the CRM stays, to be tried with `connectors dev` in another terminal
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
PORT = int(re.search(r"base_url: http://127\.0\.0\.1:(\d+)", (HERE / "connectors.yaml").read_text())[1])
ENVIRONMENT = {"CRM_TOKEN": company.TOKEN}
# Also where the environment that this Python is of was never activated.
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    # The commands write to the same place.
    sys.stdout.flush()


def run(*command: str) -> None:
    say(f"\n$ {' '.join(command)}")
    subprocess.run(command, check=True, cwd=HERE, env=os.environ | ENVIRONMENT | {"PATH": PATH})


with company.make(PORT) as api:
    run("connectors", "test", "crm")
    run("connectors", "sync", "crm", "--strict")
    run("connectors", "search", "sheet piles")

    say("\n… Tuesday: Ada is archived, Bram has ordered, Dov is new.")
    company.tuesday(api)
    run("connectors", "sync", "crm", "--strict")
    run("connectors", "search", "bollards")
    say(f"\n{len(api.journal.entries())} requests were made of the CRM in all.")

    if "--stay" in sys.argv:
        exports = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
        say(f"The CRM stays at {api.url} until Ctrl-C. In another terminal: {exports} connectors dev")
        threading.Event().wait()
