from __future__ import annotations

import re
import secrets
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.store.blobs import Blobs, S3Settings, open_blobs
from connector_pipelines.store.blobs._s3 import S3
from tests.proxy import losing_the_answer_to

MIB = 1024**2
SMALL = b"a few bytes"
# More than is kept in memory, in more than one part of a multipart upload.
LARGE = [bytes([n]) * MIB for n in range(20)]
KEY_OF_NOTHING = f"blobs/acme/00/00/{'0' * 64}"


def test_a_spool_folder_open_to_others_is_refused(tmp_path: Path, s3: S3Settings) -> None:
    (tmp_path / ".spool").mkdir(parents=True)
    (tmp_path / ".spool").chmod(0o777)

    with pytest.raises(ConfigurationError, match="another user"):
        open_blobs(tmp_path, s3).put("acme", [SMALL])


def test_a_link_to_s3_works_without_signing_in_and_only_as_signed(s3: S3Settings) -> None:
    blobs = open_blobs(None, s3)
    blob, other = blobs.put("acme", [SMALL]), blobs.put("acme", [b"other"])

    link = blobs.link(blob.key, timedelta(hours=1), 'Übersicht "2".pdf')

    assert httpx.get(link).content == SMALL
    assert "filename%2A%3DUTF-8%27%27%25C3%259Cbersicht" in link
    assert httpx.get(link.replace(blob.key, other.key)).status_code == 403
    # S3 says 403; rclone 400.
    assert httpx.get(link.partition("?")[0]).status_code in {400, 403}
    assert s3.secret_key.get_secret_value() not in link


def test_a_bucket_that_is_not_there_is_made(s3: S3Settings) -> None:
    settings = [replace(s3, bucket=s3.bucket + "-new")] * 2

    keys = [open_blobs(None, s).put("acme", [SMALL]).key for s in settings]

    assert keys[0] == keys[1]


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
def test_a_wrong_key_is_a_setting_to_correct_and_stays_secret(s3: S3Settings, field: str) -> None:
    wrong = replace(s3, **{field: SecretStr("wrong-" + secrets.token_hex(8))})

    with pytest.raises(ConfigurationError) as caught:
        open_blobs(None, wrong).put("acme", [SMALL])

    told = f"{caught.value} {caught.value.advice} {open_blobs(None, wrong).test()}"
    assert "MINIO_ACCESS_KEY and MINIO_SECRET_KEY" in told
    assert wrong.secret_key.get_secret_value() not in told
    assert not re.search(r"Signature=|Credential=", told)


def test_a_key_withdrawn_later_is_a_setting_to_correct_too(s3: S3Settings) -> None:
    backend = S3(replace(s3, secret_key=SecretStr("wrong-" + secrets.token_hex(8))), None)

    with pytest.raises(ConfigurationError, match="refuses us"):
        backend.size(KEY_OF_NOTHING)


def test_a_server_that_is_away_is_unavailable_soon(s3: S3Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        away = replace(s3, endpoint=f"127.0.0.1:{taken.getsockname()[1]}")

    blobs = open_blobs(None, away)
    with pytest.raises(Unavailable, match=away.endpoint):
        blobs.put("acme", [SMALL])
    assert [a.works for a in blobs.test().abilities] == [False]


def test_a_server_that_goes_away_later_is_unavailable_too(s3: S3Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        backend = S3(replace(s3, endpoint=f"127.0.0.1:{taken.getsockname()[1]}"), None)

    with pytest.raises(Unavailable):
        backend.size(KEY_OF_NOTHING)
    with pytest.raises(Unavailable):
        list(backend.keys("blobs/acme/"))


def test_an_upload_whose_last_answer_was_lost_is_there(s3: S3Settings) -> None:
    open_blobs(None, s3).put("acme", [SMALL])
    with losing_the_answer_to(b"?uploadId=", s3.endpoint) as (address, lost):
        blob = open_blobs(None, replace(s3, endpoint=address)).put("acme", LARGE)

    assert lost
    assert read(open_blobs(None, s3), blob.key) == b"".join(LARGE)


def test_a_bucket_that_vanished_is_not_taken_for_missing_files(s3: S3Settings) -> None:
    backend = S3(s3, None)

    with pytest.raises(Unavailable, match="NoSuchBucket"), backend.open(KEY_OF_NOTHING):
        pass


def test_variables_for_other_tools_do_not_reach_our_client(s3: S3Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SESSION_TOKEN": "theirs",
        "SKIP_SIGNATURE": "true",
        "ENDPOINT": "http://127.0.0.1:9",
        "SECRET_ACCESS_KEY": "x",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    blobs = open_blobs(None, s3)

    assert read(blobs, blobs.put("acme", LARGE).key) == b"".join(LARGE)


@pytest.mark.parametrize("field", [{"endpoint": "http://host:9000/path"}, {"bucket": "Not A Bucket"}], ids=["endpoint", "bucket"])
def test_a_setting_that_cannot_be_right_is_named(s3: S3Settings, field: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=f"MINIO_{next(iter(field)).upper()}"):
        open_blobs(None, replace(s3, **field)).put("acme", [SMALL])


def test_secrets_are_not_shown(s3: S3Settings) -> None:
    assert s3.secret_key.get_secret_value() not in f"{s3!r} {open_blobs(None, s3)!r}"


def read(blobs: Blobs, key: str) -> bytes:
    with blobs.open(key) as chunks:
        return b"".join(chunks)
