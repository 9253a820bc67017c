"""Google's own client over the house's HTTP, against a Drive that misbehaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import pytest
from pydantic import SecretStr

from connector_pipelines.core.errors import ConfigurationError, Forbidden, Malformed, NotFound, RateLimited, Unauthenticated, Unavailable
from connector_pipelines.core.http import Http, HttpOptions
from connector_pipelines.core.protocols import Tools
from connector_pipelines.net.protocols import Answered
from connector_pipelines.sources.google_drive.batching import Ask
from connector_pipelines.sources.google_drive.client import Drives, buckets_of, read_json
from connector_pipelines.testing.fake_drive import BackendError, Cut, Denied, FakeDrive, Garbage, HtmlPage, Reset, Throttle
from tests.sources.google_drive.reached import ADA, BEN, Reach


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with FakeDrive() as made:
        for person in (ADA, BEN):
            made.world.add_user(person)
        yield made


@dataclass
class Heard:
    """A `Limiter` that lets everything through and remembers what it was told of pauses."""

    pauses: list[tuple[str, float | None]] = field(default_factory=list)

    def admit(self, buckets: tuple[str, ...], *, within_s: float, stop: Event, at_most: float | None = None) -> None:
        pass

    def learn(self, bucket: str, answered: Answered) -> None:
        if answered.throttled:
            self.pauses.append((bucket, answered.retry_after_s))


def asked_for(file_id: str) -> Ask:
    return Ask("files.get", {"fileId": file_id, "fields": "name"})


def files(drive: FakeDrive, *names: str) -> list[str]:
    return [drive.world.create(owner=ADA, name=name, content=name.encode()) for name in names]


def test_a_method_is_called_by_its_name_and_gives_what_it_answers(drive: FakeDrive) -> None:
    (file,) = files(drive, "a.txt")

    with Reach(drive).of() as google:
        assert google.call("files.get", fileId=file, fields="name,size") == {"name": "a.txt", "size": "5"}


def test_parameters_that_are_none_are_left_out(drive: FakeDrive) -> None:
    with Reach(drive).of() as google:
        google.call("files.list", pageToken=None, fields="files(id)")

    assert [dict(call.params) for call in drive.calls()] == [{"fields": "files(id)", "alt": "json"}]


def test_a_question_too_long_for_an_address_is_asked_all_the_same_and_tried_again(drive: FakeDrive) -> None:
    (file,) = files(drive, "a.txt")
    drive.fault(BackendError())

    with Reach(drive).of() as google:
        found = google.call("files.list", q=" or ".join(["'root' in parents"] * 200), fields="files(id)")

    assert found == {"files": [{"id": file}]}
    assert [call.call for call in drive.calls()] == ["files.list", "files.list"]


def test_each_user_sees_their_own_drive_by_a_client_of_their_own(drive: FakeDrive) -> None:
    with Reach(drive).drives() as google:
        ada, ben = google.of(ADA), google.of(BEN)

        assert google.of(ADA) is ada
        assert [each.call("about.get", fields="user(emailAddress)")["user"]["emailAddress"] for each in (ada, ben)] == [ADA, BEN]


def test_closing_closes_what_was_opened_and_may_be_done_twice() -> None:
    closed: list[str | None] = []

    class Client:
        def __init__(self, options: HttpOptions) -> None:
            self._subject = options.subject

        def close(self) -> None:
            closed.append(self._subject)

    google = Drives(Tools(secret=SecretStr, database_url=SecretStr(""), http=lambda options: as_http(Client(options))))
    google.of(ADA)
    google.of(BEN)

    google.close()
    google.close()

    assert closed == [ADA, BEN]


def test_of_very_many_users_not_all_keep_connections_and_each_still_works(drive: FakeDrive) -> None:
    users = [f"user{number}@example.com" for number in range(103)]
    for user in users:
        drive.world.add_user(user)

    with Reach(drive).drives() as google:
        first = google.of(users[0])
        for user in users[1:]:
            google.of(user)

        assert google.of(users[0]) is not first
        assert google.of(users[-1]) is google.of(users[-1])
        assert first.call("about.get", fields="user(emailAddress)") == {"user": {"emailAddress": users[0]}}


@pytest.mark.parametrize("fault", [BackendError(), Cut(after_bytes=3), Reset(), Throttle(per="user", wait_s=0)])
def test_what_passes_is_asked_again(drive: FakeDrive, fault: Any) -> None:
    (file,) = files(drive, "a.txt")
    drive.fault(fault)

    with Reach(drive).of() as google:
        assert google.call("files.get", fileId=file, fields="name") == {"name": "a.txt"}


@pytest.mark.parametrize("fault", [Garbage(), HtmlPage()])
def test_an_answer_that_is_no_json_is_never_taken_for_one(drive: FakeDrive, fault: Any) -> None:
    drive.fault(fault)

    with Reach(drive).of() as google, pytest.raises(Malformed, match="no JSON object"):
        google.call("files.list", fields="files(id)")


def test_half_a_character_in_one_name_does_not_hide_the_others() -> None:
    assert read_json(rb'{"files":[{"name":"\ud83d.txt"},{"name":"b.txt"}]}') == {"files": [{"name": "?.txt"}, {"name": "b.txt"}]}


def test_a_limit_of_the_user_pauses_the_user_and_one_of_the_project_pauses_all(drive: FakeDrive) -> None:
    heard = Heard()
    tools = Reach(drive, limiter=heard).tools
    google = Drives(replace(tools, application="quay"), api_url=drive.url, allow_private=True)
    drive.fault(Throttle(per="user", tells="message", wait_s=0))
    drive.fault(Throttle(per="project", wait_s=0))

    google.of(ADA).call("about.get", fields="user")
    google.close()

    assert [bucket for bucket, _ in heard.pauses] == [f"google_drive/quay/{ADA}", "google_drive/quay"]


@pytest.mark.parametrize(
    ("application", "user", "buckets"),
    [
        ("quay", ADA, ("google_drive/quay", f"google_drive/quay/{ADA}")),
        ("quay", None, ("google_drive/quay", "")),
        ("", ADA, ()),
    ],
)
def test_buckets_are_of_the_project_and_of_the_user_in_it(application: str, user: str | None, buckets: tuple[str, ...]) -> None:
    assert buckets_of(application, user) == buckets


def test_a_batch_answers_each_in_order_and_tells_what_each_met(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt")

    with Reach(drive).of() as google:
        first, missing, last = google.batch([asked_for(made[0]), asked_for("nowhere"), asked_for(made[1])])

    assert (first, last) == ({"name": "a.txt"}, {"name": "b.txt"})
    assert isinstance(missing, NotFound)
    assert "files/nowhere" in str(missing)
    assert [call.call for call in drive.calls() if not call.in_batch] == ["batch"]


def test_more_than_a_hundred_go_in_several_batches(drive: FakeDrive) -> None:
    made = files(drive, *(f"{number}.txt" for number in range(150)))

    with Reach(drive).of() as google:
        found = google.batch([asked_for(each) for each in made])

    assert found == [{"name": f"{number}.txt"} for number in range(150)]
    assert [call.call for call in drive.calls() if not call.in_batch] == ["batch", "batch"]


def test_no_batch_is_sent_for_nothing(drive: FakeDrive) -> None:
    with Reach(drive).of() as google:
        assert google.batch([]) == []

    assert drive.calls() == []


def test_those_of_a_batch_that_were_throttled_are_asked_again_without_the_others_and_not_before_they_may(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt", "c.txt")
    for each in made[1:]:
        drive.fault(Throttle(per="user", tells="seconds", wait_s=1), path=f"*/{each}")

    with Reach(drive).of() as google:
        found = google.batch([asked_for(each) for each in made])

    assert found == [{"name": "a.txt"}, {"name": "b.txt"}, {"name": "c.txt"}]
    assert sum(call.file_id == made[0] for call in drive.calls()) == 1
    assert [each for each in drive.journal.violations() if not each[1].in_batch] == []


def test_a_throttled_call_of_a_batch_pauses_its_user_as_any_other_does(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt")
    heard = Heard()
    drive.fault(Throttle(per="user", wait_s=0), path=f"*/{made[0]}")

    with Reach(drive, limiter=heard).of() as google:
        assert google.batch([asked_for(each) for each in made]) == [{"name": "a.txt"}, {"name": "b.txt"}]

    assert len(heard.pauses) == 1


def test_a_call_of_a_batch_that_is_to_wait_for_long_says_so_for_itself(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt")
    drive.fault(Denied(reason="dailyLimitExceeded"), path=f"*/{made[1]}", times=None)

    with Reach(drive).of() as google:
        first, second = google.batch([asked_for(each) for each in made])

    assert first == {"name": "a.txt"}
    assert isinstance(second, RateLimited)
    assert second.retry_after_s == 3600


def test_a_batch_that_fails_as_a_whole_is_sent_again(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt")
    drive.fault(BackendError(), call="batch")
    drive.fault(Cut(after_bytes=20), call="batch")

    with Reach(drive).of() as google:
        assert google.batch([asked_for(each) for each in made]) == [{"name": "a.txt"}, {"name": "b.txt"}]


@pytest.mark.parametrize("fault", [Garbage(), HtmlPage()])
def test_a_batch_answered_with_rubbish_is_asked_one_by_one(drive: FakeDrive, fault: Any) -> None:
    made = files(drive, "a.txt", "b.txt")
    drive.fault(fault, call="batch")

    with Reach(drive).of() as google:
        found = google.batch([*map(asked_for, made), asked_for("nowhere")])

    assert found[:2] == [{"name": "a.txt"}, {"name": "b.txt"}]
    assert isinstance(found[2], NotFound)


def test_a_batch_that_is_refused_as_a_whole_raises(drive: FakeDrive) -> None:
    drive.fault(Denied(reason="authError", status=401), call="batch", times=None)

    with Reach(drive).of() as google, pytest.raises(Unauthenticated):
        google.batch([asked_for("x"), asked_for("y")])


def test_what_every_call_of_a_batch_would_meet_is_raised(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt")
    drive.fault(Denied(reason="accessNotConfigured"), path=f"*/{made[1]}")

    with Reach(drive).of() as google, pytest.raises(ConfigurationError, match="accessNotConfigured"):
        google.batch([asked_for(each) for each in made])


def test_a_stopped_run_does_not_wait_for_the_rest_of_a_batch(drive: FakeDrive) -> None:
    made = files(drive, "a.txt", "b.txt")
    drive.fault(Throttle(per="user", tells="seconds", wait_s=50), path=f"*/{made[0]}")

    with Reach(drive).of() as google:
        google.stop.set()
        with pytest.raises(Unavailable, match="stopped"):
            google.batch([asked_for(each) for each in made])


def test_a_file_with_a_resource_key_is_seen_with_it_alone_and_in_a_batch(drive: FakeDrive) -> None:
    (file,) = files(drive, "a.txt")
    key = drive.world.need_resource_key(file)
    drive.world.share(file, "anyone", "reader")
    ask = Ask("files.get", {"fileId": file, "fields": "name"}, {file: key})

    with Reach(drive).of(BEN) as google:
        without, shown = google.batch([asked_for(file), ask])
        assert isinstance(without, NotFound | Forbidden)
        assert shown == {"name": "a.txt"}
        assert google.call("files.get", fileId=file, fields="name", resource_keys={file: key}) == {"name": "a.txt"}


def test_a_process_that_does_not_call_drive_does_not_load_googles_client() -> None:
    code = (
        "import sys; from connector_pipelines.sources.google_drive import client, exports, faults, formats, probing, reading;"
        "print([name for name in ('googleapiclient', 'httplib2', 'google.auth') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def as_http(client: Any) -> Http:
    found: Http = client
    return found
