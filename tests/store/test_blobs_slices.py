"""Slices of objects: many read by few requests, from a folder, and from an S3 that knows ranges and one that does not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import NotFound
from connector_pipelines.store.blobs import Blobs, S3Settings, Slice, open_blobs

MIB = 1024**2


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Settings]:
    """It answers ranges as AWS does; rclone answers them with status 200, which obstore refuses."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Settings(endpoint=f"{host}:{port}", access_key=SecretStr("id"), secret_key=SecretStr("secret"), bucket="slices", secure=False)
    server.stop()


@pytest.fixture(params=["folder", "s3", "moto"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return open_blobs(tmp_path / "objects", None if request.param == "folder" else request.getfixturevalue(request.param))


def counting(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Key and number of spans of each call that is made of the place."""
    calls: list[tuple[str, int]] = []
    read = blobs._place.read

    def counted(key, spans):
        calls.append((key, len(spans)))
        return read(key, spans)

    monkeypatch.setattr(blobs._place, "read", counted)
    return calls


def test_slices_come_in_the_order_they_were_asked_for(blobs: Blobs) -> None:
    contents = [b"one", b"", b"three", b"four" * 1000]
    key = blobs.put("acme", contents).key
    other = blobs.put("acme", [b"another object"]).key
    starts = [sum(map(len, contents[:n])) for n in range(len(contents))]
    asked = [Slice(key, start, len(content)) for start, content in zip(starts, contents, strict=True)]

    found = blobs.read_many([asked[3], Slice(other, 8, 6), asked[0], asked[2], asked[1], asked[0]])

    assert found == [contents[3], b"object", b"one", b"three", b"", b"one"]


def test_nothing_asked_is_nothing_read(blobs: Blobs) -> None:
    assert blobs.read_many([]) == []


def test_neighbours_are_read_together(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    body = random.Random(1).randbytes(500_000)
    key = blobs.put("acme", [body]).key
    calls = counting(blobs, monkeypatch)
    near = [Slice(key, n * 400, 400) for n in range(500)]
    far = Slice(key, 499_000, 1000)

    found = blobs.read_many([far, *near])

    assert (found[0], b"".join(found[1:])) == (body[-1000:], body[:200_000])
    assert calls == [(key, 2)]


def test_what_is_read_together_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blobs(tmp_path / "objects", None)
    key = blobs.put("acme", [bytes(40 * MIB)]).key
    calls = counting(blobs, monkeypatch)

    found = blobs.read_many([Slice(key, n * MIB, MIB) for n in range(40)])

    assert (sum(map(len, found)), calls) == (40 * MIB, [(key, 3)])


def test_many_objects_are_read_in_one_call_each(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [blobs.put("acme", [f"object {n}".encode()]).key for n in range(20)]
    calls = counting(blobs, monkeypatch)

    found = blobs.read_many([Slice(key, 7, len(f"{n}")) for n, key in enumerate(keys)])

    assert ([each.decode() for each in found], sorted(calls)) == ([f"{n}" for n in range(20)], sorted((key, 1) for key in keys))


def test_an_object_that_is_not_there_is_not_found(blobs: Blobs) -> None:
    blobs.put("acme", [b"the bucket is there"])

    with pytest.raises(NotFound):
        blobs.read_many([Slice(f"blobs/acme/00/00/{'0' * 64}", 0, 5)])


@pytest.mark.parametrize(("position", "size"), [(0, 6), (4, 2), (9, 1)])
def test_a_slice_that_the_object_ends_before_is_not_found(blobs: Blobs, position: int, size: int) -> None:
    key = blobs.put("acme", [b"12345"]).key

    with pytest.raises(NotFound):
        blobs.read_many([Slice(key, position, size)])


def test_a_key_that_is_not_of_our_making_is_refused(blobs: Blobs) -> None:
    with pytest.raises(ValueError, match="not the key"):
        blobs.read_many([Slice("blobs/../../etc/passwd", 0, 5)])


def test_a_slice_can_be_had_as_a_file(blobs: Blobs) -> None:
    key = blobs.put("acme", [b"before", b"hello", b"after"]).key

    with blobs.local_slice(Slice(key, 6, 5)) as path:
        assert path.read_bytes() == b"hello"

    assert not path.exists()
