"""`seatledger dev`: the embedded default, everything in one process and one terminal."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from adapters.bootstrap import opened_ledger, projecting, working
from adapters.cli.database import database
from adapters.cli.progress import seeding_with_progress
from adapters.cli.serving import listening_socket, serve_until_stopped
from adapters.http.application import application
from adapters.http.sandbox_pages import add_sandbox_pages
from adapters.ledger import Ledger
from adapters.postgres import schema
from adapters.settings import Settings


def run_dev(settings: Settings, out: Console) -> None:
    """Start, migrate, seed, serve and work until Ctrl-C; the data stays for the next start."""
    from adapters.cli.main import run

    began = time.monotonic()
    settings = settings.model_copy(update={"sandbox": True})
    listener = listening_socket(settings)
    with database(settings, stop_after=True) as found:
        schema.migrate(found.owner_url, settings.partitions)
        run(lambda: _serve(settings, found.application_url, listener, out, began))
    out.print("Stopped. The data stays; `make run` goes on with it, `make reset` empties it.")


async def _serve(settings: Settings, url: str, listener: socket.socket, out: Console, began: float) -> None:
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened_ledger(settings, url))
        await stack.enter_async_context(projecting(ledger))
        await seeding_with_progress(ledger, out)
        await stack.enter_async_context(working(ledger))
        app = application(ledger)
        add_sandbox_pages(app)
        await serve_until_stopped(app, listener, lambda: _welcome(ledger, out, time.monotonic() - began))
