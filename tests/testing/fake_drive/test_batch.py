"""The batch endpoint, as google-api-python-client speaks it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httplib2
import pytest
from googleapiclient.discovery import build
from googleapiclient.errors import BatchError, HttpError

from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_drive.batch import answer_batch
from connector_pipelines.testing.fake_drive.errors import DriveError
from tests.testing.fake_drive.asking import ADA, BOB, Asking


class Straight:
    """What the official client takes for HTTP: it asks the routes."""

    def __init__(self, ask: Asking, user: str) -> None:
        self._ask = ask
        self._user = user

    def request(self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> tuple[httplib2.Response, bytes]:
        parts = urlsplit(uri)
        sent = body if isinstance(body, bytes) else (body or "").encode()
        request = Request(
            method=method, path=unquote(parts.path), target=uri, base="http://drive.test", params=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in (headers or {}).items()}, body=sent,
        )  # fmt: skip
        answer = self._ask.routes.answer(request, self._user)
        return httplib2.Response(
            {**{name.lower(): value for name, value in answer.headers.items()}, "status": str(answer.status)}
        ), answer.body

    def close(self) -> None:
        """Nothing is open."""


def client(ask: Asking, user: str = ADA) -> Any:
    options = {"api_endpoint": "http://drive.test/drive/v3/"}
    made = build("drive", "v3", http=Straight(ask, user), client_options=options, static_discovery=True)
    made._batch_path = "http://drive.test/batch/drive/v3"
    return made


def run(ask: Asking, ids: list[str]) -> dict[str, Any]:
    drive, found = client(ask), {}

    def keep(name: str, response: Any, error: HttpError | None) -> None:
        found[name] = response or error

    batch = drive.new_batch_http_request(callback=keep)
    batch._batch_uri = "http://drive.test/batch/drive/v3"
    for each in ids:
        batch.add(drive.files().get(fileId=each, fields="id,name"), request_id=each)
    batch.execute()
    return found


def test_each_request_of_a_batch_is_answered_for_itself(ask: Asking) -> None:
    mine = ask.world.create(owner=ADA, name="naïve.txt", content=b"1")
    his = ask.world.create(owner=BOB, name="bobs.txt", content=b"1")

    found = run(ask, [mine, his])

    assert found[mine] == {"id": mine, "name": "naïve.txt"}
    assert isinstance(found[his], HttpError)
    assert json.loads(found[his].content)["error"]["errors"][0]["reason"] == "notFound"


def test_a_batch_holds_a_hundred_requests(ask: Asking) -> None:
    ids = ask.world.fill(ask.world.create_folder("Many", owner=ADA), 101, 10)

    assert len(run(ask, ids[:100])) == 100
    with pytest.raises((HttpError, BatchError), match="1 to 100"):
        run(ask, ids)


def test_somebody_between_sees_the_requests_inside(ask: Asking) -> None:
    mine = ask.world.create(owner=ADA, name="a.txt", content=b"1")
    seen: list[str] = []

    def between(request: Request, user: str) -> Answer:
        seen.append(f"{user} {request.method} {request.path}")
        return DriveError(403, "userRateLimitExceeded", "User Rate Limit Exceeded").answer

    ask.routes.inner = between

    found = run(ask, [mine])

    assert seen == [f"{ADA} GET /drive/v3/files/{mine}"]
    assert found[mine].status_code == 403


def test_what_is_no_batch_is_refused(ask: Asking) -> None:
    request = Request(
        method="POST", path="/batch/drive/v3", target="", base="", params={}, headers={"content-type": "text/plain"}, body=b"hello"
    )

    with pytest.raises(DriveError, match="1 to 100"):
        answer_batch(request, lambda _: Answer(200))
