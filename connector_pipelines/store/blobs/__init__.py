"""Bytes by content, in a folder or in S3: see `Blobs`."""

from __future__ import annotations

from connector_pipelines.store.blobs._blobs import Blob, Blobs, Slice, open_blobs
from connector_pipelines.store.blobs._s3_clients import S3Settings

__all__ = ["Blob", "Blobs", "S3Settings", "Slice", "open_blobs"]
