"""Whether the bytes of an object are those of one version, whole, and as they are stored."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Callable
from typing import ClassVar

import pytest

from connector_pipelines.core.errors import Forbidden, Mismatch, NotFound, PermanentError, Unavailable
from connector_pipelines.core.protocols import Source
from connector_pipelines.testing._source_world import content
from tests.conftest import S3Server
from tests.sources.s3_proxy import Act, error, way_to
from tests.sources.s3_world import Bucket, VersionedBucket, refs

BODY = b"".join(n.to_bytes(4, "big") for n in range(1_200_000))
CUT = 2_500_001


@pytest.fixture(params=["rclone", "moto"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """rclone answers a range with status 200 and the right bytes; moto as AWS does."""
    if request.param == "moto":
        return Bucket(request.getfixturevalue("moto_server"), "id", "secret")
    server: S3Server = request.getfixturevalue("s3_server")
    return Bucket(f"http://{server.endpoint}", server.access_key, server.secret_key)


@pytest.fixture
def versioned(moto_server: str) -> VersionedBucket:
    return VersionedBucket(moto_server, "id", "secret")


class TestCutConnections:
    def test_a_read_that_was_cut_goes_on_where_it_was(self, bucket: Bucket) -> None:
        bucket.put("a.bin", BODY)
        with way_to(bucket.endpoint, *(Act(to="/a.bin", cut_after=at) for at in (CUT, 1_100_000))) as way:
            source = bucket.at(way.endpoint).source()
            assert content(source, refs(source)["a.bin"]) == BODY
        assert [headers.get("range") for headers in way.headers[1:]] == [None, f"bytes={CUT}-", f"bytes={CUT + 1_100_000}-"]

    def test_a_server_that_knows_no_ranges_is_read_from_the_start(self, versioned: VersionedBucket) -> None:
        versioned.put("a.bin", BODY)
        with way_to(versioned.endpoint, Act(to="/a.bin", cut_after=CUT), Act(to="/a.bin", dropped=("Range",))) as way:
            source = versioned.at(way.endpoint).source()
            assert content(source, refs(source)["a.bin"]) == BODY

    def test_a_connection_cut_again_and_again_without_a_byte_gives_up(self, bucket: Bucket) -> None:
        bucket.put("a.bin", BODY)
        with way_to(bucket.endpoint, Act(to="/a.bin", cut_after=CUT), Act(to="/a.bin", cut_after=0, times=99)) as way:
            source = bucket.at(way.endpoint).source()
            ref = refs(source)["a.bin"]
            with pytest.raises(Unavailable, match=f"cut off at byte {CUT}"):
                content(source, ref)
        assert len([line for line in way.seen if "/a.bin" in line]) == 4

    def test_a_read_of_what_changed_meanwhile_is_never_half_old_half_new(self, bucket: Bucket) -> None:
        bucket.put("a.bin", BODY)
        with way_to(bucket.endpoint, Act(to="/a.bin", cut_after=CUT, when_cut=lambda: bucket.put("a.bin", BODY[::-1]))) as way:
            source = bucket.at(way.endpoint).source()
            ref = refs(source)["a.bin"]
            with pytest.raises(Unavailable, match="changed while it was read"):
                content(source, ref)

    @pytest.mark.parametrize("change", [lambda b: b.put("a.bin", BODY[::-1]), lambda b: b.remove("a.bin")], ids=["overwritten", "removed"])
    def test_where_versions_are_kept_the_old_one_is_read_to_its_end(
        self, versioned: VersionedBucket, change: Callable[[Bucket], object]
    ) -> None:
        versioned.put("a.bin", BODY)
        with way_to(versioned.endpoint, Act(to="/a.bin", cut_after=CUT, when_cut=lambda: change(versioned))) as way:
            source = versioned.at(way.endpoint).source()
            assert content(source, refs(source)["a.bin"]) == BODY
        assert "versionId=" in way.seen[-1]

    def test_without_an_etag_nothing_is_resumed(self, bucket: Bucket) -> None:
        bucket.put("a.bin", BODY)
        with way_to(bucket.endpoint, Act(to="/a.bin", cut_after=CUT, added={"ETag": "", "Etag": ""})) as way:
            source = bucket.at(way.endpoint).source()
            ref = refs(source)["a.bin"]
            with pytest.raises(Unavailable, match="without an ETag"):
                content(source, ref)

    def test_an_etag_that_every_object_has_proves_nothing(self, versioned: VersionedBucket) -> None:
        """As that of a gateway before a file system does, which has no other for files it did not write."""
        constant = {"ETag": '"00000000000000000000000000000000-1"', "x-amz-version-id": ""}
        versioned.put("a.bin", BODY)
        old, new = (
            constant | {"Last-Modified": "Mon, 01 Jun 2026 00:00:00 GMT"},
            constant | {"Last-Modified": "Mon, 01 Jun 2026 00:00:01 GMT"},
        )
        acts = Act(to="/a.bin", cut_after=CUT, added=old), Act(to="/a.bin", dropped=("If-Match",), added=new)
        with way_to(versioned.endpoint, *acts) as way:
            source = versioned.at(way.endpoint).source()
            ref = refs(source)["a.bin"]
            with pytest.raises(Unavailable, match="changed"):
                content(source, ref)


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class TestChecksums:
    WHOLE: ClassVar = {"x-amz-checksum-type": "FULL_OBJECT"}

    @pytest.mark.parametrize(("name", "of"), [("crc32", crc32), ("sha256", sha256)])
    @pytest.mark.parametrize("cut_after", [None, CUT])
    def test_bytes_that_are_right_pass_though_they_came_in_pieces(
        self, bucket: Bucket, name: str, of: Callable[[bytes], str], cut_after: int | None
    ) -> None:
        bucket.put("a.bin", BODY)
        told = Act(to="/a.bin", cut_after=cut_after, added={**self.WHOLE, f"x-amz-checksum-{name}": of(BODY)})
        with way_to(bucket.endpoint, told) as way:
            source = bucket.at(way.endpoint).source()
            assert content(source, refs(source)["a.bin"]) == BODY

    @pytest.mark.parametrize(("name", "of"), [("crc32", crc32), ("sha256", sha256)])
    def test_bytes_that_are_others_are_noticed(self, bucket: Bucket, name: str, of: Callable[[bytes], str]) -> None:
        bucket.put("a.txt", b"as it was stored")
        told = Act(
            to="/a.txt",
            added={**self.WHOLE, f"x-amz-checksum-{name}": of(b"as it was stored")},
            rewritten=lambda body: body.replace(b"stored", b"stirred"[:6]),
        )
        with way_to(bucket.endpoint, told) as way:
            source = bucket.at(way.endpoint).source()
            ref = refs(source)["a.txt"]
            with pytest.raises(Mismatch, match=f"'a.txt' came with other bytes than its {name}"):
                content(source, ref)

    @pytest.mark.parametrize("kind", [{"x-amz-checksum-type": "COMPOSITE"}, {}], ids=["of the parts", "of what it does not say"])
    def test_a_checksum_that_may_be_of_parts_is_not_believed(self, bucket: Bucket, kind: dict[str, str]) -> None:
        bucket.put("a.txt", b"a")
        with way_to(bucket.endpoint, Act(to="/a.txt", added={**kind, "x-amz-checksum-crc32": "AAAAAA=="})) as way:
            source = bucket.at(way.endpoint).source()
            assert content(source, refs(source)["a.txt"]) == b"a"

    def test_the_server_is_asked_for_one(self, versioned: VersionedBucket) -> None:
        versioned.s3.put_object(Bucket=versioned.name, Key="a.txt", Body=b"a", ChecksumAlgorithm="SHA256")
        with way_to(versioned.endpoint) as way:
            source = versioned.at(way.endpoint).source()
            assert content(source, refs(source)["a.txt"]) == b"a"
        assert way.headers[-1]["x-amz-checksum-mode"] == "ENABLED"


class TestOpening:
    def test_a_content_encoding_is_not_undone(self, bucket: Bucket) -> None:
        packed = gzip.compress(b"text" * 1000)
        bucket.put("a.txt", packed, ContentEncoding="gzip", ContentType="text/plain")
        source = bucket.source()
        assert content(source, refs(source)["a.txt"]) == packed

    @pytest.mark.parametrize(
        ("status", "code", "expected", "says"),
        [
            (403, "AccessDenied", Forbidden, "s3:GetObject"),
            (403, "InvalidObjectState", PermanentError, "Restore it"),
            (400, "KMS.DisabledException", Forbidden, "Enable the key"),
            (404, "NoSuchKey", NotFound, ""),
            (400, "InvalidRequest", PermanentError, ""),  # as of an object whose key is the customer's
        ],
    )  # fmt: skip
    def test_what_is_refused_of_one_object_is_its_own_fault(
        self, bucket: Bucket, status: int, code: str, expected: type[PermanentError], says: str
    ) -> None:
        bucket.put("a.txt", b"a")
        bucket.put("b.txt", b"b")
        with way_to(bucket.endpoint, Act(to="/a.txt", status=status, body=error(code))) as way:
            source = bucket.at(way.endpoint).source()
            found = refs(source)
            with pytest.raises(expected) as refusal:
                content(source, found["a.txt"])
            assert (type(refusal.value), refusal.value.stops_connector) == (expected, False)
            assert says in refusal.value.advice
            assert content(source, found["b.txt"]) == b"b"

    def test_an_object_outside_of_the_prefix_is_not_opened(self, bucket: Bucket) -> None:
        bucket.put("a/1", b"1")
        bucket.put("b/2", b"2")
        outside: Source = bucket.source(prefix="b/")
        with pytest.raises(NotFound):
            content(outside, refs(bucket.source())["a/1"])
