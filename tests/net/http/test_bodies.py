from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from connector_pipelines.core import errors
from tests.net.http.world import Time, client
from tests.net.scripted import answer, raw, serving

BOMB = gzip.compress(bytes(200 * 1024**2), 9)


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"the body", mtime=0)),
        ("x-gzip", gzip.compress(b"the body", mtime=0)),
        ("GZIP", gzip.compress(b"the ", mtime=0) + gzip.compress(b"body", mtime=0)),
        ("gzip", gzip.compress(b"the body", mtime=0) + bytes(16)),
        ("deflate", zlib.compress(b"the body")),
        ("deflate", bare_deflate(b"the body")),
        ("identity", b"the body"),
    ],
)
def test_a_body_is_decoded_as_it_says(encoding: str, body: bytes) -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(200, body, headers={"Content-Encoding": encoding})

        assert http.get("x").content == b"the body"
        with http.download("x") as found:
            assert b"".join(found) == b"the body"


SPOILT = [
    ("gzip", b"no gzip at all"),
    ("gzip", gzip.compress(b"the body", mtime=0)[:-4]),
    ("deflate", zlib.compress(b"the body")[:-2]),
]


@pytest.mark.parametrize(("encoding", "body"), SPOILT)
def test_a_body_that_was_spoilt_on_its_way_is_asked_for_again_like_one_that_ends_early(encoding: str, body: bytes) -> None:
    spoilt = answer(200, body, headers={"Content-Encoding": encoding})
    with serving() as server, client(server.url, time=Time()) as http:
        server.script(spoilt, answer(200, b"the body"))
        assert http.get("x").content == b"the body"

        server.script(spoilt)
        with pytest.raises(errors.Unavailable, match="is not, or not to its end"):
            http.request("POST", "x")

        server.otherwise = spoilt
        with pytest.raises(errors.Unavailable, match="is not, or not to its end"):
            http.get("x")
        assert len(server.asked) > 4


@pytest.mark.parametrize(("encoding", "body"), SPOILT)
def test_a_download_that_is_not_encoded_as_it_says_is_malformed(encoding: str, body: bytes) -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(200, body, headers={"Content-Encoding": encoding})

        with pytest.raises(errors.Malformed), http.download("x") as found:
            list(found)


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0))])
def test_a_body_in_an_encoding_that_was_not_asked_for_is_malformed(encoding: str, body: bytes) -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(200, body, headers={"Content-Encoding": encoding})

        with pytest.raises(errors.Malformed):
            http.get("x")
        with pytest.raises(errors.Malformed), http.download("x") as found:
            list(found)


def test_a_body_larger_than_allowed_is_refused_by_its_own_word_before_it_is_read_and_without_it_while_it_is() -> None:
    chunked = b"".join(b"400\r\n" + bytes(1024) + b"\r\n" for _ in range(100)) + b"0\r\n\r\n"
    with serving() as server, client(server.url, max_body_bytes=50_000) as http:
        server.script(answer(200, b"x", length=50_001), raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked))
        for _ in range(2):
            with pytest.raises(errors.ResourceError, match="larger than 50000 bytes") as refused:
                http.get("x")

    assert refused.value.limit == "max_body_bytes=50000"


def test_a_body_that_unpacks_to_more_than_allowed_is_refused_in_little_memory() -> None:
    with serving() as server, client(server.url, max_body_bytes=1024**2) as http:
        server.otherwise = answer(200, BOMB, headers={"Content-Encoding": "gzip"})
        tracemalloc.start()
        with pytest.raises(errors.ResourceError):
            http.get("x")
        with pytest.raises(errors.ResourceError), http.download("x", max_bytes=1024**2) as found:
            for _ in found:
                pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 6 * 1024**2


def test_the_body_of_a_refusal_may_be_a_bomb_as_well() -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(400, BOMB, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
        with pytest.raises(errors.PermanentError, match=r"answered 400$"):
            http.get("x")


def test_head_has_no_body_whatever_its_headers_say_of_one() -> None:
    with serving() as server, client(server.url, max_body_bytes=10) as http:
        server.script(answer(200, b"", headers={"Content-Length": "5000000", "Content-Encoding": "gzip"}))
        found = http.request("HEAD", "x")
        http.get("x")

    assert (found.content, found.headers["content-length"]) == (b"", "5000000")
    assert server.connections == 1
