"""An installation full of secrets that are told from everything else, and every place they might turn up in."""

from __future__ import annotations

import base64
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import traceback
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql
from pydantic import SecretStr

from connector_pipelines.store.catalog import schema
from tests import files
from tests.databases import drop_database

__all__ = ["Canaries", "Installation", "every_cell", "every_copy", "every_file", "leaks", "make_files", "told", "two_roles", "with_account"]

YAML = """
sinks:
  search: {kind: postgres_text}
  archive: {kind: postgres_text, settings: {url: "file:archive.url"}}
  refusing: {kind: postgres_text, settings: {url: "env:OTHER_DATABASE_URL"}}
connectors:
  - name: Files
    kind: local_folder
    endpoints:
      - {slug: works, settings: {root: files}, sinks: [search, archive], extraction: {passwords: ["env:PDF_PASSWORD", "file:pdf.password"]}}
      - {slug: locked, settings: {root: files}, sinks: [search], extraction: {passwords: ["env:WRONG_PASSWORD", "file:wrong.password"]}}
      - {slug: refused, settings: {root: files}, sinks: [refusing]}
      - {slug: unreached, settings: {root: files}, sinks: [search]}
      - {slug: denied, settings: {root: files}, sinks: [search]}
"""
BAD_YAML = """
sinks: {{search: {{kind: postgres_text, settings: {{url: "postgresql://u:{first}@127.0.0.1/d"}}}}}}
connectors:
  - name: Files
    kind: local_folder
    endpoints: [{{slug: works, settings: {{root: files}}, extraction: {{passwords: ["{second}"]}}}}]
"""


_TELL_RETRIES = """
CREATE FUNCTION dagster.tell_retry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY retrying; RETURN NULL; END $$;
CREATE TRIGGER tell_retry AFTER INSERT ON dagster.event_logs FOR EACH ROW
    WHEN (NEW.dagster_event_type = 'STEP_UP_FOR_RETRY') EXECUTE FUNCTION dagster.tell_retry();
LISTEN retrying;
"""

_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^(pg_|information_)'"


@dataclass(frozen=True, slots=True)
class Canaries:
    """Secrets by what they are for. Each is two random words around characters that are written otherwise in a URL."""

    by_name: dict[str, str] = field(default_factory=dict)

    def new(self, name: str, *, plain: bool = False) -> str:
        first, second = secrets.token_hex(12), secrets.token_hex(12)
        return self.keep(name, first if plain else f"{first}@%:{second}")

    def keep(self, name: str, secret: str) -> str:
        self.by_name[name] = secret
        return secret

    def seen_in(self, content: str | bytes) -> set[str]:
        """Names of those of which `content` holds at least a half: plain, in base64, or deflated."""
        data = content.encode(errors="replace") if isinstance(content, str) else content
        with suppress(zlib.error):
            data += zlib.decompress(data)
        return {name for name, secret in self.by_name.items() for form in _words_of(secret) if form in data}


@dataclass(frozen=True, slots=True)
class Installation:
    """A working directory with a `connectors.yaml`; `database_url` and the variables hold canaries."""

    folder: Path
    database_url: str
    variables: Mapping[str, str]
    canaries: Canaries

    def run(self, *words: str, **changed: str) -> str:
        """What `connectors`, or the program that `words` begin with, wrote to either stream, and its exit code at the end."""
        with self._running(words, changed) as (child, out):
            return _heard(child, out)

    def run_until_retried(self, *words: str, **changed: str) -> str:
        """The same, interrupted as by Ctrl-C once a step of a Dagster run has failed and waits to be tried again."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(_TELL_RETRIES)
            with self._running(words, changed) as (child, out):
                for _ in connection.notifies(timeout=60, stop_after=1):
                    child.send_signal(signal.SIGINT)
                return _heard(child, out)

    @contextmanager
    def _running(self, words: Sequence[str], changed: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        command = words if words[0] == sys.executable else (sys.executable, "-m", "connector_pipelines.cli", *words)
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("CONNECTORS_", "DAGSTER_", "DATABASE_", "MINIO_"))}
        environment = {**inherited, **self.variables, **changed}
        # A file: nobody reads a pipe while somebody waits for something else.
        with (
            tempfile.TemporaryFile() as out,
            subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as child,
        ):
            yield child, out


def make_files(folder: Path, canaries: Canaries, minio: str) -> dict[str, str]:
    """The files of the installation, and the variables beside the database's."""
    (folder / "files").mkdir()
    (folder / "files" / "report.txt").write_text("The retaining wall moved 12 millimetres in May.\n")
    (folder / "files" / "readings.csv").write_text("station,mm\nP1,5\nP2,6\n")
    (folder / "files" / "by-variable.pdf").write_bytes(files.encrypted_pdf(["Found by variable."], canaries.new("pdf_variable")))
    (folder / "files" / "by-file.pdf").write_bytes(files.encrypted_pdf(["Found by file."], canaries.new("pdf_file")))
    (folder / "files" / "broken.pdf").write_bytes(b"%PDF-1.7\nbroken")
    (folder / "pdf.password").write_text(canaries.by_name["pdf_file"])
    (folder / "wrong.password").write_text(canaries.new("wrong_file"))
    (folder / "connectors.yaml").write_text(YAML)
    (folder / "bad.yaml").write_text(BAD_YAML.format(first=canaries.new("yaml_url", plain=True), second=canaries.new("yaml_password")))
    return {
        "CONNECTORS_HOME": str(folder / "home"), "DAGSTER_HOME": str(folder / "dagster_home"), "CONNECTORS_LOG_LEVEL": "DEBUG",
        "CONNECTORS_EXTRACT_WORKERS": "1", "PDF_PASSWORD": canaries.by_name["pdf_variable"],
        "WRONG_PASSWORD": canaries.new("wrong_variable"), "MINIO_SECRET_KEY": canaries.keep("minio", minio),
        "MINIO_BUCKET": f"bucket-{secrets.token_hex(8)}",
    }  # fmt: skip


@contextmanager
def two_roles(server: str, canaries: Canaries) -> Iterator[tuple[str, str]]:
    """URLs of a fresh database for its owner, who may what the real user may, and for somebody who may only add a schema."""
    name = f"secrets_{secrets.token_hex(6)}"
    owner, guest = sql.Identifier(f"{name}_owner"), sql.Identifier(f"{name}_guest")
    with psycopg.connect(server, autocommit=True) as admin:
        _make_shared_roles(server, admin, name)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        for role, rights, secret in ((owner, "CREATEDB CREATEROLE", "postgres"), (guest, "", "archive")):
            statement = sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}")
            admin.execute(statement.format(role, sql.SQL(rights), sql.Literal(canaries.new(secret))))
        shared = sql.SQL(f"{schema.APP_ROLE}, {schema.OPERATOR_ROLE}")
        admin.execute(sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(shared, owner))
        # What the guest makes, the owner must see when everything is searched.
        admin.execute(sql.SQL("GRANT {} TO {} WITH INHERIT TRUE").format(guest, owner))
        admin.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH SET TRUE").format(owner))
        admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), owner))
        admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(name), guest))
        try:
            yield (
                with_account(server, database=name, user=f"{name}_owner", password=canaries.by_name["postgres"]),
                with_account(server, database=name, user=f"{name}_guest", password=canaries.by_name["archive"]),
            )
        finally:
            drop_database(admin, name)
            admin.execute(sql.SQL("DROP ROLE {}, {}").format(guest, owner))


def with_account(url: str, *, password: str, user: str = "", database: str = "") -> str:
    """`url` with another password, and with another user and database where they are given."""
    there = urlsplit(url)
    account = f"{user or there.username}:{quote(password, safe='')}"
    return f"postgresql://{account}@{there.hostname}:{there.port}/{database or there.path.strip('/')}"


def every_file(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every file below."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()


def every_cell(url: str) -> Iterator[tuple[str, bytes]]:
    """Table, column and bytes of every value of every table of every schema that is not Postgres's own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for (table,) in connection.execute(_TABLES).fetchall():
            # Row level security holds for the owner too, and here every tenant's rows are to be seen.
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            rows = connection.cursor(row_factory=psycopg.rows.dict_row).execute(f"SELECT * FROM {table}")
            for row in rows:
                yield from ((f"{table}.{column}", _as_bytes(value)) for column, value in row.items() if value is not None)


def every_copy(url: str) -> Iterator[tuple[str, bytes]]:
    """Table and rows as a dump has them."""
    with psycopg.connect(url, autocommit=True) as connection:
        for (table,) in connection.execute(_TABLES).fetchall():
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            with connection.cursor().copy(f"COPY {table} TO STDOUT") as rows:
                yield from ((table, bytes(row)) for row in rows)


def told(error: BaseException) -> Iterator[str]:
    """Everything an error says about itself, and about all it was raised from, suppressed or not."""
    yield "".join(traceback.format_exception(error))
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        # A cause is a context too: without a look back, each would be walked twice as often as the one before.
        if (one := chain.pop()) is not None and id(one) not in seen:
            seen.add(id(one))
            yield from (str(one), repr(one), repr(one.args), repr(getattr(one, "advice", "")))
            chain += [one.__cause__, one.__context__]


def leaks(canaries: Canaries, places: Iterable[tuple[str, str | bytes]]) -> dict[str, set[str]]:
    """By place, the secrets seen there."""
    return {place: seen for place, content in places if (seen := canaries.seen_in(content))}


def _heard(child: subprocess.Popen[bytes], out: IO[bytes]) -> str:
    code = child.wait(timeout=120)
    out.seek(0)
    return f"{out.read().decode(errors='replace')}\nexit code {code}"


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def _make_shared_roles(server: str, admin: psycopg.Connection, name: str) -> None:
    """The two roles every installation on a server shares, in the name of the real user: whoever makes them grants them."""
    passing = sql.Identifier(f"{name}_passing")
    admin.execute(sql.SQL("CREATE DATABASE {}").format(passing))
    schema.upgrade(SecretStr(urlsplit(server)._replace(path=f"/{name}_passing").geturl()))
    drop_database(admin, f"{name}_passing")


def _words_of(secret: str) -> list[bytes]:
    """The random words of a secret, as they are and as they look inside base64 at each of its three alignments."""
    words = re.findall(rb"[0-9a-f]{16,}", secret.encode())
    # The ends depend on the neighbours: what is left is the same whatever they are.
    inside = [base64.b64encode(b"\0" * shift + word)[4:-4] for word in words for shift in range(3)]
    return words + inside
