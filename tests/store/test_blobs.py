from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from connector_pipelines.core.errors import ConfigurationError, Mismatch, NotFound, ResourceError
from connector_pipelines.core.types import Checksum
from connector_pipelines.store.blobs import Blobs, S3Settings, open_blobs

MIB = 1024**2
SMALL = b"a few bytes"
# More than is kept in memory, in more than one part of a multipart upload.
LARGE = [bytes([n]) * MIB for n in range(20)]
KEY_OF_NOTHING = f"blobs/acme/00/00/{'0' * 64}"

# Puts and reads back as many MiB as its last argument says; prints the peak of its memory in KiB.
STREAM = """
import resource, sys
from pathlib import Path
from pydantic import SecretStr
from connector_pipelines.store.blobs import S3Settings, open_blobs
folder, endpoint, access, secret, bucket, mib = sys.argv[1:]
s3 = endpoint and S3Settings(endpoint=endpoint, access_key=SecretStr(access), secret_key=SecretStr(secret), bucket=bucket, secure=False)
blobs = open_blobs(Path(folder), s3 or None)
size = int(mib) * 1024**2
blob = blobs.put("acme", (n.to_bytes(4, "big") * 262144 for n in range(int(mib))), size=size)
with blobs.open(blob.key) as chunks:
    assert sum(map(len, chunks)) == size
blobs.delete([blob.key])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, folder: Path) -> Blobs:
    return open_blobs(folder, request.getfixturevalue("s3") if request.param == "s3" else None)


@pytest.mark.parametrize("chunks", [[], [SMALL], [b"", b"two ", b"chunks"], LARGE], ids=["empty", "small", "chunks", "large"])
def test_bytes_come_back_as_they_went_in_under_their_hash(blobs: Blobs, chunks: list[bytes]) -> None:
    content = b"".join(chunks)
    digest = hashlib.sha256(content).hexdigest()

    blob = blobs.put("acme", iter(chunks), size=len(content))

    assert (blob.key, blob.sha256, blob.size) == (f"blobs/acme/{digest[:2]}/{digest[2:4]}/{digest}", digest, len(content))
    assert read(blobs, blob.key) == content
    assert blobs.size(blob.key) == len(content)
    with blobs.local_copy(blob.key) as path:
        assert path.read_bytes() == content


def test_the_same_bytes_are_kept_once_per_tenant(blobs: Blobs) -> None:
    first, again, other = (blobs.put(tenant, [SMALL]) for tenant in ("acme", "acme", "other"))

    assert first == again
    assert list(blobs.keys("acme")) == [first.key]
    assert list(blobs.keys("other")) == [other.key]
    assert list(blobs.keys("nobody")) == []


def test_a_key_is_never_the_beginning_of_another(blobs: Blobs) -> None:
    keys = {blobs.put("acme", [str(n).encode()]).key for n in range(50)}

    assert set(blobs.keys("acme")) == keys
    assert not any(a != b and b.startswith(a) for a in keys for b in keys)


def test_threads_that_put_the_same_bytes_at_once_agree(blobs: Blobs) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: blobs.put("acme", LARGE), range(8)))

    assert len(found) == 1
    assert read(blobs, found.pop().key) == b"".join(LARGE)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("content", [[SMALL], LARGE], ids=["small", "large"])
def test_the_sources_checksum_is_checked(blobs: Blobs, algorithm: str, content: list[bytes]) -> None:
    right = hashlib.new(algorithm, b"".join(content)).hexdigest()

    with pytest.raises(Mismatch, match=algorithm):
        blobs.put("acme", content, checksum=Checksum(algorithm, "0" * len(right)))
    assert list(blobs.keys("acme")) == []

    blob = blobs.put("acme", content, checksum=Checksum(algorithm, right.upper()))
    assert blobs.exists(blob.key)


@pytest.mark.parametrize("size", [0, len(SMALL) - 1, len(SMALL) + 1, 10**12])
def test_another_size_than_the_source_said_stores_nothing(blobs: Blobs, size: int) -> None:
    with pytest.raises(Mismatch, match=f"said {size} bytes"):
        blobs.put("acme", [SMALL], size=size)

    assert list(blobs.keys("acme")) == []


def test_more_bytes_than_allowed_are_not_even_read(blobs: Blobs) -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield bytes(MIB)

    with pytest.raises(ResourceError) as caught:
        blobs.put("acme", endless(), max_bytes=10 * MIB)

    assert caught.value.limit == f"max_bytes={10 * MIB}"
    assert len(taken) == 11
    assert list(blobs.keys("acme")) == []


def test_exactly_as_many_bytes_as_allowed_are_taken(blobs: Blobs) -> None:
    assert blobs.put("acme", [SMALL], max_bytes=len(SMALL)).size == len(SMALL)


def test_nobody_sees_bytes_that_are_still_coming(blobs: Blobs, folder: Path) -> None:
    seen = []

    def chunks() -> Iterator[bytes]:
        yield from LARGE
        seen.extend(blobs.keys("acme"))

    blob = blobs.put("acme", chunks())

    assert seen == []
    assert list(blobs.keys("acme")) == [blob.key]
    assert not list((folder / ".spool").iterdir())


def test_an_error_of_the_source_passes_and_leaves_nothing(blobs: Blobs, folder: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield from LARGE
        raise ConnectionResetError("the source went away")

    with pytest.raises(ConnectionResetError):
        blobs.put("acme", chunks())

    assert list(blobs.keys("acme")) == []
    assert not list((folder / ".spool").iterdir())


def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(blobs: Blobs) -> None:
    gone, kept = blobs.put("acme", [b"gone"]), blobs.put("acme", [b"kept"])

    blobs.delete([gone.key])
    blobs.delete([gone.key, KEY_OF_NOTHING])
    blobs.delete([])

    assert not blobs.exists(gone.key)
    assert list(blobs.keys("acme")) == [kept.key]


def test_what_is_not_there_is_not_found(blobs: Blobs) -> None:
    assert blobs.size(KEY_OF_NOTHING) is None
    with pytest.raises(NotFound, match=KEY_OF_NOTHING), blobs.open(KEY_OF_NOTHING):
        pass
    with pytest.raises(NotFound, match=KEY_OF_NOTHING), blobs.local_copy(KEY_OF_NOTHING):
        pass


@pytest.mark.parametrize("key", ["../secret", "blobs/acme/../../secret", "blobs/acme/00/00/short", f"{KEY_OF_NOTHING}/more", ""])
def test_a_key_not_of_our_making_is_refused(blobs: Blobs, key: str) -> None:
    for use in (blobs.exists, blobs.open, blobs.local_copy, lambda k: blobs.delete([k]), lambda k: blobs.link(k, timedelta(hours=1))):
        with pytest.raises(ValueError, match="not the key of a blob"):
            use(key)


@pytest.mark.parametrize("tenant_id", ["", "..", "a/b", "a b", ".spool"])
def test_a_tenant_that_would_be_a_path_is_refused(blobs: Blobs, tenant_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a key"):
        blobs.put(tenant_id, [SMALL])
    with pytest.raises(ValueError, match="cannot be part of a key"):
        blobs.keys(tenant_id)


def test_a_connection_test_writes_reads_and_deletes(blobs: Blobs) -> None:
    probe = blobs.test()

    assert [a.name for a in probe.abilities] == ["write", "read", "delete"]
    assert probe.works
    assert list(blobs.keys("connection-test")) == []


@pytest.mark.parametrize(("backend", "mib"), [("folder", 2048), ("s3", 300)])
def test_a_large_file_passes_in_little_memory(request: pytest.FixtureRequest, folder: Path, backend: str, mib: int) -> None:
    s3: S3Settings | None = request.getfixturevalue("s3") if backend == "s3" else None
    account = (s3.endpoint, s3.access_key.get_secret_value(), s3.secret_key.get_secret_value(), s3.bucket) if s3 else ("", "", "", "")

    # By way of a shell: a process starts with the peak of the one it was forked from, here pytest's.
    command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", STREAM, folder, *account, str(mib)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 300 * 1024, "KiB"


def test_no_store_at_all_is_a_setting_to_make() -> None:
    with pytest.raises(ConfigurationError, match="neither a folder nor an S3"):
        open_blobs(None, None)


def read(blobs: Blobs, key: str) -> bytes:
    with blobs.open(key) as chunks:
        return b"".join(chunks)
