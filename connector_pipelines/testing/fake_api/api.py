"""The fake API as a whole, in this process: a company behind HTTP, with sign-in, limits, faults and a journal."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from connector_pipelines.testing.fake_api.attachments import answer_signed
from connector_pipelines.testing.fake_api.company import Company
from connector_pipelines.testing.fake_api.control import CONTROL, Control
from connector_pipelines.testing.fake_api.faults import Delivery, Fault, Faults, befall
from connector_pipelines.testing.fake_api.http_server import HttpServer, Tls
from connector_pipelines.testing.fake_api.journal import Journal, OpenEntry
from connector_pipelines.testing.fake_api.limits import Limits, Quota, RateLimit
from connector_pipelines.testing.fake_api.messages import Answer, Refusal, Request
from connector_pipelines.testing.fake_api.rendering import FileLinks
from connector_pipelines.testing.fake_api.routes import Routes
from connector_pipelines.testing.fake_api.shapes import StreamShape
from connector_pipelines.testing.fake_api.sign_in import SignIn, who_asks

__all__ = ["FakeApi"]


class FakeApi:
    """An API to read records from.

        with FakeApi() as api:
            api.add(StreamShape(name="contacts", paginator=Offset()))
            api.company.put("contacts", {"name": "Ada"})
            httpx.get(f"{api.url}/contacts")

    Attributes:
        company: What is in it, and every edit.
        journal: What was asked of it.
        url, signed_url: Its own address, and that of the host that serves signed addresses of files.
    """

    def __init__(self, *, port: int = 0, tls: Tls | None = None) -> None:
        self.journal = Journal()
        self.faults = Faults()
        self.limits = Limits()
        self._ways: tuple[SignIn, ...] = ()
        self._server = HttpServer(self._respond, port=port, tls=tls)
        # By another name, too: whoever compares only ports, or only hosts, is found out.
        self._signed = HttpServer(self._respond_signed, named="localhost")
        self.url, self.signed_url = self._server.url, self._signed.url
        self.company = Company(FileLinks(self.url, self.signed_url))
        self._routes = Routes(self.company, self.signed_url)
        self._control = Control(self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self._server.start()
        self._signed.start()

    def stop(self) -> None:
        self._server.stop()
        self._signed.stop()

    def add(self, *shapes: StreamShape) -> None:
        for shape in shapes:
            self.company.add(shape)

    def signs_in(self, *ways: SignIn) -> None:
        """From now on, a request shows one of these; none: whoever asks is answered."""
        self._ways = ways

    def limit(self, rate: RateLimit | None = None, quota: Quota | None = None) -> None:
        """From now on, and no other limit; counts begin anew."""
        self.limits.set(rate, quota)

    def fault(self, action: Any, **which: Any) -> None:
        """Script a fault; `which` as the fields of `Fault`."""
        self.faults.add(Fault(action=action, **which))

    def skew(self, by: timedelta) -> None:
        """Set the clock of the headers ahead of this machine's, or behind. Records have a clock of their own: `company.clock`."""
        self.limits.skew = by
        self._server.skew(by)

    def _respond(self, request: Request, connection: int) -> tuple[Answer, Delivery]:
        if request.path.startswith(CONTROL):
            return self._control.answer(request), Delivery()
        secret = frozenset[str]().union(*(way.secret_params for way in self._ways))
        entry = self.journal.opened(request, connection=connection, secret_params=secret, signed=False)
        return self._with_faults(request, entry, self._answer(request, entry))

    def _answer(self, request: Request, entry: OpenEntry) -> Answer:
        try:
            credential = who_asks(request, self._ways)
            entry.signed_in(credential)
            told = self.limits.admit(credential)
            answer = self._routes.answer(request)
        except Refusal as refusal:
            return refusal.answer
        return Answer(answer.status, answer.body, {**answer.headers, **told}) if told else answer

    def _respond_signed(self, request: Request, connection: int) -> tuple[Answer, Delivery]:
        entry = self.journal.opened(request, connection=connection, secret_params=frozenset({"signature"}), signed=True)
        try:
            answer = answer_signed(request, self.company.files, request.path.removeprefix("/files/"))
        except Refusal as refusal:
            answer = refusal.answer
        return self._with_faults(request, entry, answer)

    def _with_faults(self, request: Request, entry: OpenEntry, answer: Answer) -> tuple[Answer, Delivery]:
        action = self.faults.for_request(request)
        delivery = Delivery()
        if action is not None:
            answer, delivery = befall(answer, action)
        entry.answered(answer, action.type if action else "")
        return answer, delivery
