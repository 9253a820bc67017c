"""What is sealed opens at its place, with its key, and nowhere else."""

from __future__ import annotations

import base64
import multiprocessing
import os
import re
import stat
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.store.sealing import Sealer, given_keys, keys_below, keys_in, new_key, no_keys, secret_place, token_place
from connector_pipelines.telemetry import scrub

PLACE = secret_place("api")


def sealer(*keys: str) -> Sealer:
    return Sealer(given_keys(SecretStr(",".join(keys))))


def refused(attempt) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        attempt()
    assert caught.value.advice
    return caught.value


def test_what_was_sealed_opens_again():
    one = sealer(new_key())

    key_id, sealed = one.seal(b"plain \x00 text", place=PLACE)

    assert one.open(key_id, sealed, place=PLACE) == b"plain \x00 text"
    assert b"plain" not in sealed


def test_the_same_text_never_looks_the_same():
    one = sealer(new_key())

    assert len({one.seal(b"same", place=PLACE)[1] for _ in range(100)}) == 100


def test_what_was_moved_to_another_row_or_table_does_not_open():
    one = sealer(new_key())
    key_id, sealed = one.seal(b"x", place=PLACE)

    for place in (secret_place("other"), token_place("api"), "secretsapi"):
        assert "does not open" in str(refused(lambda place=place: one.open(key_id, sealed, place=place)))


def test_a_changed_byte_is_noticed_wherever_it_is():
    one = sealer(new_key())
    key_id, sealed = one.seal(b"hello", place=PLACE)

    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        refused(lambda changed=changed: one.open(key_id, changed, place=PLACE))
    refused(lambda: one.open(key_id, sealed[:10], place=PLACE))
    refused(lambda: one.open(key_id, b"", place=PLACE))


def test_the_first_key_seals_and_all_of_them_open():
    old, new = new_key(), new_key()
    before = sealer(old).seal(b"old", place=PLACE)
    both = sealer(new, old)

    after = both.seal(b"new", place=PLACE)

    assert both.open(*before, place=PLACE) == b"old"
    assert sealer(old, new).open(*after, place=PLACE) == b"new"
    assert after[0] == sealer(new).key_id != before[0]


def test_a_key_that_is_not_there_is_named_by_its_id_with_the_row():
    key_id, sealed = sealer(new_key()).seal(b"x", place=PLACE)
    other = sealer(new_key())

    error = refused(lambda: other.open(key_id, sealed, place=PLACE))

    assert f"secrets/api is sealed under the key {key_id}" in str(error)
    assert other.key_id in str(error)


def test_a_row_that_claims_another_key_than_its_own_does_not_open():
    one, two = new_key(), new_key()
    _, sealed = sealer(one).seal(b"x", place=PLACE)

    refused(lambda: sealer(one, two).open(sealer(two).key_id, sealed, place=PLACE))


@pytest.mark.parametrize("form", [base64.b64encode, lambda raw: base64.b64encode(raw).rstrip(b"="), lambda raw: raw.hex().encode()])
def test_a_key_may_be_written_in_any_base64_and_in_hex(form):
    raw = bytes(range(224, 256))

    assert sealer(form(raw).decode()).key_id == sealer(base64.urlsafe_b64encode(raw).decode()).key_id


@pytest.mark.parametrize("text", ["too-short", "A" * 44 + "!", "ä" * 43, "ab" * 24, base64.b64encode(bytes(33)).decode()])
def test_what_is_no_key_is_refused_without_being_shown(text):
    error = refused(lambda: sealer(new_key(), text))

    assert "key 2 of CONNECTORS_SECRET_KEYS is not 32 bytes" in str(error)
    assert text not in "".join(traceback.format_exception(error))


def test_keys_are_masked_wherever_they_turn_up():
    key = new_key()
    one = sealer(key)

    assert scrub(f"the key {key}") == "the key ***"
    assert key not in repr(one)
    assert key not in repr(one._keys())


def test_a_file_of_keys_counts_as_it_is_now(tmp_path):
    old, new, path = new_key(), new_key(), tmp_path / "keys"
    path.write_text(f"# of 2026\n{old}\n")
    running = Sealer(keys_in(path))
    before = running.seal(b"x", place=PLACE)

    path.write_text(f"{new}\n{old}\n")
    after = running.seal(b"y", place=PLACE)
    path.write_text(f"{new}\n")

    assert before[0] != after[0] == running.key_id
    assert running.open(*after, place=PLACE) == b"y"
    refused(lambda: running.open(*before, place=PLACE))


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00", b"x" * 100_000])
def test_a_file_without_keys_is_refused(tmp_path, content):
    (tmp_path / "keys").write_bytes(content)

    assert str(tmp_path / "keys") in str(refused(lambda: Sealer(keys_in(tmp_path / "keys")).key_id))


def test_a_file_of_keys_that_is_not_there_is_never_made_when_it_was_named(tmp_path):
    refused(lambda: Sealer(keys_in(tmp_path / "keys")).key_id)

    assert not (tmp_path / "keys").exists()


def test_a_key_of_our_own_is_made_when_it_is_first_needed_and_read_by_nobody_else(tmp_path):
    path = tmp_path / "home" / "secret.keys"
    made = Sealer(keys_below(path))
    assert not path.exists()

    sealed = made.seal(b"x", place=PLACE)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Sealer(keys_below(path)).open(*sealed, place=PLACE) == b"x"
    assert [p.name for p in path.parent.iterdir()] == ["secret.keys"]


def _key_id(path: str) -> str:
    return Sealer(keys_below(Path(path))).key_id


def test_processes_that_need_the_first_key_at_the_same_moment_get_the_same_one(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("forkserver")) as processes:
        found = {path: set(processes.map(_key_id, [path] * 8)) for path in (str(tmp_path / f"{n}" / "secret.keys") for n in range(10))}

    assert [len(ids) for ids in found.values()] == [1] * 10
    assert len(set.union(*found.values())) == 10
    assert [p.name for p in tmp_path.glob("*/*")] == ["secret.keys"] * 10


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)

    refused(lambda: Sealer(keys_below(tmp_path / "secret.keys")).key_id)


def test_without_a_key_for_a_shared_database_it_is_told_how_to_make_one():
    error = refused(lambda: Sealer(no_keys).seal(b"x", place=PLACE))

    assert "CONNECTORS_SECRET_KEYS" in str(error)
    assert "`connectors secrets new-key`" in error.advice


def test_a_new_key_is_one_word_of_32_random_bytes():
    keys = {new_key() for _ in range(10)}

    assert len(keys) == 10
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", key) and len(base64.urlsafe_b64decode(key)) == 32 for key in keys)
