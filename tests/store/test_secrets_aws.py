"""`aws:` references, by the real boto3, against moto's server."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, RateLimited, Unauthenticated, Unavailable
from connector_pipelines.store.secrets import AwsSecrets, AwsSettings
from connector_pipelines.testing._loopback import Answer, Call, Loopback

CANARY = "aws-canary-c20e44"
REGION = "eu-central-1"


class Refusing(Loopback):
    """Answers every request with one error, as Secrets Manager words it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__()
        self._answer = Answer(status, {"__type": code, "message": f"no {CANARY}"}, {"Content-Type": "application/x-amz-json-1.1"})

    def answer(self, call: Call) -> Answer:
        return self._answer


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch, tmp_path):
    """Those of the tests, and none of the machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture
def owner(address):
    """Whoever keeps secrets there."""
    client = boto3.client("secretsmanager", region_name=REGION, endpoint_url=address)
    yield client
    for secret in client.list_secrets()["SecretList"]:
        client.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
    client.close()


@pytest.fixture
def aws(address) -> Iterator[AwsSecrets]:
    backend = AwsSecrets(AwsSettings(region=REGION, address=address))
    yield backend
    backend.close()


def refused(backend: AwsSecrets, name: str, kind: type[ConnectorError]) -> ConnectorError:
    with pytest.raises(kind) as caught:
        backend.fetch(name)
    assert type(caught.value) is kind
    assert "prod/app" in str(caught.value)
    assert CANARY not in str(caught.value) + caught.value.advice
    return caught.value


def test_a_whole_secret_is_read(aws, owner):
    owner.create_secret(Name="prod/app", SecretString=CANARY)

    assert aws.fetch("prod/app") == CANARY


def test_a_field_of_a_secret_is_read(aws, owner):
    owner.create_secret(Name="prod/app", SecretString=json.dumps({"password": CANARY, "port": 5432}))

    assert aws.fetch("prod/app#password") == CANARY
    assert aws.fetch("prod/app#port") == "5432"


def test_the_current_version_is_read(aws, owner):
    owner.create_secret(Name="prod/app", SecretString="first")
    owner.put_secret_value(SecretId="prod/app", SecretString="second")

    assert aws.fetch("prod/app") == "second"


def test_an_arn_says_its_own_region(address, owner):
    arn = owner.create_secret(Name="prod/app", SecretString=CANARY)["ARN"]
    backend = AwsSecrets(AwsSettings(region="us-west-2", address=address))

    assert backend.fetch(arn) == CANARY
    refused(backend, "prod/app", ConfigurationError)
    backend.close()


def test_bytes_that_are_text_are_read(aws, owner):
    owner.create_secret(Name="prod/app", SecretBinary=CANARY.encode())

    assert aws.fetch("prod/app") == CANARY


def test_bytes_that_are_none_are_refused_without_being_shown(aws, owner):
    owner.create_secret(Name="prod/app", SecretBinary=b"\xff\xfe" + CANARY.encode())

    error = refused(aws, "prod/app", ConfigurationError)

    assert CANARY not in "".join(traceback.format_exception(error))
    assert error.__cause__ is error.__context__ is None


def test_a_missing_field_is_told_with_the_names_of_those_that_are_there(aws, owner):
    owner.create_secret(Name="prod/app", SecretString=json.dumps({"password": CANARY, "user": "app"}))

    assert "'pasword'; it has: password, user" in str(refused(aws, "prod/app#pasword", ConfigurationError))


@pytest.mark.parametrize("text", [CANARY, f'["{CANARY}"]', f'{{"{CANARY}'])
def test_a_field_of_what_has_none_is_refused_without_showing_it(aws, owner, text):
    owner.create_secret(Name="prod/app", SecretString=text)

    error = refused(aws, "prod/app#password", ConfigurationError)

    assert "not a JSON object" in str(error)
    assert CANARY not in "".join(traceback.format_exception(error))


def test_a_secret_that_is_not_there_is_told(aws, owner):
    assert "has none of that name" in str(refused(aws, "prod/app", ConfigurationError))


def test_a_secret_that_is_about_to_be_deleted_is_told(aws, owner):
    owner.create_secret(Name="prod/app", SecretString=CANARY)
    owner.delete_secret(SecretId="prod/app")

    assert "restore-secret" in refused(aws, "prod/app", ConfigurationError).advice


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "AccessDeniedException", ConfigurationError),
        (400, "DecryptionFailure", ConfigurationError),
        (400, "SomethingNew", ConfigurationError),
        (400, "UnrecognizedClientException", Unauthenticated),
        (400, "ExpiredTokenException", Unauthenticated),
        (403, "InvalidSignatureException", Unauthenticated),
        (400, "ThrottlingException", RateLimited),
        (500, "InternalServiceError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
    ],
)
def test_each_refusal_is_the_class_of_who_can_act_on_it(status, code, kind, monkeypatch):
    monkeypatch.setattr("connector_pipelines.store.secrets._aws.ATTEMPTS", 1)
    with Refusing(status, code) as server:
        backend = AwsSecrets(AwsSettings(region=REGION, address=server.address))
        error = refused(backend, "prod/app", kind)
        backend.close()

    assert code in str(error) or error.advice


def test_what_does_not_answer_is_unavailable(monkeypatch):
    monkeypatch.setattr("connector_pipelines.store.secrets._aws.ATTEMPTS", 1)

    refused(AwsSecrets(AwsSettings(region=REGION, address="http://127.0.0.1:9")), "prod/app", Unavailable)


def test_without_credentials_it_is_told(address, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    refused(AwsSecrets(AwsSettings(region=REGION, address=address)), "prod/app", Unauthenticated)


def test_without_a_region_it_is_told_which_variable_is_missing():
    with pytest.raises(ConfigurationError) as caught:
        AwsSecrets(AwsSettings()).fetch("prod/app")

    assert "AWS_REGION" in caught.value.advice
