"""`connectors secrets`: keep secrets sealed in the database, replace their key, see whether every reference leads somewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connector_pipelines.settings import Settings
    from connector_pipelines.store.secrets import Rotated, Secrets

__all__ = ["secrets"]

secrets = typer.Typer(
    help="Secrets sealed in the database, the keys that seal them, and every reference to a secret.", no_args_is_help=True
)

_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="What `store:NAME` refers to.")]


@secrets.command("set")
def put(name: _Name) -> None:
    """Seal a secret in the database, to be referred to as `store:NAME`; a secret of that name is replaced.

    The value is asked for, or read from standard input: never an argument, which every user of the machine could read.
    """
    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.store.catalog.sealed import SealedRow, put_secret
    from connector_pipelines.store.sealing import secret_place

    _require_name(name)
    value = _value(name)
    with opened() as services:
        key_id, sealed = services.sealer.seal(value.encode(), place=secret_place(name))
        with services.database.operator() as tx:
            is_new = put_secret(tx, SealedRow(name, key_id, sealed), actor=ACTOR)
    print(f"{'stored' if is_new else 'replaced'} store:{name}, sealed under the key {key_id}")


@secrets.command("list")
def list_names(json: _Json = False) -> None:
    """List the secrets in the database: names, keys and dates, never values."""
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.cli.output import ago, console, emit_json, table
    from connector_pipelines.store.catalog.sealed import stored_secrets

    with opened() as services, services.database.operator() as tx:
        found = stored_secrets(tx)
    if json:
        emit_json(found)
    elif found:
        console().print(table("reference", "key", "stored", rows=[(f"store:{s.name}", s.key_id, ago(s.updated_at)) for s in found]))
    else:
        print("no secrets are stored; `connectors secrets set NAME` stores one")


@secrets.command()
def remove(name: _Name) -> None:
    """Delete a secret from the database. What refers to it fails from then on."""
    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.store.catalog.sealed import delete_secret

    _require_name(name)
    with opened() as services, services.database.operator() as tx:
        gone = delete_secret(tx, name, actor=ACTOR)
    if not gone:
        raise ConfigurationError(f"there is no secret 'store:{name}'", advice="`connectors secrets list` names those that are there")
    print(f"removed store:{name}")


@secrets.command("rotate")
def rotate_keys(json: _Json = False) -> None:
    """Seal anew, under the first key, all secrets and sign-in tokens that another key seals. Syncs may go on meanwhile.

    Exit code 1 when a row could not be opened by any key.
    """
    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.cli.output import emit_json
    from connector_pipelines.store.secrets import rotate

    with opened() as services:
        done = rotate(services.database, services.sealer, actor=ACTOR)
        unused = [key_id for key_id in services.sealer.key_ids if key_id not in done.in_use and key_id != done.key_id]
    if json:
        emit_json(done)
    else:
        _say_rotated(done, unused)
    if done.unreadable:
        raise typer.Exit(1)


@secrets.command("new-key")
def make_key() -> None:
    """Print a new key for CONNECTORS_SECRET_KEYS, or for a line of the file CONNECTORS_SECRET_KEYS_FILE. It is kept nowhere else."""
    from connector_pipelines.store.sealing import new_key

    print(new_key())


@secrets.command()
def check(json: _Json = False) -> None:
    """Resolve every reference in connectors.yaml and say whether the secret is there, never what it is.

    Exit code 1 when one is not.
    """
    from connector_pipelines.cli.opening import quiet_settings
    from connector_pipelines.cli.output import console, emit_json, mark, table
    from connector_pipelines.pipeline.connectors_file import read_connectors_file
    from connector_pipelines.pipeline.secret_references import secret_references

    settings = quiet_settings()
    used = secret_references(read_connectors_file(settings.config_file))
    found = _checked(settings, used)
    if json:
        emit_json(found)
    elif found:
        rows = [(mark(works=r["there"]), r["reference"], ", ".join(r["used_at"]), r["problem"], r["advice"]) for r in found]
        console().print(table("", "reference", "used at", "what is wrong", "fix", rows=rows))
    else:
        print("connectors.yaml refers to no secret")
    if not all(r["there"] for r in found):
        raise typer.Exit(1)


def _checked(settings: Settings, used: Any) -> list[dict[str, Any]]:
    from contextlib import ExitStack

    from connector_pipelines.cli.opening import ACTOR, opened
    from connector_pipelines.core.references import LOCAL_SCHEMES, is_reference
    from connector_pipelines.settings import environment
    from connector_pipelines.store.secrets import Secrets

    with ExitStack() as stack:
        # Variables and files need no database, and are also looked at where there is none.
        if all(is_reference(reference, LOCAL_SCHEMES) for reference in used):
            resolver = Secrets(environment(), settings.config_file.parent)
        else:
            resolver = stack.enter_context(opened(settings)).secrets.acting_for(ACTOR)
        return [{"reference": reference, "used_at": places, **_state(resolver, reference)} for reference, places in used.items()]


def _state(resolver: Secrets, reference: str) -> dict[str, Any]:
    from connector_pipelines.core.errors import ConnectorError
    from connector_pipelines.telemetry import scrub

    try:
        resolver.resolve(reference)
    except ConnectorError as error:
        return {"there": False, "problem": scrub(str(error)), "advice": scrub(error.advice)}
    return {"there": True, "problem": "", "advice": ""}


def _require_name(name: str) -> None:
    from connector_pipelines.core.references import is_reference

    if not is_reference(f"store:{name}"):
        raise typer.BadParameter("letters, digits and . _ - / only, beginning and ending with a letter or digit, 200 at most")


def _value(name: str) -> str:
    from connector_pipelines.core.errors import ConfigurationError
    from connector_pipelines.store.secrets import MAX_SECRET_BYTES
    from connector_pipelines.telemetry import redact

    if sys.stdin.isatty():
        value = str(typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True))
    else:
        value = _decoded(sys.stdin.buffer.read(MAX_SECRET_BYTES + 1))
    redact(value)
    if not value.strip() or len(value.encode()) > MAX_SECRET_BYTES:
        raise ConfigurationError(
            f"the value is empty, or larger than {MAX_SECRET_BYTES} bytes, or not UTF-8 text", advice="give another one"
        )
    return value


def _decoded(content: bytes) -> str:
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return ""


def _say_rotated(done: Rotated, unused: list[str]) -> None:
    from connector_pipelines.cli.output import count

    for place, problem in done.unreadable.items():
        print(f"left as it is: {place}: {problem}", file=sys.stderr)
    sealed = " and ".join(count(n, table.removesuffix("s")) for table, n in done.resealed.items())
    print(f"sealed anew under the key {done.key_id}: {sealed}")
    if unused:
        print(f"no row needs these keys any more, they may be taken away: {', '.join(unused)}")
