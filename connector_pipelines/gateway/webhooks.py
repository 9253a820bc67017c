"""`/webhooks/{connector}`: a call is read, proven, stored and answered, or refused and counted."""

from __future__ import annotations

import traceback

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connector_pipelines.core.errors import ConnectorError, Malformed
from connector_pipelines.core.webhooks import BySource
from connector_pipelines.gateway.calls import Call, Overloaded, Reason, Refusal, read_body
from connector_pipelines.gateway.house import House
from connector_pipelines.store.catalog.inbox import Receiver

__all__ = ["answer"]

RETRY_AFTER_S = "5"

_STATUS: dict[Reason, int] = {
    "unsigned": 401, "forged": 401, "replayed": 401, "ambiguous": 400, "malformed": 400, "too_large": 413, "too_slow": 408,
}  # fmt: skip


async def answer(house: House, request: Request) -> Response:
    """The answer to a call, whatever it is."""
    tenant, connector = request.path_params.get("tenant", "default"), request.path_params["connector"]
    try:
        receiver = await house.receivers.find(tenant, connector)
        if receiver is None:
            # No word on which of both is unknown, and no line of its own in the log: the names are the caller's.
            house.refusals.tell("webhook_unknown", "", "unknown")
            return PlainTextResponse("there is no such webhook\n", 404)
        if request.method != "POST" and not isinstance(receiver.settings.verify, BySource):
            return PlainTextResponse("POST is what this webhook takes\n", 405, {"Allow": "POST"})
        return await _taken(house, request, receiver)
    except Overloaded:
        return _later()
    except ConnectorError as error:
        house.refusals.tell("webhook_not_taken", connector if receiver else "", f"{error.code}: {error}")
        return _later()
    except Exception as error:  # noqa: BLE001 - the outermost edge: a bug is told once a minute, not with every call
        house.refusals.tell("webhook_fault", "", _where(error))
        return PlainTextResponse("this is a fault of ours\n", 500)


async def _taken(house: House, request: Request, receiver: Receiver) -> Response:
    held = 0
    try:
        body = await read_body(request.stream(), request.headers.get("content-length"), receiver.settings.max_body_bytes, house.memory)
        held = len(body)
        proven = await house.prover.prove(receiver, _call(request, body))
        if proven.arrived:
            await house.inbox.put(proven.arrived)
        house.subscribed.count(proven.heard)
    except Refusal as refusal:
        return _refused(house, receiver, refusal.reason)
    except Malformed:
        return _refused(house, receiver, "malformed")
    finally:
        house.memory.give_back(held)
    # Some senders take a challenge that is answered with 202 for a failure.
    return PlainTextResponse(proven.answer, 202 if proven.arrived or not proven.answer else 200)


def _call(request: Request, body: bytes) -> Call:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    return Call(method=request.method, headers=headers, query=request.scope["query_string"].decode("latin-1"), body=body)


def _refused(house: House, receiver: Receiver, reason: Reason) -> Response:
    house.refusals.count(receiver, reason)
    status = _STATUS[reason]
    # What was not read is not waited for.
    headers = {"Connection": "close"} if status in {408, 413} else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Webhook"
    return PlainTextResponse(f"refused: {reason}\n", status, headers)


def _where(error: Exception) -> str:
    """What kind of fault, and in which line of code: its own words may be the caller's."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.filename}:{frame.lineno}"


def _later() -> Response:
    return PlainTextResponse("not now; make this call again\n", 503, {"Retry-After": RETRY_AFTER_S, "Connection": "close"})
