"""Which secrets a process knows, for how long, and what it costs to look for them."""

from __future__ import annotations

import html
import json
import secrets
import threading
import time
from urllib.parse import quote, quote_plus

import pytest

from connector_pipelines.known_secrets import KnownSecrets

EVENT = "GET https://api.example.com/v1/contacts/12345 answered 503 after 3 tries, the request id is 7c1d7f0b5d0c4c57a8a4f1e6"


def knowing(*lasting: str, passing: tuple[str, ...] = (), most_passing: int = 1_000) -> KnownSecrets:
    known = KnownSecrets(most_passing)
    for value in lasting:
        known.add(value)
    for value in passing:
        known.add(value, passing=True)
    return known


@pytest.mark.parametrize("length", [4, 7, 8, 11, 12, 15, 16, 17, 23, 24, 25, 40, 200])
def test_a_secret_of_any_length_is_found_wherever_it_lies(length: int) -> None:
    secret = secrets.token_hex(length)[:length]
    known = knowing(secret)

    assert {known.mask(f"{'-' * before}{secret}{'-' * after}") for before in range(20) for after in (0, 5)} == {
        f"{'-' * before}***{'-' * after}" for before in range(20) for after in (0, 5)
    }


def test_a_secret_is_found_as_others_write_it() -> None:
    secret = """first half /+&"<é'\\ second half"""
    written = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps({"a": secret}), json.dumps(secret, ensure_ascii=False),
               html.escape(secret), repr([secret])]  # fmt: skip

    assert [text for text in map(knowing(secret).mask, written) if "first" in text or "second" in text] == []


def test_of_those_that_pass_the_newest_are_known_and_those_that_last_all() -> None:
    lasting = secrets.token_urlsafe(30)
    tokens = [secrets.token_urlsafe(30) for _ in range(50)]
    known = knowing(lasting, passing=tuple(tokens), most_passing=20)

    assert [known.mask(token) == token for token in tokens] == [True] * 30 + [False] * 20
    assert known.mask(lasting) == "***"


def test_a_token_that_is_used_again_is_new_again() -> None:
    first, *others = (secrets.token_urlsafe(30) for _ in range(4))
    known = knowing(passing=(first, *others[:2], first, others[2]), most_passing=3)

    assert [known.mask(token) for token in (first, *others)] == ["***", others[0], "***", "***"]


def test_what_lasts_does_not_pass_because_it_was_said_to() -> None:
    secret = secrets.token_urlsafe(30)
    known = knowing(secret, passing=(secret, *(secrets.token_urlsafe(30) for _ in range(10))), most_passing=3)

    assert known.mask(secret) == "***"


def test_what_passed_leaves_another_that_is_written_alike() -> None:
    kept = secrets.token_urlsafe(30)
    known = knowing(kept, passing=(f"{kept} ", "another-token-0001", "another-token-0002"), most_passing=1)

    assert known.mask(f"{kept} another-token-0001 another-token-0002") == "*** another-token-0001 ***"


def test_a_thousand_secrets_cost_a_line_of_a_log_no_more_than_ten() -> None:
    few, many = (knowing(*(secrets.token_urlsafe(40) for _ in range(count))) for count in (10, 1_000))

    def cost_s(known: KnownSecrets) -> float:
        began = time.process_time()
        for _ in range(2_000):
            known.mask(EVENT)
        return time.process_time() - began

    assert min(map(cost_s, [many] * 3)) < 3 * min(map(cost_s, [few] * 3))


def test_secrets_may_come_and_go_while_others_are_masked() -> None:
    known, kept, wrong = KnownSecrets(most_passing=5), secrets.token_urlsafe(30), list[str]()
    known.add(kept)

    def come_and_go() -> None:
        for _ in range(500):
            known.add(secrets.token_urlsafe(30), passing=True)
            wrong.extend(text for text in [known.mask(f"x {kept} y")] if text != "x *** y")

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
