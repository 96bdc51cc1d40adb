"""Runs the web application and the workers in this process until it is told to stop."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import uvicorn
from fastapi import FastAPI

from adapters.bootstrap import opened_ledger, projecting, working
from adapters.cli.loop import settle
from adapters.http.application import application, only_metrics
from adapters.http.sandbox_pages import add_sandbox_pages
from adapters.settings import Settings, SettingsError


def listening_socket(settings: Settings, port: int | None = None, setting: str = "PORT") -> socket.socket:
    """A socket on the settings' address, at their port or the one of another `setting`.

    Raises SettingsError if it can't be had.
    """
    port = port or settings.port
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, port))
    except OSError as error:
        listener.close()
        message = f"{setting}: {settings.host}:{port} can't be used ({error.strerror}); set {setting} to another"
        raise SettingsError(message) from None
    return listener


async def serve_api(
    settings: Settings, url: str, listener: socket.socket, *, with_workers: bool, with_projections: bool
) -> None:
    """Serve the API until SIGTERM or SIGINT; keep the read models up to date and work off the to-do lists if asked."""
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened_ledger(settings, url))
        if with_projections:
            await stack.enter_async_context(projecting(ledger))
        if with_workers:
            await stack.enter_async_context(working(ledger))
        app = application(ledger)
        add_sandbox_pages(app)
        await serve_until_stopped(app, listener)


async def work_only(settings: Settings, url: str, listener: socket.socket | None) -> None:
    """Keep the read models up to date and work off the to-do lists, until SIGTERM or SIGINT.

    With a listener, figures are given there.
    """
    if listener:
        async with opened_ledger(settings, url) as ledger, projecting(ledger), working(ledger):
            await serve_until_stopped(only_metrics(ledger), listener)
        return
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with opened_ledger(settings, url) as ledger, projecting(ledger), working(ledger):
        await stop.wait()


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again after its end, which would break off what closes after it."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal ends it in good order, a second at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        yield

    def _stop(self, number: int) -> None:
        self._on_stop()
        self.handle_exit(number, None)


async def serve_until_stopped(app: FastAPI, listener: socket.socket, ready: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; calls `ready` once requests are answered."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=5
    )
    server = _Server(config, app.state.ledger.end_soon)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 -- uvicorn has only the flag
        await asyncio.sleep(0.01)
    settle()  # the application and its schemas
    if ready and server.started:
        ready()
    await serving
