"""The database goes away, or is restarted, while limits are kept: nothing that was asked for is forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import RateLimited, Unavailable
from connector_pipelines.embedded.postgres import EmbeddedPostgres
from connector_pipelines.net.limits import Limits
from connector_pipelines.net.protocols import Answered
from connector_pipelines.store.catalog import schema
from connector_pipelines.store.catalog.limits import PostgresLimits
from tests.faults.way import Way
from tests.net.limits.conftest import eventually
from tests.net.limits.test_limiter import NEVER, admit, wait_of

Opened = Callable[..., Limits]


@pytest.fixture
def way(limits_url: SecretStr) -> Iterator[Way]:
    parts = urlsplit(limits_url.get_secret_value())
    with Way(f"{parts.hostname}:{parts.port}") as made:
        yield made


@pytest.fixture
def through(limits_url: SecretStr, way: Way) -> SecretStr:
    """The database's URL by a way that can be cut."""
    parts = urlsplit(limits_url.get_secret_value())
    return SecretStr(parts._replace(netloc=f"{parts.username}:{parts.password}@{way.address}").geturl())


def test_while_the_database_is_away_a_process_goes_on_by_what_it_knows_and_tells_once(
    opened: Opened, way: Way, through: SecretStr, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = opened(PostgresLimits(through)), opened()
    free, paused, later = f"{bucket}/free", f"{bucket}/paused", f"{bucket}/later"
    for name in (free, paused, later):
        admit(one, name)
    one.limiter.learn(paused, Answered(throttled=True, retry_after_s=60))

    def told() -> list[str]:
        admit(one, free)
        return [record.getMessage().split()[0] for record in caplog.records if record.name.startswith("connector_pipelines.net.limits")]

    with way.cut_off():
        began_at = time.monotonic()
        assert eventually(lambda: "limits_kept_alone" in told())
        for _ in range(1000):
            admit(one, free)
        one.limiter.learn(later, Answered(throttled=True, retry_after_s=90))
        alone = [round(wait_of(one, name)) for name in (free, paused, later)]
        took_s = time.monotonic() - began_at
    assert eventually(lambda: "limits_shared_again" in told())

    assert alone == [0, 60, 90]
    assert took_s < 10
    assert told() == ["limits_kept_alone", "limits_shared_again"]
    assert round(wait_of(other, later)) in {88, 89, 90}


def test_a_database_that_holds_nothing_yet_is_no_reason_to_warn(
    opened: Opened, database_url: str, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = opened(PostgresLimits(SecretStr(database_url)))

    admit(one, bucket)
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))

    assert round(wait_of(one, bucket)) == 60
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_database_that_falls_silent_holds_a_request_up_for_seconds_only(
    opened: Opened, way: Way, through: SecretStr, bucket: str
) -> None:
    one = opened(PostgresLimits(through))
    admit(one, bucket)

    with way.silent():
        NEVER.wait(0.3)
        began_at = time.monotonic()
        admit(one, bucket)
        first_s = time.monotonic() - began_at
        admit(one, bucket)
        second_s = time.monotonic() - began_at - first_s

    assert first_s < 8
    assert second_s < 0.5


def test_a_process_that_never_had_a_database_still_keeps_what_it_is_told(opened: Opened, bucket: str) -> None:
    alone = opened(PostgresLimits(SecretStr("postgresql://nobody@127.0.0.1:9/none")))

    admit(alone, bucket)
    alone.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    fails(alone, f"{bucket} host")

    assert 59 < wait_of(alone, bucket) <= 60
    with pytest.raises(Unavailable):
        alone.breaker.check(f"{bucket} host")
    admit(alone, f"{bucket}/slow", at_most=1)
    with pytest.raises(RateLimited):
        admit(alone, f"{bucket}/slow", within_s=0.1, at_most=1)


def test_a_restart_of_the_database_shortens_no_pause(tmp_path: Path, bucket: str) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", elsewhere=tmp_path / "elsewhere")
    tmp_path.chmod(0o711)
    url = SecretStr(postgres.ensure_running())
    schema.upgrade(url)
    one, other = Limits(PostgresLimits(url)), Limits(PostgresLimits(url))
    for limits in (one, other):
        admit(limits, bucket)
    one.limiter.learn(bucket, Answered(throttled=True, retry_after_s=60))
    began_at = time.monotonic()
    assert eventually(lambda: wait_of(other, bucket) > 0)

    postgres.stop()
    kept = [wait_of(limits, bucket) for limits in (one, other)]
    again = SecretStr(postgres.ensure_running())
    later = Limits(PostgresLimits(again))
    found = wait_of(later, bucket)
    passed_s = time.monotonic() - began_at
    for limits in (one, other, later):
        limits.close()
    postgres.stop()

    assert min(*kept, found) > 59 - passed_s


def fails(limits: Limits, circuit: str) -> None:
    for _ in range(5):
        limits.breaker.record(circuit, works=False)
