"""An API to read records from, wrong in the ways real ones are: for tests of connectors, here and elsewhere.

In this process it is `FakeApi`; as a process of its own, `fake_api_process` or ``python -m connector_pipelines.testing.fake_api``,
which prints its URL, and then `RemoteFakeApi(url)` from wherever it is edited.
"""

from __future__ import annotations

from connector_pipelines.testing.fake_api.api import FakeApi
from connector_pipelines.testing.fake_api.company import Company
from connector_pipelines.testing.fake_api.faults import Cut, Drip, Fault, Garbage, Gzip, HtmlPage, Reset, Stall, Status
from connector_pipelines.testing.fake_api.http_server import Tls
from connector_pipelines.testing.fake_api.journal import Entry, Journal
from connector_pipelines.testing.fake_api.limits import Quota, RateLimit
from connector_pipelines.testing.fake_api.messages import Answer, Request
from connector_pipelines.testing.fake_api.notify import Notifier
from connector_pipelines.testing.fake_api.remote import RemoteFakeApi, fake_api_process
from connector_pipelines.testing.fake_api.shapes import (
    AllInOne,
    CursorToken,
    Filter,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Paginator,
    Quirks,
    SinceId,
    StreamShape,
    Tombstone,
)
from connector_pipelines.testing.fake_api.sign_in import (
    ApiKeys,
    BasicUsers,
    BearerTokens,
    ClientCertificates,
    CustomSignIn,
    Introspected,
    IntrospectedAt,
    SignIn,
    SigV4Keys,
)

__all__ = [
    "AllInOne", "Answer", "ApiKeys", "BasicUsers", "BearerTokens", "ClientCertificates", "Company", "CursorToken", "CustomSignIn", "Cut", "Drip",
    "Entry", "FakeApi", "Fault", "Filter", "Garbage", "Gzip", "HtmlPage", "Introspected", "IntrospectedAt", "Journal", "LinkHeader", "NextUrl",
    "Notifier", "Offset", "PageNumber", "Paginator", "Quirks", "Quota", "RateLimit", "RemoteFakeApi", "Request", "Reset", "SigV4Keys", "SignIn", "SinceId",
    "Stall", "Status", "StreamShape", "Tls", "Tombstone", "fake_api_process",
]  # fmt: skip
