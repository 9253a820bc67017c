"""Limits, scripted faults, and the journal that tells whether a client kept to what it was told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx
import pytest

from connector_pipelines.testing.fake_drive import (
    BackendError,
    Corrupted,
    Cut,
    Denied,
    FakeDrive,
    Garbage,
    IgnoredRange,
    Limit,
    Reset,
    Stall,
    Status,
    Throttle,
    Truncated,
    WrongChecksums,
)

ADA = "ada@example.com"
BOB = "bob@example.com"
LIST = "/drive/v3/files"


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as drive:
        drive.world.add_user(ADA)
        drive.world.add_user(BOB)
        yield drive


@pytest.fixture
def ada(drive: FakeDrive) -> Iterator[httpx.Client]:
    with client_of(drive, ADA) as http:
        yield http


def client_of(drive: FakeDrive, person: str, project: str = "fake-project") -> httpx.Client:
    token = drive.access_token(person, project=project)
    return httpx.Client(base_url=drive.url, headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=5)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return error["code"], error["errors"][0]["reason"], error["errors"][0]["domain"]


def test_a_user_who_asks_too_often_is_told_so_and_others_are_not(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.limit(Limit(requests=2, per_s=60))

    answers = [ada.get(LIST) for _ in range(3)]
    with client_of(drive, BOB) as bob:
        other = bob.get(LIST)

    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert error_of(answers[2]) == (403, "userRateLimitExceeded", "usageLimits")
    assert "retry-after" not in answers[2].headers
    assert other.status_code == 200


def test_a_project_is_limited_with_all_of_its_users(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.limit(Limit(per="project", requests=1, per_s=60, status=429))

    ada.get(LIST)
    with client_of(drive, BOB) as same, client_of(drive, BOB, "another-project") as other:
        answers = [same.get(LIST), other.get(LIST)]

    assert error_of(answers[0]) == (429, "rateLimitExceeded", "usageLimits")
    assert answers[1].status_code == 200


def test_a_limit_is_over_when_its_span_is(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.limit(Limit(requests=1, per_s=60))

    before = [ada.get(LIST).status_code for _ in range(2)]
    drive.pass_time(timedelta(seconds=61))

    assert [*before, ada.get(LIST).status_code] == [200, 403, 200]


@pytest.mark.parametrize("tells", ["seconds", "date", "message"])
def test_who_comes_back_before_the_time_they_were_told_is_found_out(
    drive: FakeDrive, ada: httpx.Client, tells: Literal["seconds", "date", "message"]
) -> None:
    drive.fault(Throttle(wait_s=30, tells=tells, status=429))

    told = ada.get(LIST)
    with client_of(drive, BOB) as bob:
        bob.get(LIST)
    unspoilt = drive.journal.violations()
    early = ada.get("/drive/v3/about?fields=user")
    drive.pass_time(timedelta(seconds=32))
    late = ada.get(LIST)

    assert told.status_code == early.status_code == 429
    assert late.status_code == 200
    assert unspoilt == []
    assert [(before.call, after.call) for before, after in drive.journal.violations()] == [("files.list", "about.get")]
    assert 29 < _wait_s(told) <= 32


def _wait_s(told: httpx.Response) -> float:
    """Seconds that an answer asks for, in whatever form."""
    now = datetime.now(UTC)
    header = told.headers.get("retry-after", "")
    if header.isdigit():
        return int(header)
    if header:
        return (parsedate_to_datetime(header) - now).total_seconds()
    text = told.json()["error"]["message"].partition("Retry after ")[2]
    return (datetime.fromisoformat(text) - now).total_seconds()


def test_a_pause_of_a_project_is_violated_by_any_of_its_users(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.fault(Throttle(per="project", wait_s=30, tells="seconds"))

    ada.get(LIST)
    with client_of(drive, BOB) as bob:
        refused = bob.get(LIST)

    assert error_of(refused)[1] == "rateLimitExceeded"
    assert [after.user for _, after in drive.journal.violations()] == [BOB]


def test_a_pause_nobody_was_told_of_is_not_violated(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.fault(Throttle(wait_s=30))

    ada.get(LIST)

    assert ada.get(LIST).status_code == 403
    assert drive.journal.violations() == []
    assert drive.journal.pauses() == []


def test_who_was_on_the_way_already_is_forgiven(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.fault(Throttle(wait_s=30, tells="seconds"))

    ada.get(LIST)
    ada.get(LIST)

    assert len(drive.journal.violations()) == 1
    assert drive.journal.violations(grace_s=10) == []


def test_a_fault_is_by_method_user_path_and_count(drive: FakeDrive, ada: httpx.Client) -> None:
    made = drive.world.create(owner=ADA, name="a", content=b"a")
    drive.fault(BackendError(status=500), call="files.list", user=ADA, skip=1, times=2)
    drive.fault(Denied(reason="downloadQuotaExceeded"), path=f"*/{made}", params={"alt": "media"}, times=None)

    listed = [ada.get(LIST) for _ in range(4)]
    with client_of(drive, BOB) as bob:
        others = bob.get(LIST)
    one, bytes_ = ada.get(f"{LIST}/{made}"), ada.get(f"{LIST}/{made}?alt=media")

    assert [answer.status_code for answer in listed] == [200, 500, 500, 200]
    assert error_of(listed[1]) == (500, "backendError", "global")
    assert (others.status_code, one.status_code) == (200, 200)
    assert error_of(bytes_)[:2] == (403, "downloadQuotaExceeded")
    assert [call.fault for call in drive.journal.entries("files.list", user=ADA)] == ["", "backend_error", "backend_error", ""]


def test_sign_in_is_met_by_faults_of_its_own_alone(drive: FakeDrive) -> None:
    drive.fault(BackendError())
    drive.fault(Status(status=429), call="token", skip=1)
    held = drive.authorized_user(ADA)
    form = {"grant_type": "refresh_token", **{name: held[name] for name in ("client_id", "client_secret", "refresh_token")}}

    asked = [httpx.post(held["token_uri"], data=form, trust_env=False) for _ in range(3)]
    with client_of(drive, ADA) as ada:
        listed = [ada.get(LIST).status_code for _ in range(2)]

    assert [answer.status_code for answer in asked] == [200, 429, 200]
    assert listed == [503, 200]
    with pytest.raises(ValueError, match="no user yet"):
        drive.fault(Throttle(), call="token")


def test_bytes_are_cut_short_changed_and_given_whole_to_who_asked_for_a_part(drive: FakeDrive, ada: httpx.Client) -> None:
    content = bytes(range(200))
    made = drive.world.create(owner=ADA, name="a", content=content)
    media = f"{LIST}/{made}?alt=media"
    for fault in (Truncated(keep_bytes=50), Corrupted(at=7), Cut(after_bytes=20), Reset()):
        drive.fault(fault, call="files.get media")

    short, changed = ada.get(media), ada.get(media)
    with pytest.raises(httpx.RemoteProtocolError):
        ada.get(media)
    with pytest.raises(httpx.TransportError):
        ada.get(media)
    drive.fault(IgnoredRange())
    whole = ada.get(media, headers={"range": "bytes=10-19"})
    part = ada.get(media, headers={"range": "bytes=10-19"})

    assert (short.status_code, short.content) == (200, content[:50])
    assert len(changed.content) == 200
    assert [place for place in range(200) if changed.content[place] != content[place]] == [7]
    assert (whole.status_code, whole.content) == (200, content)
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, content[10:20], "bytes 10-19/200")
    assert [call.size for call in drive.journal.entries()] == [50, 200, 20, 0, 200, 10]
    assert sum(drive.journal.downloads().values()) == 5
    assert drive.journal.downloaded_twice() == {}


def test_checksums_may_lie_and_json_be_no_json(drive: FakeDrive, ada: httpx.Client) -> None:
    made = drive.world.create(owner=ADA, name="a", content=b"a")
    drive.fault(WrongChecksums())
    drive.fault(Garbage())

    lie = ada.get(f"{LIST}/{made}?fields=sha256Checksum,name").json()
    garbage = ada.get(f"{LIST}/{made}?fields=sha256Checksum")
    truth = ada.get(f"{LIST}/{made}?fields=sha256Checksum").json()

    assert lie["name"] == "a"
    assert truth["sha256Checksum"] == hashlib.sha256(b"a").hexdigest() != lie["sha256Checksum"]
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        garbage.json()


def test_an_answer_that_stalls_holds_up_no_other(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.fault(Stall(seconds=60), user=ADA)

    with pytest.raises(httpx.ReadTimeout):
        ada.get(LIST, timeout=0.1)
    with client_of(drive, BOB) as bob:
        assert bob.get(LIST, timeout=5).status_code == 200


def test_each_answer_may_take_its_time_and_none_waits_for_another(drive: FakeDrive, ada: httpx.Client) -> None:
    drive.latency(0.2)
    began = time.monotonic()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ada.get(LIST).status_code, range(10)))

    assert answers == [200] * 10
    assert 0.2 <= time.monotonic() - began < 1.5


def test_the_journal_says_what_was_downloaded_at_which_revision(drive: FakeDrive, ada: httpx.Client) -> None:
    made = drive.world.create(owner=ADA, name="a", content=b"one")
    media = f"{LIST}/{made}?alt=media"
    ada.get(media)
    drive.world.update_content(made, b"three")
    ada.get(media)
    ada.get(media, headers={"range": "bytes=0-1"})
    ada.get(media, headers={"range": "bytes=2-"})

    revisions = [each["id"] for each in ada.get(f"{LIST}/{made}/revisions").json()["revisions"]]
    downloads = drive.journal.downloads()

    assert [downloads[made, revision] for revision in revisions] == [1, 2]
    assert drive.journal.downloaded_twice() == {(made, revisions[1]): 2}
    assert drive.journal.bytes_served("files.get media") == 3 + 5 + 2 + 3
    assert drive.journal.counts() == {"files.get media": 4, "revisions.list": 1}
