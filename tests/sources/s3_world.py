"""Buckets as the other side of a source, on a server that is real: rclone's, which knows keys, or moto's, which knows versions."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from connector_pipelines.core.outbound import Outbound
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Change, FileRef, Skipped, Upserted
from connector_pipelines.sources.s3 import Config, Source
from connector_pipelines.testing.tools import plain_tools


class Bucket:
    """A `World`. Reached with botocore, whose idea of S3 is the vendor's."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, *, folder: str = "") -> None:
        self.endpoint, self.access_key, self.secret_key, self.folder = endpoint, access_key, secret_key, folder
        self.name = f"bucket-{secrets.token_hex(8)}"
        self.s3 = client("s3", endpoint, access_key, secret_key)
        self.s3.create_bucket(Bucket=self.name)

    def put(self, name: str, body: bytes, **more: str) -> str:
        self.s3.put_object(Bucket=self.name, Key=self.folder + name, Body=body, **more)
        return self.folder + name

    def remove(self, file_id: str) -> None:
        self.s3.delete_object(Bucket=self.name, Key=file_id)

    def rename(self, file_id: str, name: str) -> str:
        self.s3.copy_object(Bucket=self.name, Key=self.folder + name, CopySource={"Bucket": self.name, "Key": file_id})
        self.remove(file_id)
        return self.folder + name

    def forget_cursors(self) -> None:
        """A bucket gives out none."""

    def vanish(self) -> None:
        for found in self.s3.list_objects_v2(Bucket=self.name).get("Contents", ()):
            self.remove(found["Key"])
        self.s3.delete_bucket(Bucket=self.name)

    def at(self, endpoint: str) -> Bucket:
        """The same bucket, its source sent another way."""
        other = copy(self)
        other.endpoint = endpoint
        return other

    def settings(self, **more: object) -> Mapping[str, object]:
        credentials = {"type": "key", "access_key_id": self.access_key, "secret_access_key": "env:SECRET"}
        given = {"bucket": self.name, "endpoint": self.endpoint, "prefix": self.folder, "credentials": credentials}
        return given | more

    def source(self, *, slept: list[float] | None = None, outbound: Outbound | None = None, **more: object) -> Source:
        """One that does not sleep: what it would have slept is noted in `slept`."""
        lent = replace(tools(SECRET=self.secret_key), outbound=outbound or Outbound())
        pauses: list[float] = [] if slept is None else slept
        return Source(Config.model_validate(self.settings(**more)), lent, sleep=pauses.append)


class VersionedBucket(Bucket):
    """One that keeps versions and delete markers."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, *, folder: str = "") -> None:
        super().__init__(endpoint, access_key, secret_key, folder=folder)
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def restore(self, file_id: str) -> None:
        """Undo a removal: remove its delete marker."""
        (marker,) = self.s3.list_object_versions(Bucket=self.name, Prefix=file_id)["DeleteMarkers"]
        self.s3.delete_object(Bucket=self.name, Key=file_id, VersionId=marker["VersionId"])

    def vanish(self) -> None:
        held = self.s3.list_object_versions(Bucket=self.name)
        for found in (*held.get("Versions", ()), *held.get("DeleteMarkers", ())):
            self.s3.delete_object(Bucket=self.name, Key=found["Key"], VersionId=found["VersionId"])
        self.s3.delete_bucket(Bucket=self.name)


def client(service: str, endpoint: str, access_key: str, secret_key: str, token: str | None = None) -> Any:
    import boto3
    from botocore.config import Config as Settings

    # Checksums in trailers, the default since 2025, are not for every server.
    settings = Settings(request_checksum_calculation="when_required", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", config=settings,
        aws_access_key_id=access_key, aws_secret_access_key=secret_key, aws_session_token=token,
    )  # fmt: skip


def tools(**by_name: str) -> Tools:
    """Tools whose secret ``env:NAME`` is the argument of that name."""
    return Tools(
        secret=lambda reference: SecretStr(by_name[reference.removeprefix("env:")]),
        database_url=SecretStr("postgresql://"),
        http=plain_tools().http,
    )


def changes(source: Source) -> list[Change]:
    return [change for page in source.changes() for change in page.changes]


def refs(source: Source) -> dict[str, FileRef]:
    return {change.ref.id: change.ref for change in changes(source) if isinstance(change, Upserted)}


def skipped(source: Source) -> dict[str, str]:
    return {change.path: change.reason for change in changes(source) if isinstance(change, Skipped)}
