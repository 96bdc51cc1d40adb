"""A served ledger with companies and signed-in admins, for loads over HTTP."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import UUID, uuid4

import psycopg

from adapters.bootstrap import opened_ledger
from adapters.identity.sandbox import Person
from adapters.settings import Settings
from benchmarks.histories import Company
from benchmarks.loading import load
from benchmarks.requests import Answer, Connection
from benchmarks.servers import BenchServer
from domain.envelope import Role
from domain.identifiers import subscription_id
from tests.system.processes import Running, free_port

BARE_BODY = json.dumps({"lines": [{"subscription_id": str(UUID(int=1)), "seats_to_add": 2}], "replaces": None}).encode()


@dataclass(slots=True)
class Admin:
    """Somebody who saves carts on his accounts, by turns; `quotes` has what is open on each."""

    token: str
    numbers: list[str]
    accounts: list[UUID]
    quotes: dict[UUID, str | None] = field(default_factory=dict)
    turn: int = 0

    async def quote(self, connection: Connection) -> Answer:
        """Save a one-line cart on the next account, in place of what is open there."""
        self.turn += 1
        number = self.turn % len(self.accounts)
        account, replaces = self.accounts[number], self.quotes.get(self.accounts[number])
        line = {"subscription_id": str(subscription_id(f"{self.numbers[number]}-0")), "seats_to_add": 2}
        body = json.dumps({"lines": [line], "replaces": replaces}).encode()
        path = f"/v1/accounts/{account}/quotes"
        answer = await connection.send("POST", path, body, Idempotency_Key=str(uuid4()))
        if answer.status != 201:
            message = f"{answer.status} {answer.body[:300]!r}"
            raise RuntimeError(message)
        self.quotes[account] = json.loads(answer.body)["id"]
        return answer


@dataclass(frozen=True, slots=True)
class Portal:
    """The running server."""

    port: int
    process: asyncio.subprocess.Process
    admins: list[Admin]


@asynccontextmanager
async def served(
    server: BenchServer, admins: int, accounts_each: int, *, apart: bool = False, kafka: str | None = None
) -> AsyncIterator[Portal]:
    """Companies, admins with an open quote on each of their accounts, and the server ready.

    `apart`: `work` is another process, which keeps the read models up to date, too. `kafka`: brokers that
    the log is on.
    """
    began = datetime.now(UTC) - timedelta(minutes=5)
    companies = [Company(900_000 + number, began) for number in range(admins * accounts_each)]
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        load(connection, (append for company in companies for append in company.opened()), began)
    url, port = server.application_url(), free_port()
    made = []
    async with opened_ledger(Settings(sandbox=True), url) as ledger:
        for number in range(admins):
            own = companies[number * accounts_each :][:accounts_each]
            ids = tuple(str(company.id) for company in own)
            login = f"admin-{number}"
            await ledger.sandbox.identity.admit(
                Person(login=login, id=f"p-{number}", name=login, role=Role.BILLING_ADMIN, accounts=ids)
            )
            token = await ledger.sandbox.identity.token(login)
            assert token
            made.append(Admin(token, [company.number for company in own], [company.id for company in own]))
    how = ["apart"] if apart else []
    brokers = {"KAFKA_BOOTSTRAP_SERVERS": kafka} if kafka else {}
    async with running_server("benchmarks.serving", port, url, *how, environment=brokers) as process:
        worker = Running("work", DATABASE_URL=url, SANDBOX="1", **brokers) if apart else None
        try:
            await asyncio.gather(*(_open_quotes(port, admin) for admin in made))
            await asyncio.gather(*(_all_visible(port, admin) for admin in made))
            yield Portal(port, process, made)
        finally:
            if worker:
                worker.killed()


@asynccontextmanager
async def beside(server: BenchServer, portal: Portal, module: str) -> AsyncIterator[Portal]:
    """Another server on the same ledger, with the same admins."""
    port = free_port()
    async with running_server(module, port, server.application_url()) as process:
        yield Portal(port, process, portal.admins)


@asynccontextmanager
async def running_server(
    module: str, port: int, url: str, *how: str, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A module that serves a ledger on the port, ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(port), url, *how), env={**os.environ, **environment}
    )
    try:
        await _ready(port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def _ready(port: int) -> None:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        try:
            async with Connection(port) as connection:
                if (await connection.send("GET", "/readyz")).status == 200:
                    return
        except OSError:
            await asyncio.sleep(0.05)
    message = "the server was not ready within 60 s"
    raise RuntimeError(message)


async def _all_visible(port: int, admin: Admin) -> None:
    """Return when the portal shows what is open: who has just begun to read is behind for a moment."""
    give_up_at = time.monotonic() + 60
    async with Connection(port, admin.token) as connection:
        for quote in admin.quotes.values():
            while (await connection.send("GET", f"/v1/quotes/{quote}")).status != 200:
                if time.monotonic() > give_up_at:
                    message = f"the portal does not show {quote} after 60 s"
                    raise RuntimeError(message)
                await asyncio.sleep(0.1)


async def _open_quotes(port: int, admin: Admin) -> None:
    async with Connection(port, admin.token) as connection:
        for _ in admin.accounts:
            await admin.quote(connection)
