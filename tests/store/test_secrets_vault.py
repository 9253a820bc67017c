"""`vault:` references, by the real hvac over HTTP, against the stand-in for Vault."""

from __future__ import annotations

import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, RateLimited, Unauthenticated, Unavailable
from connector_pipelines.store.secrets import Secrets, Vault, VaultSettings
from connector_pipelines.store.secrets import _vault_session as session_module
from connector_pipelines.telemetry import scrub
from connector_pipelines.testing._loopback import Answer
from connector_pipelines.testing.vault import VaultStandIn

CANARY = "vault-canary-5f1c77"


class Clock:
    """Seconds, as told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock) -> Iterator[VaultStandIn]:
    with VaultStandIn(clock) as server:
        server.put("kv/app", password=CANARY, user="app")
        server.policy("reader", "kv/data/*", "team/kv/data/*")
        yield server


@pytest.fixture
def vault(server, clock, tmp_path) -> Iterator[Callable[..., Vault]]:
    """Makes backends; with a token that may read everything and does not end, unless told otherwise."""
    made = []

    def make(**settings) -> Vault:
        if not settings:
            settings = {"token": SecretStr(server.token("reader", "default"))}
        local = Secrets(settings.pop("variables", {}), tmp_path)
        whole = VaultSettings(**{"address": server.address, **settings})
        made.append(Vault(whole, lambda reference: local.resolve(reference).get_secret_value(), clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


def as_approle(role: tuple[str, str]) -> dict[str, Any]:
    variables = {"ROLE_ID": role[0], "SECRET_ID": role[1]}
    return {"auth": "approle", "auth_mount": "approle", "role_id": "env:ROLE_ID", "secret_id": "env:SECRET_ID", "variables": variables}


def logins(server: VaultStandIn) -> int:
    return sum(path.endswith("/login") for _, path, _ in server.journal)


def renewals(server: VaultStandIn) -> int:
    return sum(path.endswith("/renew-self") for _, path, _ in server.journal)


def refused(fetch: Callable[[], object], kind: type[ConnectorError]) -> ConnectorError:
    with pytest.raises(kind) as caught:
        fetch()
    told = "".join(traceback.format_exception(caught.value))
    assert CANARY not in told
    assert type(caught.value) is kind
    return caught.value


def test_a_field_of_a_secret_is_read(vault):
    assert vault().fetch("kv/app#password") == CANARY


def test_the_newest_version_is_read_unless_one_is_named(vault, server):
    server.put("kv/app", password="newer")

    assert vault().fetch("kv/app#password") == "newer"
    assert vault().fetch("kv/app?version=1#password") == CANARY


def test_what_is_no_text_comes_as_json(vault, server):
    server.put("kv/odd", port=5432, key={"kid": "a"})

    assert vault().fetch("kv/odd#port") == "5432"
    assert vault().fetch("kv/odd#key") == '{"kid": "a"}'


def test_an_engine_may_be_mounted_at_a_path_with_slashes(vault, server):
    server.mount("team/kv", version=2)
    server.put("team/kv/deep/app", password="from-the-team")

    assert vault().fetch("team/kv/deep/app#password") == "from-the-team"


def test_the_mount_is_asked_for_once(vault, server):
    backend = vault()
    for _ in range(3):
        backend.fetch("kv/app#user")

    assert sum("mounts" in path for _, path, _ in server.journal) == 1


def test_a_missing_field_is_told_with_the_names_of_those_that_are_there(vault):
    error = refused(lambda: vault().fetch("kv/app#pasword"), ConfigurationError)

    assert "'pasword'; it has: password, user" in str(error)


def test_a_missing_path_is_told(vault):
    error = refused(lambda: vault().fetch("kv/ap#password"), ConfigurationError)

    assert "'vault:kv/ap#password': there is none at that path" in str(error)
    assert "vault kv get kv/ap" in error.advice


def test_the_path_of_the_api_is_recognised_as_the_mistake_it_is(vault):
    assert "vault:kv/app#password" in refused(lambda: vault().fetch("kv/data/app#password"), ConfigurationError).advice


@pytest.mark.parametrize(("destroy", "says"), [(False, "version 1 in Vault was deleted"), (True, "version 1 in Vault was destroyed")])
def test_a_deleted_version_is_told_from_one_that_never_was(vault, server, destroy, says):
    server.delete("kv/app", 1, destroy=destroy)

    assert says in str(refused(lambda: vault().fetch("kv/app#password"), ConfigurationError))


def test_an_engine_of_version_1_is_refused_with_what_lifts_it(vault, server):
    server.mount("old", version=1)
    server.policy("reader", "old/*")

    error = refused(lambda: vault().fetch("old/app#password"), ConfigurationError)

    assert "vault kv enable-versioning old" in error.advice


@pytest.mark.parametrize("allowed", ["kv/data/other", "elsewhere/data/*"])
def test_a_token_that_may_not_read_it_is_told_which_policy_is_missing(vault, server, allowed):
    server.policy("narrow", allowed)

    error = refused(lambda: vault(token=SecretStr(server.token("narrow", "default"))).fetch("kv/app#password"), ConfigurationError)

    assert "'vault:kv/app#password'" in str(error)
    assert 'path "kv/data/app" { capabilities = ["read"] }' in error.advice


def test_a_token_that_may_not_look_at_itself_reads_all_the_same(vault, server):
    assert vault(token=SecretStr(server.token("reader"))).fetch("kv/app#password") == CANARY


def test_a_policy_that_does_not_let_us_look_at_the_mount_is_enough_to_read(vault, server):
    server.policy("odd", "[k]v/data/app")

    assert vault(token=SecretStr(server.token("odd", "default"))).fetch("kv/app#password") == CANARY
    assert [status for _, path, status in server.journal if "mounts" in path] == [403]


def test_a_revoked_token_is_told_as_that_and_not_as_a_missing_policy(vault, server):
    token = server.token("reader", "default")
    backend = vault(token=SecretStr(token))
    backend.fetch("kv/app#password")
    server.revoke(token)

    assert "does not accept our token" in str(refused(lambda: backend.fetch("kv/app#password"), Unauthenticated))


def test_a_token_in_a_file_that_was_replaced_is_read_anew_when_the_old_one_is_refused(vault, server, tmp_path):
    path, first = tmp_path / "vault-token", server.token("reader", "default")
    path.write_text(f"{first}\n")
    path.chmod(0o600)
    backend = vault(token_file=path)
    backend.fetch("kv/app#password")
    path.write_text(server.token("reader", "default"))
    server.revoke(first)

    assert backend.fetch("kv/app#password") == CANARY


def test_the_token_of_the_user_running_us_is_not_taken_unasked(vault, server, tmp_path, monkeypatch):
    (tmp_path / ".vault-token").write_text("hvs.of-the-user")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", "hvs.of-the-environment")

    error = refused(lambda: vault(auth="token").fetch("kv/app#password"), ConfigurationError)
    sent: list[str | None] = []
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda call: (sent.append(call.headers.get("x-vault-token")), answer(call))[1])
    vault(**as_approle(server.approle(policies=("reader",), ttl_s=60, max_ttl_s=60))).fetch("kv/app#password")

    assert sent[0] is None
    assert not any("of-the" in (token or "") for token in sent)
    assert "there is no token" in str(error)


def test_an_approle_signs_in_once_and_reads(vault, server):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=3600, max_ttl_s=7200)))

    assert [backend.fetch("kv/app#password") for _ in range(3)] == [CANARY] * 3
    assert logins(server) == 1


def test_a_refused_approle_is_a_refused_sign_in(vault, server):
    role_id, _ = server.approle(policies=("reader",), ttl_s=60, max_ttl_s=60)

    wrong = as_approle((role_id, "no-such-" + "secret-id-4711"))
    error = refused(lambda: vault(**wrong).fetch("kv/app#password"), Unauthenticated)

    assert "secret-id" in error.advice
    assert "no-such-secret-id-4711" not in "".join(traceback.format_exception(error))


def test_a_way_to_sign_in_that_is_not_mounted_is_told(vault, server):
    settings = as_approle(server.approle(policies=("reader",), ttl_s=60, max_ttl_s=60)) | {"auth_mount": "roles"}

    error = refused(lambda: vault(**settings).fetch("kv/app#password"), Unauthenticated)

    assert "auth/roles" in str(error)
    assert "CONNECTORS_VAULT_AUTH_MOUNT" in error.advice


def test_a_service_account_of_kubernetes_signs_in_with_the_token_its_file_has_now(vault, server, tmp_path, clock):
    path = tmp_path / "token"
    path.write_text("jwt-one")
    path.chmod(0o600)
    server.kubernetes("sync", "jwt-one", policies=("reader", "default"), ttl_s=100, renewable=False)
    backend = vault(auth="kubernetes", auth_mount="kubernetes", role="sync", jwt_file=path)
    assert backend.fetch("kv/app#password") == CANARY

    path.write_text("jwt-two")
    server.kubernetes("sync", "jwt-two", policies=("reader", "default"), ttl_s=100, renewable=False)
    clock.now += 101

    assert backend.fetch("kv/app#password") == CANARY


def test_a_token_is_renewed_at_half_of_its_lease_and_not_before(vault, server, clock):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=10_000)))
    backend.fetch("kv/app#password")

    clock.now += 49
    backend.fetch("kv/app#password")
    assert renewals(server) == 0
    clock.now += 2
    backend.fetch("kv/app#password")
    assert renewals(server) == 1
    clock.now += 60
    assert backend.session.look_after() == 50
    clock.now += 99
    backend.fetch("kv/app#password")

    assert logins(server) == 1
    assert renewals(server) == 3


def test_near_its_maximum_a_token_is_exchanged_for_a_new_one(vault, server, clock):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=120)))
    backend.fetch("kv/app#password")

    for _ in range(5):
        clock.now += 51
        backend.fetch("kv/app#password")

    assert logins(server) == 3
    assert all(status == 200 for _, _, status in server.journal)


def test_a_token_that_ran_out_while_nobody_asked_is_got_anew(vault, server, clock):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=10_000)))
    backend.fetch("kv/app#password")
    clock.now += 500

    assert backend.fetch("kv/app#password") == CANARY
    assert logins(server) == 2


def test_a_secret_id_that_may_be_used_once_lasts_for_as_long_as_its_token_is_renewed(vault, server, clock):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=10_000, uses=1)))
    for _ in range(20):
        backend.fetch("kv/app#password")
        clock.now += 60

    assert logins(server) == 1
    assert renewals(server) == 19


def test_while_renewal_and_sign_in_fail_what_is_held_is_used_to_its_end(vault, server, clock):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=110, uses=1)))
    backend.fetch("kv/app#password")

    clock.now += 80
    assert backend.fetch("kv/app#password") == CANARY
    clock.now += 40
    refused(lambda: backend.fetch("kv/app#password"), Unauthenticated)


def test_a_renewal_that_vault_did_not_answer_is_tried_again_before_the_end(vault, server, clock):
    backend = vault(**as_approle(server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=10_000)))
    backend.fetch("kv/app#password")
    clock.now += 60
    server.state = "sealed"

    assert backend.session.look_after() == 20
    server.state = "active"
    clock.now += 20
    backend.session.look_after()

    assert renewals(server) == 2
    assert logins(server) == 1


def test_a_token_is_renewed_while_nobody_asks_for_a_secret(server, monkeypatch, tmp_path):
    with VaultStandIn() as quick:
        quick.put("kv/app", password=CANARY)
        quick.policy("reader", "kv/data/*")
        renewed = threading.Event()
        answer = quick.answer
        monkeypatch.setattr(quick, "answer", lambda call: (renewed.set() if "renew" in call.path else None, answer(call))[1])
        monkeypatch.setattr(session_module, "SHORTEST_WAIT_S", 0.05)
        token = quick.token("reader", "default", ttl_s=2, max_ttl_s=3600)
        backend = Vault(VaultSettings(address=quick.address, token=SecretStr(token)), lambda _: "")
        backend.fetch("kv/app#password")

        assert renewed.wait(20)
        backend.close()


@pytest.mark.parametrize(
    ("state", "kind", "says"),
    [
        ("sealed", Unavailable, "sealed"),
        ("standby", Unavailable, "an error of its own"),
        ("performance_standby", Unavailable, "an error of its own"),
        ("broken", Unavailable, "an error of its own"),
        ("limited", RateLimited, "429"),
        ("uninitialized", ConfigurationError, "not initialised"),
    ],
)
def test_a_vault_that_cannot_answer_is_told_from_one_that_refuses(vault, server, state, kind, says):
    backend = vault()
    backend.fetch("kv/app#password")
    server.state = state

    assert says in str(refused(lambda: backend.fetch("kv/app#password"), kind))


def test_a_vault_that_is_not_there_is_unavailable(vault):
    error = refused(lambda: vault(address="http://127.0.0.1:9", token=SecretStr("hvs.x")).fetch("kv/app#password"), Unavailable)

    assert "http://127.0.0.1:9" in str(error)


def test_a_standby_that_names_its_leader_is_followed(vault, server):
    with VaultStandIn() as standby:
        standby.state, standby.leader = "standby", server.address
        backend = vault(address=standby.address, token=SecretStr(server.token("reader", "default")))

        assert backend.fetch("kv/app#password") == CANARY


def test_a_namespace_is_named_to_the_server(clock, vault):
    with VaultStandIn(clock, namespace="team-a") as server:
        server.put("kv/app", password=CANARY)
        server.policy("reader", "kv/data/*")
        settings = {"address": server.address, "token": SecretStr(server.token("reader", "default"))}

        assert vault(**settings, namespace="team-a").fetch("kv/app#password") == CANARY
        refused(lambda: vault(**settings, namespace="team-b").fetch("kv/app#password"), Unauthenticated)


def test_the_certificate_of_a_private_authority_is_accepted_when_it_is_named_and_never_else(vault, tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with VaultStandIn(tls=context) as server:
        server.put("kv/app", password=CANARY)
        server.policy("reader", "kv/data/*")
        settings = VaultSettings(address=server.address, token=SecretStr(server.token("reader", "default")))

        trusting = Vault(replace(settings, ca_file=tmp_path / "ca.pem"), lambda _: "")
        assert trusting.fetch("kv/app#password") == CANARY
        error = refused(lambda: Vault(settings, lambda _: "").fetch("kv/app#password"), ConfigurationError)
        assert "VAULT_CACERT" in error.advice
        trusting.close()


def test_a_redirect_never_takes_the_token_away_from_tls(vault, server, tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with VaultStandIn(tls=context) as standby:
        standby.state, standby.leader = "standby", server.address
        backend = vault(address=standby.address, ca_file=tmp_path / "ca.pem", token=SecretStr(server.token("reader", "default")))

        refused(lambda: backend.fetch("kv/app#password"), ConfigurationError)
        assert server.journal == []


def test_what_answers_in_another_way_than_vault_is_told(vault, server, monkeypatch):
    monkeypatch.setattr(server, "answer", lambda call: Answer(200, ["a page of a proxy"]))

    error = refused(lambda: vault(token=SecretStr("hvs.x")).fetch("kv/app#password"), ConfigurationError)

    assert "in another way than Vault" in str(error)


@pytest.mark.parametrize("at", ["mounts", "data"])
def test_a_request_that_vault_calls_wrong_is_a_fault_of_ours_to_name(vault, server, monkeypatch, at):
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda call: Answer(400, {"errors": ["no"]}) if f"/{at}/" in call.path else answer(call))

    assert "refused the request" in str(refused(lambda: vault().fetch("kv/app#password"), ConfigurationError))


def test_without_an_address_it_is_told_which_variable_is_missing():
    with pytest.raises(ConfigurationError, match="VAULT_ADDR is not set"):
        Vault(None, lambda _: "")


def test_the_token_is_masked_and_shown_by_nothing(vault, server):
    role = server.approle(policies=("reader", "default"), ttl_s=100, max_ttl_s=1000)
    backend = vault(**as_approle(role))
    backend.fetch("kv/app#password")
    token = backend.session._client.token

    assert scrub(f"sent {token} and {role[1]}") == "sent *** and ***"
    assert token not in f"{backend!r} {backend.session!r} {backend.session._held!r}"
