"""What of a bucket can be browsed, what is confirmed gone, and what a connection test says."""

from __future__ import annotations

import pytest

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from tests.sources.s3_proxy import Act, error, way_to
from tests.sources.s3_world import VersionedBucket, refs


@pytest.fixture
def bucket(moto_server: str) -> VersionedBucket:
    return VersionedBucket(moto_server, "id", "secret")


def put(bucket: VersionedBucket, *keys: str) -> None:
    for key in keys:
        bucket.put(key, key.encode())


class TestFolders:
    def test_one_level_is_browsed_at_a_time(self, bucket: VersionedBucket) -> None:
        put(bucket, "in/a", "in/b/c", "in/b/d/e", "in/bb", "out")
        source = bucket.source(prefix="in/")
        listed = {folder: [ref.path for ref in source.list(folder)] for folder in ("", "b", "b/d")}
        assert listed == {"": ["a", "bb"], "b": ["b/c"], "b/d": ["b/d/e"]}

    def test_a_folder_of_folders_is_there_though_it_has_no_files(self, bucket: VersionedBucket) -> None:
        put(bucket, "a/b/c")
        assert list(bucket.source().list("a")) == []

    @pytest.mark.parametrize("folder", ["c", "b/old", "a"])
    def test_a_folder_outside_of_what_is_synced_cannot_be_browsed(self, bucket: VersionedBucket, folder: str) -> None:
        put(bucket, "in/b/a", "in/b/old/c", "in/a/d")
        with pytest.raises(ConfigurationError):
            list(bucket.source(prefix="in/b", exclude=["b/old"]).list(folder))


class TestAbsence:
    @pytest.mark.parametrize("status", [403, 400])
    def test_what_is_refused_counts_as_there(self, bucket: VersionedBucket, status: int) -> None:
        put(bucket, "a", "b")
        known = list(refs(bucket.source()).values())
        with way_to(bucket.endpoint, Act(to="HEAD", times=9, status=status)) as way:
            assert bucket.at(way.endpoint).source().still_there(known) == {"a", "b"}

    def test_what_is_no_longer_wanted_is_not_still_there(self, bucket: VersionedBucket) -> None:
        put(bucket, "in/a.txt", "in/b.pdf", "out/c.txt")
        known = list(refs(bucket.source()).values())
        assert bucket.source(prefix="in/", include=["*.txt"]).still_there(known) == {"in/a.txt"}

    def test_with_the_bucket_gone_nothing_is_confirmed(self, bucket: VersionedBucket) -> None:
        put(bucket, "a")
        known = list(refs(bucket.source()).values())
        bucket.vanish()
        with pytest.raises(ConfigurationError, match=f"no bucket '{bucket.name}'"):
            bucket.source().still_there(known)

    def test_an_s3_that_goes_away_confirms_nothing(self, bucket: VersionedBucket) -> None:
        put(bucket, "a")
        known = list(refs(bucket.source()).values())
        with way_to(bucket.endpoint, Act(to="HEAD", times=99, status=503)) as way, pytest.raises(Unavailable):
            bucket.at(way.endpoint).source().still_there(known)


class TestProbe:
    def test_an_empty_prefix_works_and_is_pointed_out(self, bucket: VersionedBucket) -> None:
        put(bucket, "a")
        probe = bucket.source(prefix="typo/").test()
        assert probe.works
        assert "no key begins with 'typo/'" in probe.abilities[0].detail

    def test_what_can_be_read_is_tried(self, bucket: VersionedBucket) -> None:
        bucket.put("empty.txt", b"")
        put(bucket, "full.txt")
        with way_to(bucket.endpoint) as way:
            probe = bucket.at(way.endpoint).source().test()
        assert probe.works
        assert probe.abilities[1].detail == "full.txt can be read. The bucket keeps versions."
        assert [headers.get("range") for headers in way.headers] == [None, "bytes=0-0"]

    def test_a_bucket_that_may_be_listed_and_not_read_says_so(self, bucket: VersionedBucket) -> None:
        put(bucket, "a.txt")
        with way_to(bucket.endpoint, Act(to="/a.txt", times=9, status=403, body=error("AccessDenied"))) as way:
            listing, reading = bucket.at(way.endpoint).source().test().abilities
        assert (listing.works, reading.works) == (True, False)
        assert "s3:GetObject" in reading.detail

    def test_a_bucket_that_is_not_there_says_what_to_do(self, bucket: VersionedBucket) -> None:
        probe = bucket.source(bucket="no-such-bucket").test()
        assert not probe.works
        assert "there is no bucket 'no-such-bucket'" in probe.abilities[0].detail
        assert "Correct `bucket`" in probe.abilities[0].detail
