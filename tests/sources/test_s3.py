"""Buckets, against the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector_pipelines.sources.s3 import Source
from connector_pipelines.testing.source_suite import SourceContract
from connector_pipelines.testing.tools import PLANTED_SECRET
from tests.conftest import S3Server
from tests.sources.s3_world import Bucket, VersionedBucket


class TestBucket(SourceContract):
    """On rclone's server, which checks every signature."""

    @pytest.fixture
    def world(self, s3_server: S3Server) -> Bucket:
        return Bucket(f"http://{s3_server.endpoint}", s3_server.access_key, s3_server.secret_key)

    @pytest.fixture
    def source(self, world: Bucket) -> Iterator[Source]:
        source = world.source(page_size=3)
        yield source
        source.close()

    @pytest.fixture
    def again(self, world: Bucket) -> Source:
        return world.source()


class TestPrefixOfABucketWithVersions(TestBucket):
    """On moto's server, which keeps versions and delete markers, and lets everybody in."""

    # Its router knows no newline in a path.
    names = tuple(name for name in SourceContract.names if "\n" not in name)

    @pytest.fixture
    def world(self, moto_server: str) -> Bucket:
        bucket = VersionedBucket(moto_server, "AKIDEXAMPLE", PLANTED_SECRET, folder="ü & +/reports/")
        bucket.s3.put_object(Bucket=bucket.name, Key="beside/a.txt", Body=b"not in scope")
        return bucket
