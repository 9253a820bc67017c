"""Keys, passwords, certificates, signatures, and sign-ins of other distributions."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.net.protocols import SignIn
from connector_pipelines.telemetry import scrub

URL = "https://api.example.com/v1/things?b=2&a=1%20x"
_AUTH: TypeAdapter[Any] = TypeAdapter(Auth)


def made(auth: dict[str, Any], secrets: dict[str, str] | None = None) -> SignIn:
    found = make_sign_in(_AUTH.validate_python(auth), secret=lambda r: SecretStr((secrets or {})[r]), connector="CRM")
    assert found is not None
    return found


def test_without_a_sign_in_there_is_none() -> None:
    assert make_sign_in(_AUTH.validate_python({"type": "none"}), secret=lambda _: SecretStr(""), connector="CRM") is None


@pytest.mark.parametrize(
    ("auth", "headers", "params"),
    [
        ({"type": "apikey", "key": "env:K"}, {"X-API-Key": "k-123456"}, {}),
        ({"type": "apikey", "key": "env:K", "name": "Authorization", "prefix": "Token"}, {"Authorization": "Token k-123456"}, {}),
        ({"type": "apikey", "key": "env:K", "place": "query", "name": "key"}, {}, {"key": "k-123456"}),
        ({"type": "bearer", "token": "env:K"}, {"authorization": "Bearer k-123456"}, {}),
        ({"type": "bearer", "token": "env:K", "prefix": "SSWS"}, {"authorization": "SSWS k-123456"}, {}),
        ({"type": "basic", "username": "ada", "password": "env:K"}, {"authorization": f"Basic {base64.b64encode(b'ada:k-123456').decode()}"}, {}),
        ({"type": "basic", "username_secret": "env:K"}, {"authorization": f"Basic {base64.b64encode(b'k-123456:').decode()}"}, {}),
    ],
)  # fmt: skip
def test_what_is_the_same_for_every_request(auth: dict[str, Any], headers: dict[str, str], params: dict[str, str]) -> None:
    sign_in = made(auth, {"env:K": "k-123456"})
    assert sign_in.headers("GET", URL, b"") == headers
    assert sign_in.params() == params
    assert sign_in.certificate is None


def test_a_password_in_its_header_form_is_masked() -> None:
    sent = made({"type": "basic", "username": "ada", "password": "env:K"}, {"env:K": "sesame-4711"}).headers("GET", URL, b"")
    assert scrub(f"sent {sent['authorization']}") == "sent Basic ***"


def test_a_key_that_was_replaced_is_worth_another_try_and_the_same_key_is_not() -> None:
    kept, newest = {"env:K": "old-key-123"}, {"env:K": "old-key-123"}
    sign_in = make_sign_in(
        _AUTH.validate_python({"type": "apikey", "key": "env:K"}), secret=lambda r: SecretStr(kept[r]), connector="CRM",
        forget=lambda r: kept.update({r: newest[r]}),
    )  # fmt: skip
    assert sign_in is not None
    sent = sign_in.headers("GET", URL, b"")
    before = sign_in.refused(sent)
    newest["env:K"] = "new-key-123"

    assert (before, sign_in.refused(sent)) == (False, True)
    assert sign_in.headers("GET", URL, b"") == {"X-API-Key": "new-key-123"}


def test_a_key_with_a_line_break_is_named_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="'env:K' cannot go into a header") as refused:
        made({"type": "bearer", "token": "env:K"}, {"env:K": "two\nlines"}).headers("GET", URL, b"")
    assert "two" not in str(refused.value)


def test_a_certificate_may_hold_its_key() -> None:
    found = made({"type": "certificate", "certificate": "env:PEM"}, {"env:PEM": "CERTIFICATE AND KEY"}).certificate
    assert found is not None
    assert found.certificate.get_secret_value() == found.key.get_secret_value() == "CERTIFICATE AND KEY"


def test_a_signed_request_is_signed_as_aws_signs_it() -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    auth = {
        "type": "sigv4", "access_key": "env:A", "secret_key": "env:S", "session_token": "env:T", "region": "eu-central-1",
        "service": "execute-api",
    }  # fmt: skip
    sign_in = made(auth, {"env:A": "AKIDEXAMPLE", "env:S": "secret-key", "env:T": "session"})

    sent = sign_in.headers("POST", URL, b'{"a": 1}')

    expected = AWSRequest(method="POST", url=URL, data=b'{"a": 1}')
    expected.context["timestamp"] = sent["x-amz-date"]
    expected.headers["X-Amz-Date"] = sent["x-amz-date"]
    expected.headers["X-Amz-Security-Token"] = "session"
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "secret-key", "session"), "execute-api", "eu-central-1")
    signature = signer.signature(signer.string_to_sign(expected, signer.canonical_request(expected)), expected)
    assert sent["authorization"].endswith(f"Signature={signature}")
    assert sent["x-amz-security-token"] == "session"
    assert not sign_in.refused(sent)


def test_a_request_to_s3_carries_the_hash_of_its_body() -> None:
    auth = {"type": "sigv4", "access_key": "env:A", "secret_key": "env:S", "region": "eu-central-1", "service": "s3"}
    sent = made(auth, {"env:A": "AKIDEXAMPLE", "env:S": "secret-key"}).headers("GET", "https://b.s3.amazonaws.com/a%2Fb", b"")
    assert sent["x-amz-content-sha256"].startswith("e3b0c44298fc1c14")


_PLUGIN = """
class Signed:
    certificate = None
    def __init__(self, settings, secret):
        self.user, self.key = settings["user"], secret(settings["key"])
    def headers(self, method, url, body):
        return {"x-signed": f"{self.user} {method} {self.key.get_secret_value()}"}
    def params(self):
        return {}
    def refused(self, headers):
        return False

def half(settings, secret):
    return object()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another distribution, installed."""
    (tmp_path / "acme_signing.py").write_text(_PLUGIN)
    info = tmp_path / "acme_signing-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-signing\nVersion: 1\n")
    points = "acme = acme_signing:Signed\nhalf = acme_signing:half\ngone = acme_missing:Signed\n"
    (info / "entry_points.txt").write_text(f"[connector_pipelines.auth]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_signing", None)


@pytest.mark.usefixtures("plugin")
def test_another_distribution_brings_a_sign_in() -> None:
    sign_in = made({"type": "custom", "kind": "acme", "settings": {"user": "ada", "key": "env:K"}}, {"env:K": "k-1"})
    assert sign_in.headers("GET", URL, b"") == {"x-signed": "ada GET k-1"}


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("acme", "the sign-in 'acme' of acme-signing does not work: KeyError: 'user'"),
        ("half", "the sign-in 'half' of acme-signing is none: it has no certificate, headers, params, refused"),
        ("gone", "the sign-in 'gone' of acme-signing does not work: ModuleNotFoundError"),
        ("none_such", "there is no sign-in 'none_such'; installed: acme, gone, half"),
    ],
)
def test_what_is_wrong_with_a_sign_in_of_others_is_told(kind: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem.replace("(", r"\(")):
        made({"type": "custom", "kind": kind})
