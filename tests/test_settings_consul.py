"""Settings that are kept in Consul, over HTTP, against the stand-in for it."""

from __future__ import annotations

import logging
import ssl
import traceback

import pytest
import trustme

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.settings import load_settings
from connector_pipelines.telemetry import scrub
from connector_pipelines.testing.consul import ConsulStandIn


@pytest.fixture
def consul():
    with ConsulStandIn() as server:
        server.put("connectors/prod/", None)
        server.put("connectors/prod/CONNECTORS_DOWNLOAD_THREADS", "17\n")
        server.put("connectors/prod/DATABASE_URL", "postgresql://u:kept-in-consul-81@h/db")
        yield server


def variables(server: ConsulStandIn, **more: str) -> dict[str, str]:
    return {"CONSUL_HTTP_ADDR": server.address, "CONNECTORS_CONSUL_PREFIX": "connectors/prod", **more}


def test_what_the_environment_does_not_set_is_read_below_the_prefix(consul):
    settings = load_settings(variables(consul))

    assert settings.download_threads == 17
    assert settings.database_url.get_secret_value() == "postgresql://u:kept-in-consul-81@h/db"
    assert scrub("kept-in-consul-81") == "***"


def test_the_environment_wins(consul):
    assert load_settings(variables(consul, CONNECTORS_DOWNLOAD_THREADS="3")).download_threads == 3


def test_an_empty_value_counts_as_unset(consul):
    consul.put("connectors/prod/CONNECTORS_LOG_LEVEL", " ")
    consul.put("connectors/prod/MINIO_BUCKET", None)

    settings = load_settings(variables(consul))

    assert (settings.log_level, settings.minio_bucket) == ("INFO", "connectors")


def test_without_a_prefix_consul_is_not_asked(consul):
    load_settings({"CONSUL_HTTP_ADDR": consul.address})

    assert consul.journal == []


def test_it_is_asked_once_in_the_life_of_a_process(consul):
    for _ in range(3):
        load_settings(variables(consul))

    assert len(consul.journal) == 1


def test_keys_of_another_prefix_are_none_of_ours(consul):
    consul.put("connectors/production/CONNECTORS_DOWNLOAD_THREADS", "99")
    consul.put("connectors/prod/nested/CONNECTORS_DOWNLOAD_THREADS", "99")

    assert load_settings(variables(consul)).download_threads == 17


def test_keys_that_are_no_settings_are_warned_about_by_name(consul, caplog):
    for name in ("CONECTORS_HOME", "DAGSTER_HOME", "CONSUL_HTTP_TOKEN"):
        consul.put(f"connectors/prod/{name}", "its-value-is-not-told")
    logger = logging.getLogger("connector_pipelines.settings_consul")
    logger.addHandler(caplog.handler)

    load_settings(variables(consul))
    load_settings(variables(consul))
    logger.removeHandler(caplog.handler)

    # Each once, whatever else has the handler.
    records = {id(record): record for record in caplog.records}.values()
    assert [r.getMessage().split(" ")[1] for r in records] == [
        f"key=connectors/prod/{name}" for name in ("CONECTORS_HOME", "CONSUL_HTTP_TOKEN", "DAGSTER_HOME")
    ]
    assert "its-value-is-not-told" not in caplog.text


def test_a_mistake_in_a_value_is_told_like_any_other(consul):
    consul.put("connectors/prod/CONNECTORS_LOG_FORMAT", "xml")

    with pytest.raises(ConfigurationError, match="CONNECTORS_LOG_FORMAT"):
        load_settings(variables(consul))


def test_a_prefix_without_keys_is_an_error_and_not_the_defaults(consul):
    with pytest.raises(ConfigurationError, match="no key below 'connectors/test/'"):
        load_settings(variables(consul, CONNECTORS_CONSUL_PREFIX="connectors/test"))


def test_a_token_is_sent_and_asked_for_where_it_is_missing():
    with ConsulStandIn(token="consul-token-5512") as server:
        server.put("connectors/prod/CONNECTORS_DOWNLOAD_THREADS", "17")

        assert load_settings(variables(server, CONSUL_HTTP_TOKEN="consul-token-5512")).download_threads == 17
        with pytest.raises(ConfigurationError) as caught:
            load_settings(variables(server, CONSUL_HTTP_TOKEN="consul-token-wrong"))

    assert 'key_prefix "connectors/prod/" { policy = "read" }' in caught.value.advice
    assert scrub("consul-token-5512 consul-token-wrong") == "*** ***"


def test_a_cluster_without_a_leader_is_unavailable(consul):
    consul.has_leader = False

    with pytest.raises(Unavailable, match="answered 500"):
        load_settings(variables(consul))
    consul.has_leader = True
    assert load_settings(variables(consul)).download_threads == 17


def test_a_consul_that_is_not_there_is_told_with_how_to_go_without():
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9, which does not answer") as caught:
        load_settings({"CONSUL_HTTP_ADDR": "http://127.0.0.1:9", "CONNECTORS_CONSUL_PREFIX": "p"})

    assert "CONNECTORS_CONSUL_PREFIX" in caught.value.advice


def test_a_value_that_is_no_text_is_refused_without_being_shown(consul):
    consul.put("connectors/prod/MINIO_SECRET_KEY", b"\xff\xfehunter2")

    with pytest.raises(ConfigurationError) as caught:
        load_settings(variables(consul))

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_the_certificate_of_a_private_authority_is_accepted_when_it_is_named_and_never_else(tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with ConsulStandIn(tls=context) as server:
        server.put("connectors/prod/CONNECTORS_DOWNLOAD_THREADS", "17")

        with pytest.raises(Unavailable):
            load_settings(variables(server))
        assert load_settings(variables(server, CONSUL_CACERT=str(tmp_path / "ca.pem"))).download_threads == 17


@pytest.mark.parametrize("address", ["consul:8500", "http://user:hunter2@consul:8500"])
def test_an_address_that_is_none_is_refused_without_being_shown(address):
    with pytest.raises(ConfigurationError, match="CONSUL_HTTP_ADDR: is not an address") as caught:
        load_settings({"CONSUL_HTTP_ADDR": address, "CONNECTORS_CONSUL_PREFIX": "p"})

    assert "hunter2" not in str(caught.value)
