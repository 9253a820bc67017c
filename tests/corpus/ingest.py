"""What becomes of the corpus when `connectors sync` takes it through the whole path?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector_pipelines.embedded.stack import embedded_postgres, open_installation
from connector_pipelines.settings import Settings
from tests.corpus.corpus import KINDS, Expected

__all__ = ["Found", "Ingested", "ingest"]

_QUERY = """
    SELECT f.path, f.status, f.reason, d.title, d.content_type, d.metadata, d.warnings,
           (SELECT string_agg(c.text, E'\\n' ORDER BY c.ordinal) FROM chunks c WHERE c.document_id = d.id) AS text,
           (SELECT max(x.code || ': ' || x.message) FROM failures x WHERE x.file_id = f.id AND x.resolved_at IS NULL) AS failure
    FROM files f LEFT JOIN documents d ON d.file_id = f.id WHERE f.status <> 'deleted'
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What we made of a file. `parts` are the files inside it, by their path."""

    path: str
    status: str
    reason: str
    failure: str
    title: str
    content_type: str
    details: dict[str, Any]
    warnings: Sequence[str]
    text: str
    parts: dict[str, Found] = field(default_factory=dict)

    @property
    def has_text(self) -> bool:
        return self.status == "extracted" and bool(self.text.strip())


@dataclass(frozen=True, slots=True)
class Ingested:
    """`files` by path. `code` is the exit code of the sync, `said` the end of what it printed."""

    files: dict[str, Found]
    code: int
    said: str
    seconds: float
    peak_mib: int


def ingest(corpus: Path, files: Sequence[Expected], home: Path) -> Ingested:
    """Sync `corpus` into a new installation in `home`."""
    passwords = sorted({file.password for file in files if file.password.strip()})
    _configure(corpus, home, len(passwords))
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR", "TESSDATA_PREFIX", "LD_LIBRARY_PATH") if name in os.environ}
    environment |= {"HOME": str(home)} | {f"CORPUS_PASSWORD_{n}": password for n, password in enumerate(passwords)}
    settings = Settings(home=home / ".connectors", config_file=home / "connectors.yaml")
    with embedded_postgres(settings).use():
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "connector_pipelines.cli", "sync", "corpus"],
            check=False, cwd=home, env=environment, capture_output=True, text=True, timeout=1800,
        )  # fmt: skip
        seconds = time.monotonic() - begun
        found = _read(settings)
    return Ingested(found, done.returncode, (done.stdout + done.stderr)[-4000:], seconds, _peak_mib())


def _configure(corpus: Path, home: Path, passwords: int) -> None:
    endpoint = {
        "slug": "corpus",
        "settings": {"root": str(corpus.resolve()), "include": [f"{kind}/**" for kind in KINDS]},
        "extraction": {"passwords": [f"env:CORPUS_PASSWORD_{n}" for n in range(passwords)]},
        # A corpus of broken files may have many that fail.
        "max_failed_share": 1,
    }
    wanted = {"connectors": [{"name": "Corpus", "kind": "local_folder", "endpoints": [endpoint]}]}
    # JSON is YAML.
    (home / "connectors.yaml").write_text(json.dumps(wanted), encoding="utf-8")


def _read(settings: Settings) -> dict[str, Found]:
    services = open_installation(settings)
    try:
        with services.database.operator() as tx:
            tenant = tx.execute("SELECT tenant_id FROM endpoints WHERE slug = 'corpus'").fetchone()
        assert tenant is not None, "the sync did not get as far as to bring connectors.yaml in"
        with services.database.tenant(str(tenant["tenant_id"])) as tx:
            rows = [_found(row) for row in tx.execute(_QUERY).fetchall()]
    finally:
        services.close()
    files = {one.path: one for one in rows if one.path.count("/") == 1}
    for one in rows:
        if one.path.count("/") > 1:
            files["/".join(one.path.split("/")[:2])].parts[one.path] = one
    return files


def _found(row: dict[str, Any]) -> Found:
    return Found(
        row["path"], row["status"], row["reason"] or "", row["failure"] or "", row["title"] or "", row["content_type"] or "",
        row["metadata"] or {}, row["warnings"] or (), row["text"] or "",
    )  # fmt: skip


def _peak_mib() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
