from __future__ import annotations

import gzip
from datetime import timedelta

import pytest

from connector_pipelines.core import errors
from connector_pipelines.net.http._client import HttpClient
from tests.net.http.world import Signs, Time, client
from tests.net.scripted import Asked, Step, answer, closing, raw, reset, serving

DATA = bytes(range(256)) * 4096  # 1 MiB
ETAG = {"ETag": '"v1"'}


def cut(at: int, *, headers: dict[str, str] | None = None) -> Step:
    """The whole announced, and `at` bytes of it."""
    return answer(200, DATA[:at], headers=headers, length=len(DATA))


def rest(start: int, *, headers: dict[str, str] | None = None, size: int = len(DATA), stop: int | None = None) -> Step:
    said = {"Content-Range": f"bytes {start}-{size - 1}/{size}", **(headers or {})}
    return answer(206, DATA[start:stop], headers=said, length=len(DATA) - start)


def taken(http: HttpClient) -> bytes:
    with http.download("file") as found:
        return b"".join(found)


def ranges(asked: list[Asked]) -> list[tuple[str | None, str | None]]:
    return [(each.headers.get("range"), each.headers.get("if-range")) for each in asked]


def test_a_body_comes_in_pieces_with_status_and_headers_and_its_connection_is_used_again() -> None:
    with serving() as server, client(server.url, sign_in=Signs()) as http:
        server.otherwise = answer(200, DATA, headers=ETAG)
        for _ in range(3):
            with http.download("file", params={"v": 1}) as found:
                pieces = list(found)
                assert (found.status, found.headers["etag"], b"".join(pieces) == DATA) == (200, '"v1"', True)
                assert max(map(len, pieces)) <= 1024**2

    assert server.connections == 1
    assert (server.asked[0].target, server.asked[0].headers["accept-encoding"]) == ("/file?v=1", "identity")
    assert "authorization" in server.asked[0].headers


def test_a_body_in_chunks_and_one_that_ends_with_its_connection_are_read_to_their_end() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4\r\nwhol\r\n1;x=y\r\ne\r\n0\r\nTrailer: 1\r\n\r\n"
    with serving() as server, client(server.url) as http:
        server.script(raw(chunked, then_close=False), raw(b"HTTP/1.0 200 OK\r\n\r\nwhole"), answer(200, b"whole"))

        assert [taken(http) for _ in range(3)] == [b"whole"] * 3


@pytest.mark.parametrize("pin", [ETAG, {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}])
def test_a_body_that_is_cut_is_taken_up_where_it_was_cut(pin: dict[str, str]) -> None:
    with serving() as server, client(server.url) as http:
        server.script(cut(100_000, headers=pin), rest(100_000, headers=pin, stop=400_000), rest(400_000, headers=pin))

        assert taken(http) == DATA

    said = next(iter(pin.values()))
    assert ranges(server.asked) == [(None, None), ("bytes=100000-", said), ("bytes=400000-", said)]


def test_a_connection_torn_down_in_the_middle_and_a_server_that_is_away_for_a_moment_are_no_different() -> None:
    def torn(connection: object, asked: Asked) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(DATA) + DATA[:50_000])  # type: ignore[attr-defined]
        reset(connection, asked)  # type: ignore[arg-type]

    time = Time()
    with serving() as server, client(server.url, time=time) as http:
        server.script(torn, answer(503), closing, rest(50_000, headers=ETAG))
        with http.download("file") as found:
            # A torn connection may take with it what had arrived.
            server.steps[-1] = lambda connection, asked: rest(int(asked.headers["range"][6:-1]), headers=ETAG)(connection, asked)
            assert b"".join(found) == DATA


def test_a_body_that_stalls_is_taken_up() -> None:
    with serving() as server, client(server.url, read_timeout=timedelta(seconds=0.2)) as http:

        def stalls(connection: object, asked: Asked) -> None:
            connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(DATA) + DATA[:1000])  # type: ignore[attr-defined]
            server.stall(connection, asked)  # type: ignore[arg-type]

        server.script(stalls, rest(1000, headers=ETAG))

        assert taken(http) == DATA


def test_a_server_without_ranges_is_read_anew_from_its_beginning_and_what_came_already_is_left_out() -> None:
    with serving() as server, client(server.url) as http:
        server.script(cut(100_000, headers=ETAG), answer(200, DATA, headers=ETAG))

        assert taken(http) == DATA


@pytest.mark.parametrize(
    "second",
    [
        answer(200, b"z" * len(DATA), headers={"ETag": '"v2"'}),
        answer(200, b"z" * len(DATA)),
        answer(200, b"z" * 7, headers=ETAG),
        answer(206, b"z", headers={"Content-Range": "bytes 100000-100000/100001", "ETag": '"v2"'}),
        answer(206, b"z", headers={"Content-Range": f"bytes 0-0/{len(DATA)}", **ETAG}),
        answer(206, b"z", headers={"Content-Range": "bytes 100000-100000/100001", **ETAG}),
        answer(206, b"z", headers=ETAG),
        answer(416, headers={"Content-Range": "bytes */50"}),
    ],
)
def test_a_body_that_became_another_is_a_mismatch_and_never_put_together(second: Step) -> None:
    with serving() as server, client(server.url) as http:
        server.script(cut(100_000, headers=ETAG), second)
        got = bytearray()
        with http.download("file") as found, pytest.raises(errors.Mismatch):
            got.extend(byte for piece in found for byte in piece)

    assert bytes(got) == DATA[: len(got)]


@pytest.mark.parametrize("headers", [None, {"ETag": 'W/"v1"'}])
def test_a_body_that_nothing_vouches_for_is_not_taken_up_once_some_of_it_was_handed_out(headers: dict[str, str] | None) -> None:
    with serving() as server, client(server.url) as http:
        server.script(cut(100_000, headers=headers))
        with pytest.raises(errors.Unavailable, match=r"cut off at byte \d+, and has neither ETag nor date"):
            taken(http)

    assert len(server.asked) == 1


def test_a_body_without_a_validator_is_taken_up_at_the_address_that_whoever_asked_vouches_for() -> None:
    asked_again: list[int] = []
    with serving() as server, serving() as other, client(server.url) as http:

        def again(received: int) -> str:
            asked_again.append(received)
            return "file" if received < 400_000 else f"{other.url}/blob?signature=2"

        server.script(cut(100_000), rest(100_000, stop=400_000))
        other.script(rest(400_000))
        with http.download("file", params={"alt": "media"}, again=again) as found:
            assert b"".join(found) == DATA

    assert asked_again == [100_000, 400_000]
    assert ranges(server.asked) == [(None, None), ("bytes=100000-", None)]
    assert {asked.target for asked in server.asked} == {"/file?alt=media"}
    assert [(asked.target, asked.headers["range"]) for asked in other.asked] == [("/blob?signature=2&alt=media", "bytes=400000-")]


def test_what_whoever_asked_does_not_vouch_for_any_more_is_not_taken_up() -> None:
    def moved(_: int) -> str:
        raise errors.Mismatch("its head revision is another by now")

    with serving() as server, client(server.url) as http:
        server.script(cut(100_000))
        with pytest.raises(errors.Mismatch, match="head revision"), http.download("file", again=moved) as found:
            list(found)

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, rest(100_000, size=len(DATA) + 1)),
        ({}, answer(206, b"z", headers={"Content-Range": f"bytes 0-0/{len(DATA)}"})),
        ({}, answer(200, DATA[:-1])),
        ({}, answer(416, headers={"Content-Range": "bytes */50"})),
        (ETAG, rest(100_000, headers={"ETag": '"v2"'})),
    ],
)
def test_whatever_is_vouched_for_sizes_and_validators_have_to_agree(first: dict[str, str], second: Step) -> None:
    with serving() as server, client(server.url) as http:
        server.script(cut(100_000, headers=first), second)
        with pytest.raises(errors.Mismatch), http.download("file", again=lambda _: "file") as found:
            list(found)


def test_a_body_sent_without_its_length_is_compared_by_what_its_parts_say_of_the_whole() -> None:
    unmeasured = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + DATA[:100_000] + b"\r\n"
    with serving() as server, client(server.url) as http:
        server.script(raw(unmeasured), rest(100_000, stop=400_000), rest(400_000))
        with http.download("file", again=lambda _: "file") as found:
            assert b"".join(found) == DATA
        server.script(raw(unmeasured), rest(100_000, stop=400_000), rest(400_000, size=len(DATA) - 1))
        with pytest.raises(errors.Mismatch), http.download("file", again=lambda _: "file") as found:
            list(found)


def test_without_a_byte_handed_out_it_is_asked_for_anew() -> None:
    with serving() as server, client(server.url) as http:
        server.script(cut(0), cut(0), answer(200, DATA))

        assert taken(http) == DATA


def test_a_server_that_cuts_each_time_without_getting_on_is_given_up() -> None:
    def one_byte(connection: object, asked: Asked) -> None:
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        step = rest(start, headers=ETAG, stop=start + 1) if "range" in asked.headers else cut(1, headers=ETAG)
        step(connection, asked)  # type: ignore[arg-type]

    with serving() as server, client(server.url) as http:
        server.otherwise = one_byte
        with pytest.raises(errors.Unavailable, match="was cut off 5 times"):
            taken(http)


def test_a_body_that_is_packed_although_it_was_asked_for_plainly_is_unpacked_across_cuts() -> None:
    packed = gzip.compress(DATA, mtime=0)
    headers = {**ETAG, "Content-Encoding": "gzip"}
    with serving() as server, client(server.url) as http:
        part = {**headers, "Content-Range": f"bytes 500-{len(packed) - 1}/{len(packed)}"}
        server.script(answer(200, packed[:500], headers=headers, length=len(packed)), answer(206, packed[500:], headers=part))

        assert taken(http) == DATA


def test_more_than_allowed_is_refused_before_the_first_byte_where_it_says_so_and_while_reading_where_it_does_not() -> None:
    with serving() as server, client(server.url) as http:
        server.script(answer(200, DATA), raw(b"HTTP/1.0 200 OK\r\n\r\n" + DATA))
        with pytest.raises(errors.ResourceError, match="larger than 1000 bytes"), http.download("x", max_bytes=1000):
            pass
        with pytest.raises(errors.ResourceError) as refused, http.download("x", max_bytes=1000) as found:
            list(found)

    assert refused.value.limit == "max_bytes=1000"


def test_a_download_is_refused_and_tried_again_like_any_request() -> None:
    time = Time()
    with serving() as server, client(server.url, time=time) as http:
        server.script(answer(503), closing, answer(200, b"1"))
        assert taken(http) == b"1"
        server.script(answer(404))
        with pytest.raises(errors.NotFound, match=f"GET {server.url}/file answered 404"):
            taken(http)


def test_a_download_that_redirects_to_a_signed_address_is_taken_up_there_by_way_of_the_first() -> None:
    with serving() as server, serving(named="localhost") as store, client(server.url, sign_in=Signs()) as http:
        server.otherwise = answer(302, headers={"Location": f"{store.url}/blob?signature=1"})
        store.script(cut(100_000, headers=ETAG), rest(100_000, headers=ETAG))

        assert taken(http) == DATA

    assert len(server.asked) == 2
    assert all("authorization" not in asked.headers for asked in store.asked)
    assert ranges(store.asked)[1] == ("bytes=100000-", '"v1"')


def test_a_download_left_in_the_middle_leaves_no_connection_behind() -> None:
    with serving() as server, client(server.url, max_connections=1) as http:
        server.otherwise = answer(200, DATA)
        for _ in range(3):
            with http.download("file") as found:
                next(iter(found))

    assert server.connections == 3


def test_bytes_are_counted() -> None:
    with serving() as server, client(server.url) as http:
        server.otherwise = answer(200, DATA)
        taken(http)

        assert http.counters.received == len(DATA)
