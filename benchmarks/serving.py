"""The product's server with a bare route beside it: same body model, no middleware, no ledger. `PORT URL [apart]`."""

import socket
import sys
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from fastapi import FastAPI, Response

from adapters.bootstrap import opened_ledger, projecting
from adapters.cli.serving import serve_until_stopped
from adapters.http.api.bodies import IssueQuoteBody
from adapters.http.application import application
from adapters.settings import Settings

_ANSWER = b'{"id":"5ea71ed9-0000-5000-8000-000000000001"}'


def bare() -> FastAPI:
    """An application of two routes that do nothing."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/bare")
    async def take(body: IssueQuoteBody) -> Response:
        return Response(_ANSWER, 201 if body.lines else 200, media_type="application/json")

    @app.get("/bare")
    async def give() -> Response:
        return Response(_ANSWER, media_type="application/json")

    return app


async def serve(port: int, url: str, *, apart: bool) -> None:
    """Serve both until told to stop; `apart`: another process keeps the read models up to date."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened_ledger(Settings(sandbox=True, movable_clock=False), url))
        if not apart:
            await stack.enter_async_context(projecting(ledger))
        product, beside = application(ledger), bare()

        async def both(scope: Any, receive: Any, send: Any) -> None:
            await (beside if scope.get("path") == "/bare" else product)(scope, receive, send)

        both.state = product.state  # type: ignore[attr-defined]  # the server asks it for the ledger
        await serve_until_stopped(both, listener)  # type: ignore[arg-type]  # an ASGI application like any other


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], apart=sys.argv[3:] == ["apart"]))
