"""The ASGI application: webhooks, and whether we are well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from connector_pipelines.gateway.house import House
from connector_pipelines.gateway.webhooks import answer

__all__ = ["create_app"]


def create_app(house: House) -> Starlette:
    """The application on `house`, which its lifespan keeps at work."""

    async def webhook(request: Request) -> Response:
        return await answer(house, request)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        why_not = await house.is_ready()
        return PlainTextResponse(f"{why_not or 'ok'}\n", 503 if why_not else 200)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(house.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return Starlette(
        routes=[
            Route("/webhooks/{connector}", webhook, methods=["POST", "GET"]),
            Route("/webhooks/{tenant}/{connector}", webhook, methods=["POST", "GET"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        lifespan=lifespan,
    )
