"""Secrets never reach a log, an error, a repr, a URL in metadata, the Dagster UI or the event log.

Every secret of an installation is a random word here. Everything is done that uses one, rightly and wrongly, with as much
told as can be asked for; then the words are looked for wherever something was written.
"""

from __future__ import annotations

import base64
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr, ValidationError

from connector_pipelines.core.config import ExtractionLimits
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.types import DocumentRef, Probe
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.net.postgres import connect
from connector_pipelines.pipeline.connectors_file import read_connectors_file
from connector_pipelines.pipeline.session import Services, open_services, open_sink, open_source
from connector_pipelines.settings import Settings, load_settings
from connector_pipelines.sinks.postgres_text import Sink
from connector_pipelines.store.catalog.configuration import installation as configured
from connector_pipelines.store.catalog.configuration import sink_settings
from tests.conftest import S3Server
from tests.secrets_world import Canaries, Installation, every_cell, every_file, leaks, make_files, told, two_roles, with_account

Said = Mapping[str, str]


@pytest.fixture(scope="module")
def installation(postgres: EmbeddedPostgres, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder, canaries = tmp_path_factory.mktemp("secrets"), Canaries()
    variables = make_files(folder, canaries, s3_server.secret_key)
    with two_roles(postgres.ensure_running(), canaries) as (url, archive):
        (folder / "archive.url").write_text(archive)
        variables |= {
            "DATABASE_URL": url, "MINIO_ENDPOINT": s3_server.endpoint, "MINIO_ACCESS_KEY": s3_server.access_key,
            "OTHER_DATABASE_URL": with_account(url, password=canaries.new("refused")),
        }  # fmt: skip
        yield Installation(folder, url, variables, canaries)


@pytest.fixture(scope="module")
def said(installation: Installation) -> Said:
    """What every command said: first the syncs, so that there is something to look at."""
    here, canaries = installation, installation.canaries
    first = {"apply": here.run("apply"), "sync": here.run("--debug", "sync", "works", "locked", "refused", "--json")}
    dagster = (sys.executable, "-m", "dagster", "asset", "materialize", "-m", "connector_pipelines.definitions")
    wrong = with_account(here.database_url, password=canaries.new("wrong_database"))
    archive = (here.folder / "archive.url").read_text()
    looks = (("status",), ("failures",), ("test",), ("search", "retaining wall"))
    todo: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "dagster": ((*dagster, "--select", "key:local_folder/works/sync"), {}),
        "denied": (("--debug", "sync", "denied", "--json"), {"MINIO_SECRET_KEY": canaries.new("wrong_minio")}),
        "explained": (("--debug", "failures", "explain", "1", "--json"), {}),
        "apply in full": (("--debug", "apply", "--json"), {}),
        "values for references": (("--debug", "apply"), {"CONNECTORS_CONFIG": str(here.folder / "bad.yaml")}),
        "wrong password": (("--debug", "status"), {"DATABASE_URL": wrong}),
        "no url": (("--debug", "status", "--json"), {"DATABASE_URL": f"postgresql://u:{canaries.new('bad_url', plain=True)}/@h:p/d"}),
        "found": (("--debug", "search", "retaining wall", "--json"), {"OTHER_DATABASE_URL": archive}),
        **{" ".join(words): (words, {}) for words in looks},
        **{f"{' '.join(words)} in full": (("--debug", *words, "--json"), {}) for words in looks},
    }
    with ThreadPoolExecutor(2) as threads:
        # Left alone it would be tried again for a minute and a half.
        away = threads.submit(here.run_until_retried, "sync", "unreached", MINIO_ENDPOINT="127.0.0.1:9")
        running = {"unreached": away} | {name: threads.submit(here.run, *words, **changed) for name, (words, changed) in todo.items()}
        return first | {name: future.result() for name, future in running.items()}


@pytest.fixture(scope="module")
def services(installation: Installation, said: Said) -> Iterator[Services]:
    """Those of this very process, on the same database; `env:` references find the installation's variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in installation.variables.items():
            patch.setenv(name, value)
        settings = load_settings({**installation.variables, "CONNECTORS_CONFIG": str(installation.folder / "connectors.yaml")})
        services = open_services(settings, SecretStr(installation.database_url))
        yield services
        services.close()


def test_the_search_finds_a_secret_in_every_form_it_could_take(installation: Installation, said: Said) -> None:
    canaries = Canaries()
    secret = canaries.new("planted")
    half = secret.split("@")[0]
    forms = (secret, f"'{half}'", base64.b64encode(f"user:{secret}".encode()), zlib.compress(secret.encode()), repr({"a": secret}))
    (installation.folder / "home" / "planted").write_text(half)
    with psycopg.connect(installation.database_url) as connection:
        connection.execute("CREATE TABLE planted (value jsonb)")
        connection.execute("INSERT INTO planted VALUES (jsonb_build_object('a', %s::text))", [secret])
        connection.commit()
        files, cells = every_file(installation.folder / "home"), list(every_cell(installation.database_url))
        connection.execute("DROP TABLE planted")

    assert [canaries.seen_in(form) for form in forms] == [{"planted"}] * len(forms)
    assert leaks(canaries, files) == {str(installation.folder / "home" / "planted"): {"planted"}}
    assert leaks(canaries, cells) == {"planted.value": {"planted"}}


def test_everything_that_uses_a_secret_was_done(installation: Installation, said: Said) -> None:
    exit_codes = {name: int(text.rsplit(" ", 1)[1]) for name, text in said.items()}
    cells = list(every_cell(installation.database_url))

    assert {name for name, code in exit_codes.items() if code == 70} == set()
    assert [exit_codes[name] for name in ("apply", "dagster", "found", "status", "failures in full")] == [0] * 5
    assert exit_codes["values for references"] == 2
    assert '"delivered": {\n      "search": 4,\n      "archive": 4\n    }' in said["sync"]
    assert "none of 2 passwords opens it" in said["sync"]
    assert "the user or password was refused" in said["sync"]
    assert "the user or password was refused" in said["wrong password"]
    assert any(b"the object store 127.0.0.1:9" in value for place, value in cells if place == "endpoints.last_error")
    assert "refuses us" in said["denied"]
    assert "12 millimetres" in said["found"]
    assert said["values for references"].count("a reference to a secret") >= 2
    assert {"dagster.event_logs.event", "dagster.runs.run_body", "chunks.text", "sink_archive.chunks.text"} <= {place for place, _ in cells}


def test_no_secret_is_in_what_the_commands_write(installation: Installation, said: Said) -> None:
    assert leaks(installation.canaries, said.items()) == {}


def test_no_secret_is_in_a_file(installation: Installation, said: Said) -> None:
    written = list(every_file(installation.folder / "home", installation.folder / "dagster_home"))

    assert {"definitions.json", "dagster.yaml"} <= {Path(name).name for name, _ in written}
    assert any(name.endswith(".err") and content for name, content in written), "nothing that a Dagster run printed was kept"
    assert leaks(installation.canaries, written) == {}


def test_no_secret_is_in_the_database_nor_in_the_event_log(installation: Installation, said: Said) -> None:
    assert leaks(installation.canaries, every_cell(installation.database_url)) == {}


def test_no_object_shows_a_secret(installation: Installation, services: Services) -> None:
    with services.database.operator() as tx:
        known, sinks = configured(tx), sink_settings(tx)
    with ExitStack() as stack:
        objects: list[Any] = [services.settings, services.settings.s3, services, services.tools, services.database, services.blobs]
        for endpoint in known.endpoints:
            session = stack.enter_context(services.open(endpoint.slug, "a run of the tests"))
            objects += [endpoint, session, session.endpoint, session.source, open_source(session.endpoint, services)]
            objects += session.sinks.values()
        objects += [open_sink(name, sinks, services.tools) for name in sinks]
        objects += [
            known,
            sinks,
            services.tools.secret("env:PDF_PASSWORD"),
            services.settings.model_dump(),
            services.settings.model_dump_json(),
        ]
        shown = [(repr(type(one)), f"{one!r} {one!s}") for one in objects]

    assert len(shown) > 30
    assert leaks(installation.canaries, shown) == {}


def _faults(installation: Installation, services: Services) -> dict[str, Callable[[], object]]:
    """Ways to use a secret wrongly, by what is wrong."""
    secret, tools, variables = installation.canaries.new("misplaced", plain=True), services.tools, installation.variables
    gone = [DocumentRef(id="0" * 32, tenant_id="0" * 32, endpoint="works", generation=1)]

    def blobs(**changed: str) -> Callable[[], object]:
        return open_services(load_settings({**variables, **changed}), SecretStr(installation.database_url)).blobs.test

    def sink(url: str) -> Callable[[], object]:
        return lambda: Sink("x", Sink.config_type(url=url), tools).delete(gone)

    def settings(**changed: str) -> Callable[[], Settings]:
        return lambda: load_settings({**variables, **changed})

    (installation.folder / "latin1.secret").write_bytes(f"{secret}é".encode("latin-1"))
    (installation.folder / "no.url").write_text(f"postgres//u:{secret}@h/d")
    return {
        "password refused": lambda: connect(SecretStr(variables["OTHER_DATABASE_URL"])),
        "server away": lambda: connect(SecretStr(f"postgresql://u:{secret}@127.0.0.1:9/d")),
        "no host": lambda: connect(SecretStr(f"postgresql://u:{secret}@h.invalid/d?connect_timeout=2")),
        "no url": lambda: connect(SecretStr(f"postgresql://u:{secret}@h:port/d")),
        "unknown parameter": lambda: connect(SecretStr(f"postgresql://u@h/d?pasword={secret}")),
        "sink refused": sink("env:OTHER_DATABASE_URL"),
        "sink's url is none": sink("file:no.url"),
        "sink's url is no reference": sink(f"postgresql://u:{secret}@h/d"),
        "s3 refuses": blobs(MINIO_SECRET_KEY=secret),
        "s3 away": blobs(MINIO_ENDPOINT="127.0.0.1:9"),
        "setting is no url": settings(DATABASE_URL=f"mysql://u:{secret}@h/d"),
        "setting's port is none": settings(DATABASE_URL=f"postgresql://u:{secret}@h:port/d"),
        "setting's key alone": settings(MINIO_SECRET_KEY=secret, MINIO_ACCESS_KEY=""),
        "no reference": lambda: tools.secret(secret),
        "no variable": lambda: tools.secret(f"env:{secret}!"),
        "not UTF-8": lambda: tools.secret("file:latin1.secret"),
        "no scheme": lambda: tools.secret(f"{secret}:{secret}"),
        "limits without a reference": lambda: ExtractionLimits(passwords=(secret,)),
        "file without references": lambda: read_connectors_file(installation.folder / "bad.yaml"),
    }


def test_no_error_tells_a_secret(installation: Installation, services: Services) -> None:
    heard = {name: "\n".join(told(_error_of(attempt))) for name, attempt in _faults(installation, services).items()}

    assert len(heard) == 19
    assert leaks(installation.canaries, heard.items()) == {}


def _error_of(attempt: Callable[[], object]) -> Exception:
    try:
        found = attempt()
    except (ConnectorError, ValidationError) as error:
        return error
    # A test of connections reports what a call would have raised.
    assert isinstance(found, Probe), "nothing was wrong"
    assert not found.works
    return RuntimeError(found)
