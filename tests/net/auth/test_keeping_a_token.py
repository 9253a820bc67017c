"""When a token is fetched anew, what is done when that fails, and what other processes are spared."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, ConnectorError, Unauthenticated, Unavailable
from connector_pipelines.net.auth._keeper import LOCK_WAIT_S, PAUSE_S, TokenKeeper
from connector_pipelines.net.auth._memory import MemoryTokens
from connector_pipelines.net.protocols import Token, TokenState

SETTINGS = "these"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Provider:
    """Gives tokens `a1`, `a2` … and the refresh tokens that go with them."""

    lifetime_s: float | None = 3600.0
    rotates: bool = True
    errors: list[ConnectorError] = field(default_factory=list)
    asked_with: list[str] = field(default_factory=list)
    interruptions: list[bool] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    during: threading.Event | None = None
    account: str = ""

    def require(self, token: Token | None) -> None:
        if token is None or token.refresh_token is None:
            raise Unauthenticated("nobody signed in")

    def fetch(self, token: Token | None, *, interrupted: bool) -> Token:
        assert token is not None
        assert token.refresh_token is not None
        self.asked_with.append(token.refresh_token.get_secret_value())
        self.interruptions.append(interrupted)
        self.began.set()
        if self.during is not None:
            assert self.during.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        number = len(self.asked_with) + 1
        refresh = SecretStr(f"r{number}") if self.rotates else None
        return Token(access_token=SecretStr(f"a{number}"), refresh_token=refresh, lifetime_s=self.lifetime_s, account=self.account)


@dataclass
class Place:
    """An installation: its clock, its store, its provider, and processes of it."""

    clock: Clock = field(default_factory=Clock)
    provider: Provider = field(default_factory=Provider)
    store: MemoryTokens = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryTokens(self.clock)
        first = Token(access_token=SecretStr("a1"), refresh_token=SecretStr("r1"), lifetime_s=3600, scopes=("read",), account="ada")
        self.store.save(first, settings=SETTINGS)

    def keeper(self, *, chance: float = 1.0, margin_s: float = 300, settings: str = SETTINGS) -> TokenKeeper:
        return TokenKeeper(
            self.provider, self.store, connector="CRM", settings=settings, margin_s=margin_s, stop=threading.Event(),
            clock=self.clock, chance=lambda: chance,
        )  # fmt: skip


def access(keeper: TokenKeeper) -> str:
    return keeper.current().access_token.get_secret_value()


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_token_is_used_until_the_margin_before_its_end_and_fetched_anew_there(place: Place) -> None:
    keeper = place.keeper()
    early = access(keeper)
    place.clock.now += 3600 - 301
    before = access(keeper)
    place.clock.now += 2

    assert (early, before, access(keeper)) == ("a1", "a1", "a2")


def test_the_margin_is_never_more_than_a_quarter_of_the_tokens_life(place: Place) -> None:
    place.store.save(Token(access_token=SecretStr("short"), refresh_token=SecretStr("r1"), lifetime_s=60), settings=SETTINGS)
    keeper = place.keeper()
    place.clock.now += 44
    before = access(keeper)
    place.clock.now += 2

    assert (before, access(keeper)) == ("short", "a2")


def test_processes_are_spread_over_the_margin_and_the_late_ones_find_it_done(place: Place) -> None:
    early, late = place.keeper(chance=1.0), place.keeper(chance=0.0)
    access(early), access(late)
    place.clock.now += 3600 - 200

    assert (access(early), access(late)) == ("a2", "a1")
    place.clock.now += 100
    assert access(late) == "a2"
    assert place.provider.asked_with == ["r1"]


def test_a_token_of_no_told_lifetime_is_kept_until_it_is_refused(place: Place) -> None:
    place.store.save(Token(access_token=SecretStr("eternal"), refresh_token=SecretStr("r1")), settings=SETTINGS)
    keeper = place.keeper()
    access(keeper)
    place.clock.now += 10**8

    assert access(keeper) == "eternal"
    assert keeper.anew("eternal")
    assert access(keeper) == "a2"


def test_an_answer_without_a_refresh_token_keeps_the_old_one_and_what_else_it_leaves_out(place: Place) -> None:
    place.provider.rotates = False
    keeper = place.keeper()
    assert keeper.anew(access(keeper))
    assert keeper.anew(access(keeper))

    assert place.provider.asked_with == ["r1", "r1"]
    token = keeper.current()
    assert (token.scopes, token.account) == (("read",), "ada")


def test_a_fetch_that_fails_in_the_margin_goes_on_with_the_old_token_while_it_lasts(place: Place) -> None:
    keeper = place.keeper()
    access(keeper)
    place.clock.now += 3600 - 290
    place.provider.errors += [Unavailable("away"), Unavailable("away"), Unavailable("still away")]
    met = [access(keeper)]
    place.clock.now += PAUSE_S + 10
    met += [access(keeper)]
    assert len(place.provider.asked_with) == 2, "once a pause"
    place.clock.now += 260

    assert met == ["a1", "a1"]
    with pytest.raises(Unavailable, match="still away"):
        keeper.current()


def test_after_a_fetch_that_failed_nobody_asks_for_a_while_and_all_meet_the_same_error(place: Place) -> None:
    place.clock.now += 3601
    place.provider.errors.append(Unauthenticated("it has ended", advice="sign in"))
    with pytest.raises(Unauthenticated):
        place.keeper().current()
    place.clock.now += PAUSE_S - 1

    with pytest.raises(Unauthenticated, match="it has ended") as again:
        place.keeper().current()
    assert again.value.advice == "sign in"
    assert len(place.provider.asked_with) == 1

    place.clock.now += 1
    assert access(place.keeper()) == "a3"


def test_who_comes_in_the_pause_after_a_passing_fault_is_told_how_long_it_is(place: Place) -> None:
    place.clock.now += 3601
    place.provider.errors.append(Unavailable("away"))
    with pytest.raises(Unavailable):
        place.keeper().current()
    place.clock.now += 10

    with pytest.raises(Unavailable) as again:
        place.keeper().current()
    assert again.value.retry_after_s == PAUSE_S - 10


def test_a_refused_token_that_is_no_longer_the_stored_one_is_not_fetched_again(place: Place) -> None:
    mine, others = place.keeper(), place.keeper()
    access(mine)
    others.anew("a1")

    assert mine.anew("a1")
    assert access(mine) == "a2"
    assert place.provider.asked_with == ["r1"]


def test_a_thread_that_can_go_on_with_the_old_token_does_not_wait_for_the_one_that_fetches(place: Place) -> None:
    keeper = place.keeper()
    access(keeper)
    place.clock.now += 3600 - 100
    place.provider.during = threading.Event()
    fetching = threading.Thread(target=keeper.current)
    fetching.start()
    assert place.provider.began.wait(20)

    meanwhile = access(keeper)
    place.provider.during.set()
    fetching.join()

    assert (meanwhile, access(keeper)) == ("a1", "a2")


def test_a_process_that_can_go_on_does_not_wait_for_another_that_fetches(place: Place) -> None:
    keeper = place.keeper()
    access(keeper)
    place.clock.now += 3600 - 100

    with place.store.locked(within_s=0, stop=threading.Event()):
        assert access(keeper) == "a1"


def test_a_token_of_other_sign_in_settings_is_nobodys(place: Place) -> None:
    with pytest.raises(Unauthenticated):
        place.keeper(settings="others").current()
    assert place.provider.asked_with == []


def test_a_forgotten_token_is_not_used_by_the_processes_that_held_it_once_it_is_due(place: Place) -> None:
    keeper = place.keeper()
    access(keeper)
    place.store.forget()
    place.clock.now += 3400

    with pytest.raises(Unauthenticated):
        keeper.current()


def test_a_person_who_asks_is_not_kept_waiting_by_the_pause(place: Place) -> None:
    place.clock.now += 3601
    place.provider.errors.append(ConfigurationError("the secret is wrong"))
    with pytest.raises(ConfigurationError):
        place.keeper().current()

    assert place.keeper().fetch().access_token.get_secret_value() == "a3"


def test_while_the_store_is_away_the_old_token_is_used_until_its_end(place: Place) -> None:
    class Away(MemoryTokens):
        def read(self) -> TokenState:
            raise Unavailable("the database is away")

    keeper = place.keeper()
    access(keeper)
    keeper._store = Away(place.clock)
    place.clock.now += 3600 - 100
    met = access(keeper)
    place.clock.now += 200

    assert met == "a1"
    with pytest.raises(Unavailable, match="the database is away"):
        keeper.current()


def test_what_is_not_stored_is_not_used(place: Place) -> None:
    class Full(MemoryTokens):
        def save(self, token: Token, *, settings: str) -> object:
            raise Unavailable("the disk is full")

    full = Full(place.clock)
    full._state = replace(place.store._state, left_s=0.0)
    full._stored_at = place.clock.now
    place.store = full
    keeper = place.keeper()

    with pytest.raises(Unavailable, match="the disk is full"):
        keeper.current()
    assert place.provider.asked_with == ["r1"]
    assert full.read().interrupted, "whoever comes next knows that an answer was lost"


def test_a_lock_is_waited_for_longer_than_a_fetch_may_take() -> None:
    from connector_pipelines.net.auth._token_endpoint import ANSWER_TIMEOUT, CONNECT_TIMEOUT

    assert (ANSWER_TIMEOUT + 3 * CONNECT_TIMEOUT).total_seconds() < LOCK_WAIT_S
