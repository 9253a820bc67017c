"""Everything that is done with the secrets of such an installation, rightly and wrongly, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from connector_pipelines.pipeline.session import Services, open_services
from connector_pipelines.settings import load_settings
from connector_pipelines.store.sealing import new_key
from tests.canaries.commands import Commands, calls_of_webhooks
from tests.canaries.drive import DRIVE_RUNS, DRIVE_SLUGS
from tests.canaries.inside import Heard, listening, sync_all
from tests.canaries.push import calls_of_channels, read_by_resource, subscribe_all
from tests.canaries.web import Web, browse
from tests.canaries.world import SIGN_INS, WRONG, World
from tests.secrets_world import every_cell, with_account

__all__ = ["Done", "do_everything"]

_WAITED_FOR = {"away", "cut", "next_refused", "next_elsewhere"}
"""A Dagster run would try these again for a minute and a half; they are synced in this process alone."""

_Act = tuple[tuple[str, ...], dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it all: `said` by commands, by their names; `web`; `heard` in this process, where `services` stay open."""

    world: World
    said: Mapping[str, str]
    web: Web
    heard: Heard
    services: Services

    def cells(self) -> list[tuple[str, bytes]]:
        return list(every_cell(self.world.variables["DATABASE_URL"]))


def do_everything(world: World, patch: pytest.MonkeyPatch) -> Done:
    """All of it, once; `patch` makes this process one of the installation."""
    commands, canaries = Commands(world), world.canaries
    said = {"apply": commands.run("--debug", "apply", "--json")}
    kept = {"sigv4": canaries["sigv4 secret key"], "app": canaries.new("secret in the sealed table", tough=True)}
    with ThreadPoolExecutor(3) as threads:
        running = {
            f"secrets set {name}": threads.submit(commands.run, "--debug", "secrets", "set", name, stdin=f"{secret}\n")
            for name, secret in kept.items()
        }
        running["signed in to Google"] = threads.submit(commands.sign_in_by_pasting, "drive_person")
        said["signed in"] = commands.sign_in_by_pasting("person")
        said |= {name: future.result() for name, future in running.items()}
    for name, value in world.variables.items():
        patch.setenv(name, value)
    patch.setenv("CONNECTORS_CONFIG", str(world.folder / "connectors.yaml"))
    patch.syspath_prepend(world.folder / "site")
    services, heard = _inside(world)

    def hooks() -> str:
        return calls_of_webhooks(commands, lambda port: calls_of_channels(world, services, port))

    with ThreadPoolExecutor(3) as threads:
        web = threads.submit(
            browse,
            commands,
            ("header_works", "files_cut", "drive_works"),
            (
                "person_works",
                "query_refused",
                "redirected",
                "custom_refused",
                "drive_forbidden",
                "drive_export_refused",
                "drive_token_refused",
            ),
        )
        told = {name: threads.submit(act) for name, act in {"webhooks": hooks, **_acts(commands)}.items()}
        said |= {name: future.result() for name, future in told.items()}
    # Last: nothing of what is sealed opens by the old key alone then.
    said["secrets rotate"] = commands.run(
        "--debug", "secrets", "rotate", "--json", CONNECTORS_SECRET_KEYS="", CONNECTORS_SECRET_KEYS_FILE=str(world.folder / "more.keys")
    )
    return Done(world=world, said=said, web=web.result(), heard=heard, services=services)


def _inside(world: World) -> tuple[Services, Heard]:
    settings = load_settings({**world.variables, "CONNECTORS_CONFIG": str(world.folder / "connectors.yaml")})
    services, heard = open_services(settings, SecretStr(world.variables["DATABASE_URL"])), Heard()
    with listening(heard):
        sync_all(services, [*_slugs(), *DRIVE_SLUGS], heard)
        subscribe_all(services, heard)
        read_by_resource(heard)
        # Then with a refresh that is refused, and whatever the old token was good for.
        world.hostile.refuses_refresh = True
        world.hostile.valid.clear()
        world.drives.between.refuses_refresh = True
        world.drives.drive.expire_tokens()
        sync_all(services, ["person_works", "drive_person"], heard)
    return services, heard


def _slugs() -> list[str]:
    by_sign_in = [f"{name}_{which}" for name in SIGN_INS for which in ("works", "refused", "garbage")]
    return [*by_sign_in, *WRONG, "proxied_works", "proxied_refused", "grant_refused", "coded_refused"]


def _acts(commands: Commands) -> dict[str, Callable[[], str]]:
    def act(words: tuple[str, ...], changed: dict[str, str]) -> Callable[[], str]:
        return lambda: commands.run(*words, **changed)

    acts = {**_right(), **_with_other_places(commands.world), **_wrong(commands.world)}
    return {name: act(*one) for name, one in acts.items()}


def _right() -> dict[str, _Act]:
    """Much of this meets a system that refuses us: what is right is how we ask."""
    words: dict[str, tuple[str, ...]] = {
        "sync": ("--debug", "sync", *(slug for slug in _slugs() if slug not in _WAITED_FOR), *DRIVE_RUNS, "--json"),
        "test": ("--debug", "test", "--json"),
        "test one": ("test", "header_works"),
        "auth": ("--debug", "auth", "bearer"),
        "auth refused": ("--debug", "auth", "coded"),
        "auth of others": ("--debug", "auth", "custom"),
        "auth status": ("auth", "status"),
        "auth status in full": ("--debug", "auth", "status", "--json"),
        "secrets list": ("--debug", "secrets", "list", "--json"),
        "secrets check": ("--debug", "secrets", "check", "--json"),
        "draft": ("--debug", "draft", "rest_api", "--openapi", "openapi.json"),
        "subscriptions": ("--debug", "subscriptions", "--json"),
        "limits": ("--debug", "limits", "--json"),
        "failures": ("--debug", "failures", "--json"),
    }
    renew = ("--debug", "subscriptions", "renew", "drive_watch_refused")
    return {name: (line, {}) for name, line in words.items()} | {
        "subscribe": (renew, {"CONNECTORS_PUBLIC_URL": "https://hooks.example.com"})
    }


def _with_other_places(world: World) -> dict[str, _Act]:
    canaries, check, status = world.canaries, ("--debug", "secrets", "check", "--json"), ("--debug", "status", "--json")
    role_id, secret_id = world.vault.approle(policies=("app",), ttl_s=600, max_ttl_s=6000)
    (world.folder / "secret.id").write_text(canaries.keep("secret id of the AppRole", secret_id))
    (world.folder / "wrong.id").write_text(canaries.new("wrong secret id"))
    (world.folder / "more.keys").write_text(f"{canaries.keep('newer sealing key', new_key())}\n{canaries['sealing key']}\n")
    role = {"VAULT_TOKEN": "", "CONNECTORS_VAULT_AUTH": "approle", "CONNECTORS_VAULT_ROLE_ID": "env:ROLE", "ROLE": role_id}
    consul = {"DATABASE_URL": "", "CONNECTORS_CONSUL_PREFIX": "canaries"}
    return {
        "by a role": (check, {**role, "CONNECTORS_VAULT_SECRET_ID": "file:secret.id"}),
        "by a role, wrongly": (check, {**role, "CONNECTORS_VAULT_SECRET_ID": "file:wrong.id"}),
        "by Consul": (status, consul),
        "by Consul, wrongly": (status, {**consul, "CONSUL_HTTP_TOKEN": canaries.new("wrong consul token")}),
    }


def _wrong(world: World) -> dict[str, _Act]:
    canaries, check, status = world.canaries, ("--debug", "secrets", "check", "--json"), ("--debug", "status", "--json")
    (world.folder / "no.keys").write_text(canaries.new("no sealing key", plain=True))
    database = with_account(world.variables["DATABASE_URL"], password=canaries.new("wrong password of the database"))
    vault, proxy = (canaries.new(f"in the address of {what}", plain=True) for what in ("Vault", "a proxy"))
    keys_file = {"CONNECTORS_SECRET_KEYS": ""}
    return {
        "Vault refuses": (check, {"VAULT_TOKEN": canaries.new("wrong vault token", plain=True)}),
        "no keys": (check, {"CONNECTORS_SECRET_KEYS": canaries.new("no sealing key in a variable", plain=True)}),
        "no keys in a file": (check, {**keys_file, "CONNECTORS_SECRET_KEYS_FILE": "no.keys"}),
        "key for a file": (check, {**keys_file, "CONNECTORS_SECRET_KEYS_FILE": canaries.keep("key in the wrong variable", new_key())}),
        "wrong password": (status, {"DATABASE_URL": database}),
        "wrong settings": (status, {"VAULT_ADDR": f"https://u:{vault}@vault:8200", "HTTPS_PROXY": f"ftp://u:{proxy}@proxy"}),
    }
