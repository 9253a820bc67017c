"""The examples of REST APIs, run as their pages say: does a reader get what is promised, and do the tables hold it?"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from connector_pipelines.store.sealing import new_key

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_crm_is_read_edited_and_read_again(tmp_path: Path, database_url: str) -> None:
    told = run("rest_crm", tmp_path, database_url)

    assert "crm: 5 new" in told
    assert "crm: 1 new, 1 changed, 1 deleted" in told
    assert "Ada Abate\n  crm: contacts/1" in told
    assert "Bram Berg\n  crm: contacts/2" in told
    assert rows(database_url, "crm__contacts", "properties__firstname", "properties__note") == {
        ("Bram", "Has ordered the bollards."),
        ("Chiara", None),
        ("Dov", "Asks about tie rods."),
    }


def test_the_orders_of_the_erp_are_read_with_their_lines_and_documents(tmp_path: Path, database_url: str) -> None:
    told = run("rest_erp", tmp_path, database_url)

    assert "erp: 8 new" in told
    assert "delivery-note.txt\n  erp: orders/1/delivery-note.txt" in told
    assert "Order SO-1004\n  erp: orders/4" in told
    assert rows(database_url, "erp__orders", "number") == {("SO-1001",), ("SO-1002",), ("SO-1004",)}
    assert rows(database_url, "erp__lines", "order_id", "article", "quantity") == {
        (1, "Sheet pile AZ 18", 44),
        (1, "Driving cap", 2),
        (2, "Glazing bead", 100),
        (4, "Bollard 80 t", 4),
    }


def test_the_folders_of_the_cloud_are_read_four_streams_deep(tmp_path: Path, database_url: str) -> None:
    told = run("rest_autodesk", tmp_path, database_url)

    assert "construction: 6 new" in told
    assert "construction: 1 new, 1 changed, 1 deleted" in told
    assert "Sheet pile wall, section 4.dwg\n  construction: hubs/b.hub-1/projects/b.project-1/folders/" in told
    assert rows(database_url, "construction__contents", "attributes__display_name", "attributes__last_modified_user_name") == {
        ("Sheet pile wall, section 4.dwg", "Ada Abate"),
        ("Bollard foundation.rvt", "Bram Berg"),
        ("Crane rail, berth nine.dwg", "Bram Berg"),
    }


@pytest.mark.parametrize("name", ["rest_crm", "rest_erp", "rest_autodesk"])
def test_every_file_of_an_example_is_named_on_its_page(name: str) -> None:
    page = (EXAMPLES / name / "README.md").read_text()

    assert [file.name for file in (EXAMPLES / name).glob("*.*") if file.name != "README.md" and f"`{file.name}`" not in page] == []


def run(name: str, tmp_path: Path, database_url: str) -> str:
    """What `run.py` prints, in a copy on ports that are free."""
    project = shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns(".connectors", "__pycache__"))
    file = project / "connectors.yaml"
    text = file.read_text()
    for fixed, free in zip(ports := sorted(set(re.findall(r"127\.0\.0\.1:(\d+)", text))), free_ports(len(ports)), strict=True):
        text = text.replace(f"127.0.0.1:{fixed}", f"127.0.0.1:{free}")
    file.write_text(text)
    environment = {
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin",
        "HOME": str(project),
        "DATABASE_URL": database_url,
        "CONNECTORS_SECRET_KEYS": new_key(),
        "COLUMNS": "200",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    done = subprocess.run(
        [sys.executable, "run.py"], check=False, cwd=project, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        return [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


def rows(database_url: str, table: str, *columns: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        return set(connection.execute(sql.SQL("SELECT {} FROM sink_tables.{}").format(names, sql.Identifier(table))).fetchall())
