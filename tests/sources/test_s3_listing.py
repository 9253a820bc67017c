"""Which objects of a bucket are files, what is said of them, and which are gone."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from connector_pipelines.core.errors import TransientError, Unavailable
from connector_pipelines.core.types import FileRef, Skipped, Upserted
from connector_pipelines.testing._source_world import content
from tests.conftest import S3Server
from tests.sources.s3_proxy import Act, error, way_to
from tests.sources.s3_world import Bucket, VersionedBucket, changes, refs, skipped


@pytest.fixture
def bucket(moto_server: str) -> VersionedBucket:
    return VersionedBucket(moto_server, "id", "secret")


def put(bucket: Bucket, *keys: str) -> None:
    for key in keys:
        bucket.put(key, key.encode())


class TestKeys:
    ODD = (
        "a+b.txt", "a b.txt", " ", "100%.txt", "%41", "%2F", "x//y", "/at/the/front", "//", "../up", "a/../b", "a/./b", ".", "a/..",
        "bell\a", "control\x01\x1f", "tab\t", "back\\slash", "<tag> & 'quotes'\"", "?query=1&b=2#c", "*[glob]{}", "~", "日本語/\U0001f3d7", "=",
    )  # fmt: skip

    def test_any_key_is_listed_and_opened(self, bucket: Bucket) -> None:
        put(bucket, *self.ODD)
        source = bucket.source(page_size=5)
        assert {key: content(source, ref).decode() for key, ref in refs(source).items()} == {key: key for key in self.ODD}
        assert source.still_there(list(refs(source).values())) == set(self.ODD)

    def test_dots_are_signed_as_they_are_sent(self, s3_server: S3Server) -> None:
        """By a server that checks the signature: it must not be over a path that something on the way resolved."""
        bucket = Bucket(f"http://{s3_server.endpoint}", s3_server.access_key, s3_server.secret_key)
        put(bucket, "a/+ %41 ü~=&.txt")
        with way_to(bucket.endpoint) as way:
            source = bucket.at(way.endpoint).source()
            ref = refs(source)["a/+ %41 ü~=&.txt"]
            assert content(source, ref).decode() == ref.id
        assert way.seen[-1].endswith("/a/%2B%20%2541%20%C3%BC~%3D%26.txt")

    def test_a_path_is_below_the_last_slash_of_the_prefix(self, bucket: Bucket) -> None:
        put(bucket, "2025/q1/a.txt", "2025/q1.txt", "2025/q2/b.txt", "2024/q1/c.txt", "2025/q1//d.txt")
        found = refs(bucket.source(prefix="2025/q1"))
        assert {key: ref.path for key, ref in found.items()} == {
            "2025/q1/a.txt": "q1/a.txt", "2025/q1.txt": "q1.txt", "2025/q1//d.txt": "q1//d.txt",
        }  # fmt: skip
        assert [ref.path for ref in refs(bucket.source(prefix="2025/q1/")).values()] == ["d.txt", "a.txt"]

    def test_placeholders_of_folders_are_no_files(self, bucket: Bucket) -> None:
        put(bucket, "folder/a.txt", "folder with bytes/")
        for name in ("folder/", "folder/inner/", "/"):
            bucket.put(name, b"")
        assert {ref.id: ref.path for ref in refs(bucket.source()).values()} == {
            "folder/a.txt": "folder/a.txt",
            "folder with bytes/": "folder with bytes",
        }
        assert refs(bucket.source(prefix="folder/inner/")) == {}

    @pytest.mark.parametrize("key", ["nul%00.txt", "latin%E9.txt"])
    def test_a_key_that_is_no_text_is_skipped_by_its_name(self, bucket: Bucket, key: str) -> None:
        put(bucket, "a.txt", "b.txt")
        with way_to(bucket.endpoint, Act(to="list-type", rewritten=lambda xml: xml.replace(b"<Key>a.txt", f"<Key>{key}".encode()))) as way:
            assert changes(bucket.at(way.endpoint).source())[0] == Skipped(key, key, "key_not_text")

    def test_keys_that_are_not_encoded_are_read_as_they_are(self, bucket: Bucket) -> None:
        put(bucket, "a.txt")

        def plain(xml: bytes) -> bytes:
            return xml.replace(b"<EncodingType>url</EncodingType>", b"").replace(b"<Key>a.txt", b"<Key>a+b %41.txt")

        with way_to(bucket.endpoint, Act(to="list-type", rewritten=plain)) as way:
            assert list(refs(bucket.at(way.endpoint).source())) == ["a+b %41.txt"]


class TestScope:
    def test_only_what_is_wanted_is_named(self, bucket: Bucket) -> None:
        put(bucket, "in/a.pdf", "in/docs/b.pdf", "in/docs/old/c.pdf", "in/d.txt", "in/.git/config", "out/e.pdf")
        source = bucket.source(prefix="in/", include=["docs/**/*.pdf", "*.pdf"], exclude=["**/old/**"])
        assert list(refs(source)) == ["in/a.pdf", "in/docs/b.pdf"]
        assert len(changes(source)) == 2
        assert "in/.git/config" not in refs(bucket.source())

    def test_an_object_that_is_too_large_is_skipped(self, bucket: Bucket) -> None:
        put(bucket, "1234", "12345")
        source = bucket.source(max_file_bytes=4)
        assert (list(refs(source)), skipped(source)) == (["1234"], {"12345": "too_large"})

    @pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
    def test_an_archived_object_is_skipped_until_it_is_restored(self, bucket: Bucket, storage_class: str) -> None:
        bucket.put("a.txt", b"a", StorageClass=storage_class)
        bucket.put("b.txt", b"b", StorageClass="GLACIER_IR")
        source = bucket.source()
        assert (list(refs(source)), skipped(source)) == (["b.txt"], {"a.txt": "archived"})
        status = b"<RestoreStatus><IsRestoreInProgress>%s</IsRestoreInProgress></RestoreStatus><StorageClass>"
        for in_progress, listed in ((b"true", ["b.txt"]), (b"false", ["a.txt", "b.txt"])):
            told = Act(to="list-type", rewritten=lambda xml, p=in_progress: xml.replace(b"<StorageClass>", status % p))
            with way_to(bucket.endpoint, told) as way:
                assert list(refs(bucket.at(way.endpoint).source())) == listed
                assert way.headers[0]["x-amz-optional-object-attributes"] == "RestoreStatus"

    def test_what_is_known_of_an_object_is_said(self, bucket: Bucket) -> None:
        put(bucket, "docs/A plan.PDF")
        (ref,) = refs(bucket.source()).values()
        assert (ref.media_type, ref.size, ref.identity, ref.checksum) == ("application/pdf", 15, None, None)
        assert ref.modified_at == bucket.s3.head_object(Bucket=bucket.name, Key=ref.id)["LastModified"]
        assert ref.url == f"{bucket.endpoint}/{bucket.name}/docs/A%20plan.PDF"

    def test_on_aws_the_url_is_the_consoles(self, bucket: Bucket) -> None:
        put(bucket, "docs/A plan.PDF")
        source = bucket.source(endpoint=None, region="eu-central-1", bucket="acme")
        (entry,) = bucket.source()._client.page(prefix="", size=1).entries
        assert source._ref(entry).url == (
            "https://eu-central-1.console.aws.amazon.com/s3/object/acme?region=eu-central-1&prefix=docs%2FA%20plan.PDF"
        )


class TestVersions:
    def test_bytes_that_differ_are_another_version_even_with_the_same_etag(self, bucket: Bucket) -> None:
        """Gateways before file systems give every object they did not write the same ETag, or none."""
        put(bucket, "a.txt")
        told = [(etag, f"2026-06-01T00:00:0{second}.000Z") for etag in ("x", "") for second in (0, 1)]
        assert len({refs_rewritten(bucket, *one)["a.txt"].version for one in told}) == 4

    def test_an_object_that_did_not_change_keeps_its_version(self, bucket: Bucket) -> None:
        put(bucket, "a.txt", "b.txt")
        before = refs(bucket.source())
        bucket.put("b.txt", b"other")
        after = refs(bucket.source())
        assert [before[key].version == after[key].version for key in ("a.txt", "b.txt")] == [True, False]

    def test_a_delete_marker_is_an_absence_and_its_removal_brings_the_object_back(self, bucket: VersionedBucket) -> None:
        put(bucket, "a.txt", "b.txt")
        source = bucket.source()
        before = refs(source)
        bucket.remove("a.txt")
        assert list(refs(source)) == ["b.txt"]
        assert source.still_there(list(before.values())) == {"b.txt"}
        bucket.restore("a.txt")
        assert refs(source) == before
        assert source.still_there(list(before.values())) == {"a.txt", "b.txt"}

    def test_older_versions_are_not_named(self, bucket: Bucket) -> None:
        for body in (b"one", b"two", b"three"):
            bucket.put("a.txt", body)
        source = bucket.source()
        (change,) = changes(source)
        assert isinstance(change, Upserted)
        assert content(source, change.ref) == b"three"


class TestPages:
    def test_no_page_has_more_than_was_asked_for_and_none_is_missing(self, bucket: Bucket) -> None:
        put(bucket, *(f"{n:02}" for n in range(11)))
        pages = list(bucket.source(page_size=4).changes())
        assert [len(page.changes) for page in pages] == [4, 4, 3]
        assert [page.cursor for page in pages[:-1]] == [None, None]

    def test_pages_of_which_nothing_is_wanted_end_no_listing(self, bucket: Bucket) -> None:
        put(bucket, *(f"a{n}.log" for n in range(7)), "b.txt")
        pages = list(bucket.source(page_size=2, include=["*.txt"]).changes())
        assert ([len(page.changes) for page in pages], pages[-1].snapshot) == ([0, 0, 0, 1], True)

    def test_a_listing_that_fails_in_the_middle_is_retried_there(self, bucket: Bucket) -> None:
        put(bucket, *(f"{n}" for n in range(6)))
        slept: list[float] = []
        acts = [
            Act(to="continuation-token", status=503, body=error("SlowDown")),
            Act(to="continuation-token", cut_after=200),
            Act(to="continuation-token", status=500, body=error("InternalError")),
        ]
        with way_to(bucket.endpoint, *acts) as way:
            assert len(refs(bucket.at(way.endpoint).source(page_size=3, slept=slept))) == 6
        assert len(slept) == 3
        assert all(later > earlier for earlier, later in pairwise(slept))

    @pytest.mark.parametrize(
        "act",
        [
            Act(to="continuation-token", times=9, status=503, body=error("SlowDown")),
            Act(to="continuation-token", times=9, cut_after=200),
            Act(to="continuation-token", times=9, rewritten=lambda xml: xml[: len(xml) // 2]),
            Act(to="continuation-token", times=9, rewritten=lambda xml: xml.replace(b"<IsTruncated>false</IsTruncated>", b"")),
            Act(to="continuation-token", times=9, rewritten=lambda xml: b"<html>log in</html>"),
            Act(to="continuation-token", times=9, rewritten=lambda xml: b""),
        ],
        ids=["slow down", "cut", "half", "no word whether it is the end", "another page", "nothing"],
    )
    def test_a_listing_that_keeps_failing_is_an_error_and_never_a_short_snapshot(self, bucket: Bucket, act: Act) -> None:
        put(bucket, *(f"{n}" for n in range(6)))
        with way_to(bucket.endpoint, act) as way:
            pages = bucket.at(way.endpoint).source(page_size=3).changes()
            assert next(pages).cursor is None
            with pytest.raises(TransientError):
                list(pages)
        assert len([line for line in way.seen if "continuation-token" in line]) == 4

    def test_a_token_that_leads_in_a_circle_is_an_error(self, bucket: Bucket) -> None:
        page = b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>"
        with (
            way_to(bucket.endpoint, Act(to="list-type", times=9, status=200, body=page)) as way,
            pytest.raises(Unavailable, match="again and again"),
        ):
            changes(bucket.at(way.endpoint).source())
        assert len(way.seen) == 2


def refs_rewritten(bucket: Bucket, etag: str, at: str) -> dict[str, FileRef]:
    def rewritten(xml: bytes) -> bytes:
        xml = re.sub(rb"<ETag>.*?</ETag>", f"<ETag>&quot;{etag}&quot;</ETag>".encode(), xml)
        return re.sub(rb"<LastModified>.*?</LastModified>", f"<LastModified>{at}</LastModified>".encode(), xml)

    with way_to(bucket.endpoint, Act(to="list-type", rewritten=rewritten)) as way:
        return refs(bucket.at(way.endpoint).source())
