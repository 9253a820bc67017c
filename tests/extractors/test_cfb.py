from __future__ import annotations

import io
import random
import struct

import pytest

from connector_pipelines.core.errors import Malformed, ResourceError
from connector_pipelines.extractors._cfb import CompoundFile, Entry
from tests.compound import compound

STREAMS = {
    "small": b"x" * 10,
    "edge": random.Random(7).randbytes(4096),
    "in/a": b"",
    "in/deeper/Large": random.Random(8).randbytes(100_000),
}


def test_streams_of_every_size_are_read_and_storages_hold_what_lies_in_them() -> None:
    file = CompoundFile(io.BytesIO(compound(STREAMS)))

    assert {path: file.read(entry, 1_000_000) for path in STREAMS if (entry := file.find(*path.split("/")))} == STREAMS
    assert file.find("in", "deeper", "LARGE") == file.find("in", "deeper", "Large")
    assert file.find("in", "absent") is None


@pytest.mark.parametrize("place", ["directory", "stream"])
def test_a_chain_that_leads_in_a_circle_is_malformed(place: str) -> None:
    data = bytearray(compound({"a": bytes(5000)}))
    (directory,) = struct.unpack_from("<I", data, 48)
    first = directory if place == "directory" else 0
    struct.pack_into("<I", data, len(data) - 512 + 4 * first, first)

    with pytest.raises(Malformed, match="circle"):
        _read_too_much(bytes(data))


def test_siblings_that_lead_in_a_circle_or_a_long_line_are_each_taken_once() -> None:
    many = {f"s{number:05d}": b"" for number in range(5000)}
    circle = bytearray(compound({"a": b"", "b": b""}))
    (directory,) = struct.unpack_from("<I", circle, 48)
    struct.pack_into("<I", circle, 512 + directory * 512 + 2 * 128 + 72, 1)  # right of b: a

    assert len(CompoundFile(io.BytesIO(compound(many))).root.children) == 5000
    assert set(CompoundFile(io.BytesIO(bytes(circle))).root.children) == {"a", "b"}


def test_a_stream_that_claims_more_than_there_is_is_not_read_into_memory() -> None:
    file = CompoundFile(io.BytesIO(compound({"a": bytes(5000)})))
    liar = Entry("a", is_stream=True, size=10**12, start=0)

    with pytest.raises(ResourceError):
        file.read(liar, 10**9)
    with pytest.raises(Malformed, match="before its time"):
        b"".join(file.blocks(liar))


@pytest.mark.parametrize("length", [0, 8, 511, 512, 700])
def test_a_file_cut_off_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        CompoundFile(io.BytesIO(compound(STREAMS)[:length]))


def _read_too_much(data: bytes) -> bytes:
    # A size that only a circle has bytes for.
    return b"".join(CompoundFile(io.BytesIO(data)).blocks(Entry("a", is_stream=True, size=10**9, start=0)))
