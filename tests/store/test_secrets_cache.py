"""How long a fetched secret is used, and what each fetch leaves behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector_pipelines.core.errors import ConfigurationError, Unavailable
from connector_pipelines.store.secrets import Cache, Secrets
from connector_pipelines.telemetry import scrub

REFERENCE = "vault:kv/app#password"


class Place:
    """A place of secrets that counts, and fails as it is told."""

    def __init__(self) -> None:
        self.value, self.error, self.asked = "first-value-of-it", None, 0
        self.gate: threading.Event | None = None
        self.closed = 0

    def fetch(self, name: str) -> str:
        self.asked += 1
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return self.value

    def close(self) -> None:
        self.closed += 1


class World:
    def __init__(self, tmp_path) -> None:
        self.now, self.place, self.told = 0.0, Place(), []
        cache = Cache(300, 3600, lambda: self.now)
        self.secrets = Secrets(
            {"HERE": "x-of-here"},
            tmp_path,
            remote={"vault": lambda: self.place},
            cache=cache,
            audit=lambda *a: self.told.append(a),
            actor="me",
        )

    def get(self) -> str:
        return self.secrets.resolve(REFERENCE).get_secret_value()


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def test_within_its_lifetime_a_secret_is_fetched_once(world):
    values = [world.get() for _ in range(3)]
    world.now += 299.9
    values.append(world.get())

    assert set(values) == {"first-value-of-it"}
    assert world.place.asked == 1


def test_after_its_lifetime_it_is_fetched_again(world):
    world.get()
    world.place.value = "second-value"
    world.now += 300

    assert world.get() == "second-value"


def test_what_was_refused_is_fetched_anew_at_once(world):
    world.get()
    world.place.value = "second-value"
    world.secrets.forget(REFERENCE)

    assert world.get() == "second-value"


def test_while_its_place_is_away_the_older_one_is_used_for_an_hour(world):
    world.get()
    world.place.error = Unavailable("sealed")
    world.now += 3600
    assert world.get() == "first-value-of-it"

    world.now += 0.1
    with pytest.raises(Unavailable):
        world.get()


def test_a_place_that_is_away_is_not_asked_at_every_use(world):
    world.get()
    world.place.error = Unavailable("sealed")
    world.now += 301

    for _ in range(5):
        world.get()
    assert world.place.asked == 2
    world.now += 31
    world.place.error, world.place.value = None, "back-again"
    assert world.get() == "back-again"


def test_what_was_forgotten_is_not_used_while_its_place_is_away(world):
    world.get()
    world.secrets.forget(REFERENCE)
    world.place.error = Unavailable("sealed")

    with pytest.raises(Unavailable):
        world.get()


def test_a_secret_that_was_taken_away_is_not_used_any_more(world):
    world.get()
    world.place.error = ConfigurationError("gone")
    world.now += 301

    with pytest.raises(ConfigurationError):
        world.get()


def test_of_many_threads_one_fetches(world):
    world.place.gate = threading.Event()
    with ThreadPoolExecutor(8) as threads:
        values = [threads.submit(world.get) for _ in range(8)]
        world.place.gate.set()

    assert {value.result() for value in values} == {"first-value-of-it"}
    assert world.place.asked == 1


def test_a_lifetime_of_nothing_asks_every_time(tmp_path):
    place = Place()
    secrets = Secrets({}, tmp_path, remote={"vault": lambda: place}, cache=Cache(0, 0))

    for _ in range(3):
        secrets.resolve(REFERENCE)

    assert place.asked == 3


def test_every_fetch_is_told_and_no_use_of_what_is_kept(world):
    world.get()
    world.get()
    world.now += 300
    world.place.error = ConfigurationError("gone")
    with pytest.raises(ConfigurationError):
        world.get()

    assert world.told == [("me", REFERENCE, "fetched"), ("me", REFERENCE, "configuration")]


def test_it_is_told_who_asked(world):
    world.secrets.acting_for("run 17").resolve(REFERENCE)
    world.secrets.resolve(REFERENCE)

    assert world.told == [("run 17", REFERENCE, "fetched")]


def test_a_variable_is_neither_kept_nor_told(world):
    world.secrets.resolve("env:HERE")

    assert world.told == []


def test_an_empty_secret_is_refused_and_not_kept(world):
    world.place.value = " "
    with pytest.raises(ConfigurationError, match="is empty"):
        world.get()
    world.place.value = "not empty any more"

    assert world.get() == "not empty any more"


def test_what_was_fetched_is_masked_from_then_on(world):
    world.place.value = "fetched-and-masked-3391"
    world.get()

    assert scrub("refused: fetched-and-masked-3391") == "refused: ***"


@pytest.mark.parametrize("literal", ["vault:hvs.CAESIJ-canary-991", "vault:kv/canary-991", "vault:", "vault:kv/a b#canary-991"])
def test_a_value_behind_a_known_scheme_is_not_repeated(world, literal):
    with pytest.raises(ConfigurationError) as caught:
        world.secrets.resolve(literal)

    assert "canary-991" not in str(caught.value)
    assert "vault:MOUNT/PATH#FIELD" in str(caught.value)
    assert world.place.asked == 0


def test_a_place_is_closed_with_the_secrets_and_not_made_for_that(world, tmp_path):
    world.secrets.close()
    assert world.place.closed == 0
    world.get()
    world.secrets.close()
    world.secrets.close()

    assert world.place.closed == 1
