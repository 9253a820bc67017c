"""`connectors gateway`: the front door, where other systems call our webhooks."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

__all__ = ["PORT", "gateway"]

PORT = 8090


def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on. A proxy with TLS belongs before it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="To listen on.")] = PORT,
) -> None:
    """Take calls of webhooks until Ctrl-C: POST /webhooks/NAME, for each connector with `webhook:`. `connectors dev` does this, too.

    GET /healthz says that the process lives, GET /readyz that it can take calls.
    """
    from connector_pipelines.cli.opening import opened
    from connector_pipelines.gateway.serving import bind, serve

    # Of a caller that sends no HTTP, and of one too many, it would write a line each.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    listener = bind(host, port)
    with opened() as services:
        serve(services, listener, lambda: print(f"gateway: http://{host}:{port}", flush=True))
