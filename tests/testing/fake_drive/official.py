"""Google's own client for Python, as it is, pointed at the fake: each answer it gets is held against the discovery document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httplib2
from google.oauth2 import service_account
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.http import HttpRequest

from tests.testing.fake_drive.schemas import faults_of_answer

READ = "https://www.googleapis.com/auth/drive.readonly"


@dataclass
class Checked:
    """Makes the client's requests, and looks at what they are answered."""

    faults: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)

    def __call__(self, http: Any, postproc: Any, uri: str, **rest: Any) -> HttpRequest:
        def looked_at(response: Any, content: bytes) -> Any:
            is_json = response.get("content-type", "").startswith("application/json")
            if response.status < 300 and (is_json or not content):
                self.methods.append(rest["methodId"])
                self.faults += faults_of_answer(rest["methodId"], json.loads(content) if content else None)
            return postproc(response, content)

        looked_at.__self__ = getattr(postproc, "__self__", None)  # type: ignore[attr-defined]
        return HttpRequest(http, looked_at, uri, **rest)


@contextmanager
def official_client(
    url: str, key: Mapping[str, Any], *, subject: str | None = None, checked: Checked | None = None, scope: str = READ
) -> Iterator[Any]:
    credentials = service_account.Credentials.from_service_account_info(key, scopes=[scope], subject=subject)  # type: ignore[no-untyped-call]
    http = AuthorizedHttp(credentials, http=httplib2.Http(proxy_info=None, timeout=20))
    with build(
        "drive",
        "v3",
        http=http,
        client_options={"api_endpoint": f"{url}/drive/v3/"},
        static_discovery=True,
        requestBuilder=checked or HttpRequest,
    ) as client:
        yield client
