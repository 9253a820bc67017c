"""Whatever fails on the way, and whenever a process is killed, the sinks end equal to the source."""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from connector_pipelines.core.config import ConnectorConfig, ConnectorsFile, EndpointConfig
from connector_pipelines.store.catalog import configuration, schema
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.catalog.failures import failures_of, retry
from tests.pipeline.chaos import Plan, run
from tests.pipeline.parts_world import archive

ROUNDS = 36
EDITS_A_ROUND = 90
BROKEN = b"%PDF-1.7 \xff torn off here "
ARCHIVE = "an archive: its text is what it holds"
WORDS = ["anchor", "beam", "culvert", "drain", "embankment", "façade", "girder", "hoist", "inlet", "joint", "кран", "lintel"]


class Tree:
    """A folder that people work in."""

    def __init__(self, root: Path, dice: random.Random) -> None:
        self.root, self._dice = root, dice
        self._trash: list[tuple[Path, bytes]] = []
        self._serial = 0

    def edit(self) -> None:
        files = self.files()
        actions = ("create", "pack", "change", "rename", "move_folder", "delete", "restore", "replace")
        action = self._dice.choices(actions, (6, 1, 5, 3, 1, 3, 1, 2))[0]
        if action == "create" or not files:
            self._write(self._place(), self._text())
        elif action == "pack":
            self._write(self._place(), self._packed({}))
        elif action == "change":
            chosen = self._dice.choice(files)
            self._write(chosen, self._changed(chosen.read_bytes()))
        elif action == "replace":  # the way editors save: another file takes the name
            chosen, beside = self._dice.choice(files), self.root / ".saving"
            self._write(beside, self._changed(chosen.read_bytes()))
            beside.replace(chosen)
        elif action == "rename":
            target = self._place()
            self._dice.choice(files).replace(target)
        elif action == "move_folder":
            self._move_folder()
        elif action == "delete":
            self._delete(self._dice.choice(files))
        elif self._trash:
            path, body = self._trash.pop(self._dice.randrange(len(self._trash)))
            self._write(path, body)

    def files(self) -> list[Path]:
        return sorted(p for p in self.root.rglob("*") if p.is_file())

    def expected(self) -> dict[str, str]:
        """Text by path, of the files that have any and of those inside them."""
        return {path: _text_of(body) for path, body in self._everything() if not body.startswith(BROKEN)}

    def broken(self) -> set[str]:
        """Paths of the files that no extractor can read, whatever they are called."""
        return {path for path, body in self._everything() if body.startswith(BROKEN)}

    def _everything(self) -> Iterator[tuple[str, bytes]]:
        for path in self.files():
            yield from _with_parts(self._name(path), path.read_bytes())

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _place(self) -> Path:
        folder = self.root / self._dice.choice(["", "a", "b", "a/c", "d e"])
        folder.mkdir(parents=True, exist_ok=True)
        suffix = self._dice.choice((".txt", ".log", ".md"))
        return folder / f"{self._dice.choice(WORDS)} {self._dice.randrange(40)}{suffix}"

    def _text(self) -> bytes:
        self._serial += 1
        words = " ".join(self._dice.choice(WORDS) for _ in range(self._dice.randrange(1, 30)))
        return (BROKEN if self._dice.random() < 0.07 else b"") + f"number {self._serial} {words}".encode()

    def _changed(self, body: bytes) -> bytes:
        """Other bytes for a file; of an archive another member, or one less."""
        return self._packed(_members(body)) if _is_archive(body) and self._dice.random() < 0.9 else self._text()

    def _packed(self, members: dict[str, bytes]) -> bytes:
        for _ in range(self._dice.randrange(1, 4)):
            name, chance = f"{self._dice.choice(('', 'in/'))}{self._dice.choice(WORDS)}.txt", self._dice.random()
            if chance < 0.25 and len(members) > 1:
                del members[self._dice.choice(list(members))]
            elif chance < 0.4:
                members[f"{name}.zip"] = archive(*((f"{n}.txt", self._text()) for n in range(self._dice.randrange(1, 3))))
            else:
                members[name] = self._text()
        return archive(*members.items())

    def _write(self, path: Path, body: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def _delete(self, path: Path) -> None:
        self._trash.append((path, path.read_bytes()))
        path.unlink()

    def _move_folder(self) -> None:
        folders = [p for p in self.root.iterdir() if p.is_dir()]
        target = self.root / f"moved {self._dice.randrange(3)}"
        if folders and not target.exists():
            self._dice.choice(folders).replace(target)
        elif target.exists() and not (self.root / "a").exists():
            target.replace(self.root / "a")


def _is_archive(body: bytes) -> bool:
    return body.startswith(b"PK")


def _members(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def _with_parts(path: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    yield path, body
    if _is_archive(body):
        for name, inner in _members(body).items():
            yield from _with_parts(f"{path}/{name}", inner)


def _text_of(body: bytes) -> str:
    return ARCHIVE if _is_archive(body) else body.decode()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    schema.ensure(SecretStr(database_url), may_upgrade=True)
    database = Database(SecretStr(database_url))
    yield database
    database.close()


@pytest.mark.timeout(280)
@pytest.mark.parametrize("seed", [1, 2])
def test_sinks_end_equal_to_the_folder_whatever_fails_and_whoever_is_killed(
    seed: int, tmp_path: Path, database: Database, database_url: str
) -> None:
    dice = random.Random(seed)
    root = tmp_path / "tree"
    root.mkdir()
    tree, home = Tree(root, dice), str(tmp_path / "home")
    endpoint = EndpointConfig(
        slug="tree", settings={"root": str(root), "exclude": ["**/.saving"], "page_size": 20}, max_delete_share=1.0, max_failed_share=1.0
    )
    wanted = ConnectorsFile(connectors=(ConnectorConfig(name="tree", kind="local_folder", endpoints=(endpoint,)),))
    with database.operator() as tx:
        configuration.apply(tx, wanted, actor="test")
    ends: dict[str, int] = {}

    for number in range(ROUNDS):
        for _ in range(EDITS_A_ROUND):
            tree.edit()
        plans = [
            Plan(
                database_url=database_url,
                home=home,
                seed=seed * 1000 + number * 2 + copy,
                chaos=dice.choice([0.0, 0.03, 0.15]),
                killed_after_s=dice.choice([None, dice.uniform(0.05, 1.0), dice.uniform(0.05, 0.5)]),
                days_later=number,
                sweep=dice.random() < 0.2,
            )
            for copy in range(dice.choice([1, 1, 2]))
        ]
        for end in _run_all(plans, while_running=tree.edit if dice.random() < 0.5 else None):
            ends[end] = ends.get(end, 0) + 1
    with database.operator() as tx:
        retry(tx)
    last = _run_all([Plan(database_url=database_url, home=home, seed=0, days_later=ROUNDS, sweep=True)])

    assert last == ["done"]
    assert ends.get("killed", 0) >= ROUNDS // 6, f"too few processes were killed for this to prove anything: {ends}"
    assert ends.get("unavailable", 0) + ends.get("forbidden", 0) >= 1, f"too few faults for this to prove anything: {ends}"
    for sink in ("vectors", "search"):
        assert _held(database_url, sink) == tree.expected(), ends
    with database.operator() as tx:
        failed = {f.item for f in failures_of(tx, limit=10_000)}
    assert failed == tree.broken()
    shutil.rmtree(root)


def _run_all(plans: list[Plan], while_running: object = None) -> list[str]:
    """How each of these syncs, run at once, ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.pipeline.chaos", "connector_pipelines.sinks.pgvector", "connector_pipelines.sinks.postgres_text"]
    )
    started = []
    for plan in plans:
        answers, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_child, args=(plan, theirs))
        process.start()
        theirs.close()
        started.append((process, answers))
    if callable(while_running):
        for _ in range(20):
            while_running()
    ends = []
    for process, answers in started:
        process.join(120)
        assert process.exitcode in {0, -signal.SIGKILL}, f"a sync hangs, or ended with a bug: {process.exitcode}"
        ends.append(answers.recv() if process.exitcode == 0 else "killed")
    return ends


def _child(plan: Plan, answers: object) -> None:
    os.environ.pop("DATABASE_URL", None)
    answers.send(run(plan))  # type: ignore[attr-defined]  # a multiprocessing connection, whose class has no public name
    os._exit(0)  # a timer that was to kill this process is no reason to wait


def _held(database_url: str, sink: str) -> dict[str, str]:
    """What a sink's own tables hold, as text by path; a path held twice is an error here."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            f"""SELECT d.path, CASE WHEN d.media_type = 'application/zip' THEN '{ARCHIVE}' ELSE string_agg(c.text, ' ' ORDER BY c.ordinal) END
                FROM sink_{sink}.documents d
                JOIN sink_{sink}.chunks c USING (document_id) WHERE NOT d.deleted GROUP BY d.document_id, d.path, d.media_type"""
        ).fetchall()
    assert len({path for path, _ in rows}) == len(rows), "a file is there twice"
    return dict(rows)
