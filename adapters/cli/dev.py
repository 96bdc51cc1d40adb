"""`seatledger dev`: the embedded default, everything in one process and one terminal."""

import json
import socket
import time
from contextlib import AsyncExitStack

import psycopg
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from adapters.bootstrap import check_log, opened_ledger, projecting, working
from adapters.cli.database import database
from adapters.cli.loop import run
from adapters.cli.progress import seeding_with_progress
from adapters.cli.projections import rebuilt
from adapters.cli.serving import listening_socket, serve_until_stopped
from adapters.http.application import application
from adapters.http.sandbox_pages import add_sandbox_pages
from adapters.ledger import Ledger
from adapters.postgres import schema
from adapters.postgres.read_model_tables import outdated
from adapters.settings import Settings
from domain.envelope import Role
from domain.identifiers import account_id, subscription_id

_DEMO_ACCOUNT = "A-10001"
_DEMO_SUBSCRIPTION = "S-10001-1"


def run_dev(settings: Settings, out: Console) -> None:
    """Start, migrate, seed, serve and work until Ctrl-C; the data stays for the next start."""
    began = time.monotonic()
    check_log(settings)
    listener = listening_socket(settings)
    with listener, database(settings, stop_after=True) as found:
        schema.migrate(found.owner_url, settings.partitions)
        with psycopg.connect(found.owner_url) as connection:
            to_rebuild = [*outdated(connection)]
        if to_rebuild:
            rebuilt(found, settings, to_rebuild, out, swap=True, quiet=False)
        run(lambda: _serve(settings, found.application_url, listener, out, began))
    out.print("Stopped. The data stays: `make run` goes on with it, `make reset` empties it.")


async def _serve(settings: Settings, url: str, listener: socket.socket, out: Console, began: float) -> None:
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(opened_ledger(settings, url))
        await stack.enter_async_context(projecting(ledger))
        await seeding_with_progress(ledger, out)
        await stack.enter_async_context(working(ledger))
        app = application(ledger)
        add_sandbox_pages(app)
        welcome = await _welcome(ledger)
        await serve_until_stopped(app, listener, lambda: _print(welcome, out, time.monotonic() - began))


async def _welcome(ledger: Ledger) -> list[Panel | Table | str]:
    settings = ledger.settings
    base = f"http://{'localhost' if settings.host == '127.0.0.1' else settings.host}:{settings.port}"
    look = Table.grid(padding=(0, 2))
    for what, where in (
        ("Corporate Billing Portal", f"{base}/portal"),
        ("status, people, events", f"{base}/"),
        ("mail inbox", f"{base}/sandbox/inbox"),
        ("gateways' own books", f"{base}/sandbox/books"),
        ("API contract", f"{base}/openapi.json"),
    ):
        look.add_row(what, where)
    people = Table(title="Who can sign in (all of them: see the status page)", title_justify="left", box=None)
    for heading in ("login", "name", "role", "accounts"):
        people.add_column(heading, no_wrap=True)
    everybody = await ledger.sandbox.identity.people()
    demo_account = str(account_id(_DEMO_ACCOUNT))
    admin = next(person for person in everybody if demo_account in person.accounts)
    others = [person for person in everybody if person.role is not Role.BILLING_ADMIN]
    for person in (admin, *others):
        scope = _DEMO_ACCOUNT if person is admin else ", ".join(person.territories) or "all"
        people.add_row(person.login, person.name, person.role.value, scope)
    line = {"subscription_id": str(subscription_id(_DEMO_SUBSCRIPTION)), "seats_to_add": 2}
    body = json.dumps({"lines": [line], "replaces": None})
    curl = (
        f"TOKEN=$(curl -s {base}/sandbox/token/{admin.login})\n"
        f'curl -s {base}/v1/accounts/{demo_account}/quotes -H "Authorization: Bearer $TOKEN" \\\n'
        f"  -H 'Idempotency-Key: first-quote' -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )
    return [Panel(look, title="Seatledger", title_align="left", expand=False), people, "\nQuote two more seats:", curl]


def _print(welcome: list[Panel | Table | str], out: Console, seconds: float) -> None:
    for part in welcome:
        out.print(part, markup=False, highlight=False, soft_wrap=True) if isinstance(part, str) else out.print(part)
    out.print(f"\nReady after {seconds:.1f} s. Ctrl-C ends it; nothing is lost.", highlight=False)
