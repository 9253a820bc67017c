"""Who a source is to the S3: by key, profile, role, what the machine has, or nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from connector_pipelines.core.errors import ConfigurationError, SecurityError, Unauthenticated, Unavailable
from connector_pipelines.sources.s3 import Config, Source
from connector_pipelines.testing._source_world import content
from tests.conftest import S3Server
from tests.sources.s3_proxy import way_to
from tests.sources.s3_world import Bucket, client, refs, tools

PROFILE = "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n[other]\nregion = eu-west-1\n"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    """On the server that checks signatures, on a machine without any credentials."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    # Where a container is given its own; nobody listens there.
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/credentials")
    bucket = Bucket(f"http://{s3_server.endpoint}", s3_server.access_key, s3_server.secret_key)
    bucket.put("a.txt", b"a")
    return bucket


def reads(source: Source) -> bool:
    return content(source, refs(source)["a.txt"]) == b"a"


class TestProfile:
    def test_the_keys_of_a_profile_sign(self, bucket: Bucket, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text(PROFILE.format(id=bucket.access_key, secret=bucket.secret_key))
        assert reads(bucket.source(credentials={"type": "profile"}))

    @pytest.mark.parametrize("name", ["other", "missing"])
    def test_a_profile_without_keys_is_named(self, bucket: Bucket, tmp_path: Path, name: str) -> None:
        (tmp_path / "credentials").write_text(PROFILE.format(id="i", secret="s"))
        with pytest.raises(ConfigurationError, match=f"no keys in profile '{name}'.*credentials"):
            refs(bucket.source(credentials={"type": "profile", "name": name}))

    def test_a_file_that_cannot_be_read_does_not_show_its_lines(self, bucket: Bucket, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text("aws_secret_access_key = hunter2\n")
        with pytest.raises(ConfigurationError, match="no keys in profile") as refusal:
            refs(bucket.source(credentials={"type": "profile"}))
        assert "hunter2" not in f"{refusal.value!r} {refusal.value.__cause__!r}"


class TestAmbient:
    def test_the_environment_comes_first(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text(PROFILE.format(id="another", secret="one"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.secret_key)
        assert reads(bucket.source(credentials={"type": "ambient"}))

    def test_the_default_profile_comes_second(self, bucket: Bucket, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text(PROFILE.format(id=bucket.access_key, secret=bucket.secret_key))
        assert reads(bucket.source(credentials={"type": "ambient"}))

    def test_the_role_of_a_container_comes_last_and_is_renewed(self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        with container_role(bucket, expires=["2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]) as (address, asked):
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
            source = bucket.source(credentials={"type": "ambient"})
            assert [reads(source), reads(source)] == [True, True]
        assert len(asked) == 2

    def test_a_machine_without_any_is_told_what_to_set(self, bucket: Bucket) -> None:
        with pytest.raises(ConfigurationError, match="no AWS credentials") as refusal:
            refs(bucket.source(credentials={"type": "ambient"}))
        assert "anonymous" in refusal.value.advice


class TestKey:
    def test_the_id_may_be_a_reference_too(self, bucket: Bucket) -> None:
        key = {"type": "key", "access_key_id": "env:ID", "secret_access_key": "env:SECRET"}
        config = Config.model_validate(bucket.settings(credentials=key))
        assert reads(Source(config, tools(ID=bucket.access_key, SECRET=bucket.secret_key)))

    def test_a_session_token_is_sent_and_signed(self, bucket: Bucket) -> None:
        key = {"type": "key", "access_key_id": bucket.access_key, "secret_access_key": "env:SECRET", "session_token": "env:TOKEN"}
        with way_to(bucket.endpoint) as way:
            config = Config.model_validate(bucket.settings(credentials=key, endpoint=way.endpoint))
            assert reads(Source(config, tools(SECRET=bucket.secret_key, TOKEN="the-token")))
        assert {headers["x-amz-security-token"] for headers in way.headers} == {"the-token"}
        assert all("x-amz-security-token" in headers["authorization"] for headers in way.headers)


class TestAnonymous:
    def test_nothing_is_signed(self, moto_server: str) -> None:
        bucket = Bucket(moto_server, "id", "secret")
        bucket.put("a.txt", b"a", ACL="public-read")
        bucket.s3.put_bucket_acl(Bucket=bucket.name, ACL="public-read")
        with way_to(moto_server) as way:
            assert reads(bucket.at(way.endpoint).source(credentials={"type": "anonymous"}))
        assert [headers for headers in way.headers if "authorization" in headers] == []

    def test_a_private_bucket_is_refused(self, bucket: Bucket) -> None:
        with pytest.raises((ConfigurationError, SecurityError), match=bucket.name):
            refs(bucket.source(credentials={"type": "anonymous"}))


class TestRole:
    """On moto with its IAM switched on: it checks signatures, policies and tokens, and no trust policy."""

    @pytest.fixture
    def owned(self, moto_server: str) -> Iterator[Bucket]:
        bucket = Bucket(moto_server, "id", "secret")
        bucket.put("a.txt", b"a")
        iam = client("iam", moto_server, "id", "secret")
        iam.create_user(UserName=bucket.name)
        iam.put_user_policy(UserName=bucket.name, PolicyName="p", PolicyDocument=policy("sts:AssumeRole", "*"))
        keys = iam.create_access_key(UserName=bucket.name)["AccessKey"]
        iam.create_role(RoleName=bucket.name, AssumeRolePolicyDocument=TRUST)
        resources = [f"arn:aws:s3:::{bucket.name}", f"arn:aws:s3:::{bucket.name}/*"]
        iam.put_role_policy(RoleName=bucket.name, PolicyName="p", PolicyDocument=policy(["s3:ListBucket", "s3:GetObject"], resources))
        bucket.access_key, bucket.secret_key = keys["AccessKeyId"], keys["SecretAccessKey"]
        httpx.post(f"{moto_server}/moto-api/reset-auth", content=b"0")
        yield bucket
        httpx.post(f"{moto_server}/moto-api/reset-auth", content=b"inf")

    @staticmethod
    def role(bucket: Bucket, **more: object) -> dict[str, object]:
        source = bucket.settings()["credentials"]
        return {"type": "role", "role_arn": f"arn:aws:iam::123456789012:role/{bucket.name}", "source": source} | more

    def test_a_role_may_what_its_user_may_not(self, owned: Bucket) -> None:
        with pytest.raises(ConfigurationError, match="refused to us: AccessDenied"):
            refs(owned.source())
        assert reads(owned.source(credentials=self.role(owned)))

    def test_a_role_is_assumed_once(self, owned: Bucket) -> None:
        with way_to(owned.endpoint) as way:
            source = owned.source(credentials=self.role(owned, sts_endpoint=owned.endpoint), endpoint=way.endpoint)
            assert [reads(source), reads(source)] == [True, True]
        assert len(way.headers) == 4
        assert len({headers["x-amz-security-token"] for headers in way.headers}) == 1

    def test_what_the_owner_asks_for_is_sent(self, owned: Bucket) -> None:
        asked = self.role(owned, external_id="from-the-owner", session_name="nightly")
        with sts_answering(200, granted(owned)) as (address, bodies):
            source = owned.source(credentials={**asked, "sts_endpoint": address})
            with pytest.raises(Unauthenticated, match="InvalidToken"):
                refs(source)
        (body,) = bodies
        assert "&ExternalId=from-the-owner" in body
        assert "&RoleSessionName=nightly" in body

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (403, "<ErrorResponse xmlns='x'><Error><Code>AccessDenied</Code></Error></ErrorResponse>", Unauthenticated),
            (400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", Unavailable),
            (200, "<AssumeRoleResponse/>", Unauthenticated),
            (200, "<html>", Unavailable),
        ],
    )
    def test_a_role_that_is_refused_is_named(self, owned: Bucket, status: int, body: str, expected: type[Exception]) -> None:
        with sts_answering(status, body) as (address, _), pytest.raises(expected) as refusal:
            refs(owned.source(credentials=self.role(owned, sts_endpoint=address)))
        assert owned.secret_key not in f"{refusal.value!r}"


def granted(bucket: Bucket) -> str:
    names = {
        "AccessKeyId": bucket.access_key,
        "SecretAccessKey": bucket.secret_key,
        "SessionToken": "t",
        "Expiration": "2999-01-01T00:00:00Z",
    }
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in names.items())
    return f"<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult><Credentials>{inner}</Credentials></AssumeRoleResult></AssumeRoleResponse>"


def policy(action: str | list[str], resource: str | list[str]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})


@contextmanager
def answering(respond: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    """Address of a server that answers every request by its body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = respond(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - named by the protocol

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def sts_answering(status: int, text: str) -> Iterator[tuple[str, list[str]]]:
    bodies: list[str] = []
    with answering(lambda body: (bodies.append(body), (status, text))[1]) as address:
        yield address, bodies


@contextmanager
def container_role(bucket: Bucket, expires: list[str]) -> Iterator[tuple[str, list[str]]]:
    """As a container of ECS or a pod of EKS has it: a new answer each time, the last one again and again."""
    asked: list[str] = []

    def respond(body: str) -> tuple[int, str]:
        expiration = expires[min(len(asked), len(expires) - 1)]
        asked.append(body)
        keys = {"AccessKeyId": bucket.access_key, "SecretAccessKey": bucket.secret_key, "Token": "t", "Expiration": expiration}
        return 200, json.dumps(keys)

    with answering(respond) as address:
        yield f"{address}/credentials", asked
