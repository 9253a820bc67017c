"""Which places of secrets the environment names."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.settings import load_settings
from connector_pipelines.store.sealing import Sealer, new_key
from connector_pipelines.telemetry import scrub

OWN_DATABASE = {"DATABASE_URL": "postgresql://u:a-password-of-it@h/db"}


def test_a_database_of_our_own_has_a_key_of_our_own(tmp_path):
    key_id = Sealer(load_settings({"CONNECTORS_HOME": str(tmp_path)}).sealing_keys).key_id

    assert Sealer(load_settings({"CONNECTORS_HOME": str(tmp_path)}).sealing_keys).key_id == key_id
    assert (tmp_path / "secret.keys").is_file()


def test_a_database_that_others_use_needs_a_key_that_they_have_too(tmp_path):
    settings = load_settings({"CONNECTORS_HOME": str(tmp_path), **OWN_DATABASE})

    with pytest.raises(ConfigurationError, match="CONNECTORS_SECRET_KEYS_FILE"):
        _ = Sealer(settings.sealing_keys).key_id
    assert list(tmp_path.iterdir()) == []


def test_keys_are_given_in_a_variable_or_in_a_file(tmp_path):
    one, two = new_key(), new_key()
    (tmp_path / "keys").write_text(f"{two}\n{one}\n")
    given = Sealer(load_settings({"CONNECTORS_SECRET_KEYS": f" {one}, {two}", **OWN_DATABASE}).sealing_keys)
    filed = Sealer(load_settings({"CONNECTORS_SECRET_KEYS_FILE": str(tmp_path / "keys"), **OWN_DATABASE}).sealing_keys)

    assert given.key_ids == tuple(reversed(filed.key_ids))
    assert given.key_id == given.key_ids[0]


def test_a_key_that_is_none_is_refused_without_being_shown():
    with pytest.raises(ConfigurationError, match="key 1 of CONNECTORS_SECRET_KEYS") as caught:
        _ = load_settings({"CONNECTORS_SECRET_KEYS": "hunter2hunter2"}).sealing_keys

    assert "hunter2" not in str(caught.value)


def test_without_an_address_there_is_no_vault():
    assert load_settings({"VAULT_TOKEN": "hvs.of-nobody"}).vault is None


def test_vault_is_reached_as_its_own_variables_say():
    vault = load_settings(
        {"VAULT_ADDR": "https://vault:8200/", "VAULT_NAMESPACE": "team", "VAULT_CACERT": "/ca.pem", "VAULT_TOKEN": "hvs.token-of-ours-77"}
    ).vault

    assert (vault.address, vault.namespace, vault.ca_file, vault.auth) == ("https://vault:8200", "team", Path("/ca.pem"), "token")
    assert vault.token == SecretStr("hvs.token-of-ours-77")
    assert "token-of-ours" not in repr(vault)
    assert scrub("hvs.token-of-ours-77") == "***"


@pytest.mark.parametrize("way", ["approle", "kubernetes"])
def test_a_way_to_sign_in_is_mounted_under_its_own_name_unless_said_otherwise(way):
    named = {"VAULT_ADDR": "http://vault:8200", "CONNECTORS_VAULT_AUTH": way}

    assert load_settings(named).vault.auth_mount == way
    assert load_settings({**named, "CONNECTORS_VAULT_AUTH_MOUNT": "team/k8s"}).vault.auth_mount == "team/k8s"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAULT_ADDR", "vault:8200"),
        ("VAULT_ADDR", "https://user:hunter2@vault"),
        ("CONNECTORS_VAULT_SECRET_ID", "hunter2-itself"),
        ("CONNECTORS_VAULT_ROLE_ID", "vault:kv/hunter2#x"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://user:hunter2@aws"),
        ("CONNECTORS_VAULT_AUTH", "ldap"),
        ("CONNECTORS_SECRET_LIFETIME", "5 minutes"),
    ],
)
def test_what_is_wrong_is_told_by_the_name_of_the_variable_and_secrets_are_not_shown(name, value):
    with pytest.raises(ConfigurationError, match=f"{name}: ") as caught:
        load_settings({name: value})

    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
