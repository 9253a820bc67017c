"""`make corpus`: print how far what we make of real files agrees with what independent tools say of them."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.corpus.corpus import corpus_folder, expected
from tests.corpus.ingest import ingest
from tests.corpus.report import make_report


def main() -> int:
    folder = corpus_folder()
    if folder is None:
        print("skipped: there is no corpus here; CORPUS_DIR names a folder with manifest.csv and expectations.json")
        return 0
    files = expected(folder)
    with tempfile.TemporaryDirectory(prefix="connectors-corpus-") as home:
        # The Postgres runs as another user where we are root, and has to get through.
        os.chmod(home, 0o711)  # noqa: PTH101
        ingested = ingest(folder, files, Path(home))
    if ingested.code != 0:
        print(f"connectors sync ended with code {ingested.code}:\n{ingested.said}")
        return 1
    report = make_report(files, ingested)
    print("\n".join(report.lines(ingested)))
    return 1 if report.unaccounted else 0


if __name__ == "__main__":
    sys.exit(main())
