"""Which error of ours a bucket's refusal is, and what it tells and does not tell."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, RateLimited, Unauthenticated, Unavailable
from connector_pipelines.settings import load_settings
from connector_pipelines.sources.s3 import Config
from tests.conftest import S3Server
from tests.sources.s3_proxy import Act, error, way_to
from tests.sources.s3_world import Bucket, changes


@pytest.fixture
def bucket(s3_server: S3Server) -> Bucket:
    return Bucket(f"http://{s3_server.endpoint}", s3_server.access_key, s3_server.secret_key)


@pytest.mark.parametrize(
    ("status", "code", "expected", "advice"),
    [
        (403, "AccessDenied", ConfigurationError, "s3:ListBucket"),
        (404, "NoSuchBucket", ConfigurationError, "Correct `bucket`"),
        (403, "AllAccessDisabled", ConfigurationError, "Correct `bucket`"),
        (403, "InvalidAccessKeyId", Unauthenticated, "access key id"),
        (403, "SignatureDoesNotMatch", Unauthenticated, "secret key"),
        (400, "ExpiredToken", Unauthenticated, "session token"),
        (400, "InvalidToken", Unauthenticated, "session token"),
        (403, "RequestTimeTooSkewed", ConfigurationError, "clock"),
        (503, "SlowDown", RateLimited, ""),
        (429, "TooManyRequests", RateLimited, ""),
        (500, "InternalError", Unavailable, ""),
        (503, "ServiceUnavailable", Unavailable, ""),
        (400, "RequestTimeout", Unavailable, ""),
        (400, "InvalidArgument", Unavailable, ""),
        (418, "SomethingNew", ConfigurationError, "Correct"),
    ],
)
def test_what_is_refused_of_the_bucket_is_the_connectors_fault(
    bucket: Bucket, status: int, code: str, expected: type[ConnectorError], advice: str
) -> None:
    with (
        way_to(
            bucket.endpoint,
            Act(to="list-type", times=9, status=status, body=error(code, StringToSign="AKIA/sig").replace(b"No.", b"AKIA/sig")),
        ) as way,
        pytest.raises(expected) as refusal,
    ):
        changes(bucket.at(way.endpoint).source())
    assert type(refusal.value) is expected
    assert bucket.name in str(refusal.value)
    assert advice in refusal.value.advice
    assert "AKIA" not in f"{refusal.value} {refusal.value.advice}"


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (301, error("PermanentRedirect", Endpoint="b.s3.eu-west-1.amazonaws.com"), {"x-amz-bucket-region": "eu-west-1"}),
        (400, error("AuthorizationHeaderMalformed", Region="eu-west-1"), {}),
        (301, b"", {"x-amz-bucket-region": "eu-west-1"}),
    ],
)
def test_a_bucket_in_another_region_says_which_one_to_set(bucket: Bucket, status: int, body: bytes, headers: dict[str, str]) -> None:
    with (
        way_to(bucket.endpoint, Act(to="list-type", status=status, body=body, added=headers)) as way,
        pytest.raises(ConfigurationError, match="not reached in region us-east-1") as refusal,
    ):
        changes(bucket.at(way.endpoint).source())
    assert refusal.value.advice == "Set `region` to eu-west-1."


def test_what_aws_says_about_missing_rights_is_passed_on(bucket: Bucket) -> None:
    said = "User: arn:aws:iam::1:user/reader is not authorized to perform: s3:ListBucket because no identity-based policy allows it"
    body = error("AccessDenied").replace(b"No.", said.encode())
    with (
        way_to(bucket.endpoint, Act(to="list-type", status=403, body=body)) as way,
        pytest.raises(ConfigurationError, match="no identity-based policy allows it"),
    ):
        changes(bucket.at(way.endpoint).source())


def test_the_keys_are_checked_and_never_repeated(bucket: Bucket) -> None:
    bucket.put("a.txt", b"a")
    wrong = Bucket.at(bucket, bucket.endpoint)
    wrong.secret_key = "not-the-secret-key"
    with pytest.raises(Unauthenticated, match="SignatureDoesNotMatch") as refusal:
        changes(wrong.source())
    shown = f"{refusal.value!r} {refusal.value.advice} {refusal.value.__cause__!r}"
    assert [part for part in (wrong.secret_key, wrong.access_key, "Signature=") if part in shown] == []


def test_a_pause_that_is_asked_for_is_kept(bucket: Bucket) -> None:
    slept: list[float] = []
    with way_to(bucket.endpoint, Act(to="list-type", status=503, body=error("SlowDown"), added={"Retry-After": "7"})) as way:
        changes(bucket.at(way.endpoint).source(slept=slept))
    assert slept == [7.0]


def test_a_long_pause_is_left_to_the_next_sync(bucket: Bucket) -> None:
    slept: list[float] = []
    with (
        way_to(bucket.endpoint, Act(to="list-type", status=503, body=error("SlowDown"), added={"Retry-After": "600"})) as way,
        pytest.raises(RateLimited) as refusal,
    ):
        changes(bucket.at(way.endpoint).source(slept=slept))
    assert (refusal.value.retry_after_s, slept) == (600.0, [])


def test_an_address_where_nobody_answers_is_named(bucket: Bucket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
    slept: list[float] = []
    with pytest.raises(Unavailable, match=f"{host}:{port} did not answer"):
        changes(bucket.at(f"http://{host}:{port}").source(slept=slept))
    assert len(slept) == 3


def test_a_server_that_is_no_s3_is_no_empty_bucket(bucket: Bucket) -> None:
    with (
        way_to(bucket.endpoint, Act(to="list-type", times=9, status=200, body=b"<html><body>Welcome</body></html>")) as way,
        pytest.raises(Unavailable, match="no listing"),
    ):
        changes(bucket.at(way.endpoint).source())


def test_a_redirect_is_not_followed_with_our_signature(bucket: Bucket) -> None:
    with way_to(bucket.endpoint) as elsewhere:
        moved = Act(to="list-type", status=307, added={"Location": f"{elsewhere.endpoint}/{bucket.name}"})
        with way_to(bucket.endpoint, moved) as way, pytest.raises(ConfigurationError):
            changes(bucket.at(way.endpoint).source())
        assert elsewhere.seen == []


class TestCertificates:
    """Of an S3 inside a house, signed by nobody the machine knows."""

    @pytest.fixture
    def address(self, tmp_path: Path, bucket: Bucket) -> Iterator[str]:
        certificate = self_signed(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        page = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        with way_to(bucket.endpoint, Act(to="list-type", times=9, status=200, body=page), tls=context) as way:
            yield way.endpoint

    def test_one_that_is_not_trusted_is_an_operators_matter(self, bucket: Bucket, address: str) -> None:
        with pytest.raises(ConfigurationError, match="shows a certificate that is not trusted: self-signed") as refusal:
            changes(bucket.at(address).source())
        assert "SSL_CERT_FILE" in refusal.value.advice

    def test_one_that_the_machine_was_told_to_trust_is(self, bucket: Bucket, address: str, tmp_path: Path) -> None:
        outbound = load_settings({"SSL_CERT_FILE": str(tmp_path / "certificate.pem")}).outbound
        assert changes(bucket.at(address).source(outbound=outbound)) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"endpoint": "minio:9000"}, "address such as"),
        ({"endpoint": "https://user:hunter2@minio:9000"}, "holds a user or a password"),
        ({"endpoint": "https://minio:port"}, "port"),
        ({"bucket": "a/b"}, "pattern"),
        ({"region": "us/east"}, "pattern"),
        ({"include": ["a//b"]}, "not a glob"),
        ({"page_size": 1001}, "less than or equal to 1000"),
        ({"credentials": {"type": "key", "access_key_id": "AK", "secret_access_key": "hunter2"}}, "reference to a secret"),
    ],
)
def test_settings_that_cannot_be_are_refused_without_showing_them(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as refusal:
        Config.model_validate({"bucket": "papers", "credentials": {"type": "anonymous"}} | settings)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "https://papers.s3.us-east-1.amazonaws.com/a%20b"),
        ({"region": "cn-north-1"}, "https://papers.s3.cn-north-1.amazonaws.com.cn/a%20b"),
        ({"bucket": "my.papers"}, "https://s3.us-east-1.amazonaws.com/my.papers/a%20b"),
        ({"path_style": True}, "https://s3.us-east-1.amazonaws.com/papers/a%20b"),
        ({"endpoint": "https://minio:443/"}, "https://minio/papers/a%20b"),
        ({"endpoint": "https://minio:9000", "path_style": False}, "https://papers.minio:9000/a%20b"),
        ({"endpoint": "https://host/storage/v1/s3"}, "https://host/storage/v1/s3/papers/a%20b"),
    ],
)
def test_the_bucket_stands_where_the_settings_say(bucket: Bucket, settings: dict[str, object], url: str) -> None:
    source = bucket.source(**{"bucket": "papers", "endpoint": None, "credentials": {"type": "anonymous"}} | settings)
    assert source._client.url("a b") == url


def self_signed(folder: Path) -> Path:
    """A file with the certificate of 127.0.0.1 and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2999, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(form[0]) + key.private_bytes(*form))
    return path
