"""Orders under way while service, workers and PostgreSQL are killed again and again; then everybody's books."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from rich.console import Console
from rich.progress import Progress

from adapters.bootstrap import opened_ledger, opened_logs
from adapters.identity.sandbox import Person
from adapters.ledger import Ledger
from adapters.payments.sandbox import MovementKind
from adapters.postgres import embedded
from adapters.postgres.rebuilding import Rebuild
from adapters.settings import Settings
from benchmarks.figures import Figure
from benchmarks.histories import Company
from benchmarks.loading import load
from benchmarks.requests import Connection
from benchmarks.servers import BenchServer, bench_server
from domain.envelope import Role
from domain.identifiers import subscription_id
from projections.catalogue import PROJECTIONS
from tests.system.processes import Running, free_port

ORDERS: Final = int(os.environ.get("KILL_ORDERS", "2000"))
KILLS: Final = int(os.environ.get("KILLS", "20"))
SERVER_KILLS: Final = max(1, KILLS // 4)
ADMINS: Final = 20
WORKERS: Final = 2
PATIENCE: Final = 270.0
"""Seconds until whatever is not done is called lost."""

_REFUSES_NOTHING: Final = {200, 201, 202}
_AGAIN: Final = {409, 503}
_DONE: Final = "SELECT count(*) FROM portal.orders WHERE receipt_sent"  # those not projected yet are not done


@dataclass(slots=True)
class Walk:
    """One company's order: each command's key and, once it was acknowledged, what it was answered."""

    company: Company
    answered: dict[str, UUID] = field(default_factory=dict)
    gross: int = 0


@dataclass(slots=True)
class Counts:
    """What was done to it."""

    service: int = 0
    worker: int = 0
    server: int = 0
    retries: int = 0


def measured(out: Console, orders: int = ORDERS, kills: int = KILLS) -> list[Figure]:
    """What was lost, doubled or left undone: nothing may be."""
    return asyncio.run(_measured(out, orders, kills))


async def _measured(out: Console, orders: int, kills: int) -> list[Figure]:
    began, counts = datetime.now(UTC) - timedelta(minutes=1), Counts()
    with bench_server() as server:
        walks = [Walk(Company(number, began)) for number in range(orders)]
        with psycopg.connect(server.owner_url(), autocommit=True) as connection:
            load(connection, (append for walk in walks for append in walk.company.opened()), began)
        tokens = await signed_in(server, walks)
        port = free_port()
        give_up_at = time.monotonic() + PATIENCE
        running = Instance(server, port)
        try:
            killer = asyncio.create_task(_kill(running, kills, counts))
            with Progress(console=out) as progress:
                await all_placed(walks, port, tokens, counts, give_up_at, progress)
                await killer
                undone = await all_done(server, orders, give_up_at, progress)
        finally:
            running.end()
        differing = await differing_rows(server, Settings(sandbox=True))
        async with opened_ledger(Settings(sandbox=True), server.application_url()) as ledger:
            return [
                *await figures_of(ledger, walks, counts),
                Figure("kill.undone", undone, "orders", 0, at_most=True),
                Figure("kill.rows_not_as_rebuilt", differing, "rows", 0, at_most=True),
            ]


class Instance:
    """The service and its workers as processes that can be killed and started again."""

    def __init__(self, server: BenchServer, port: int, **settings: str) -> None:
        self.server = server
        self._settings = {"DATABASE_URL": server.application_url(), "SANDBOX": "1", "PORT": str(port), **settings}
        self.service = Running("serve", **self._settings)
        self.workers = [Running("work", **self._settings) for _ in range(WORKERS)]

    def kill_service(self) -> None:
        """And start it again."""
        self.service.killed()
        self.service = Running("serve", **self._settings)

    def kill_worker(self, number: int) -> None:
        """And start it again."""
        self.workers[number].killed()
        self.workers[number] = Running("work", **self._settings)

    def kill_server(self) -> None:
        """The postmaster; the one that starts again finds its orphans and ends them."""
        pid = int((self.server.server.data / "postmaster.pid").read_text("utf-8").splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        embedded.start(self.server.folder)

    def end(self) -> None:
        """Kill all."""
        for each in (self.service, *self.workers):
            each.killed()


async def _kill(running: Instance, kills: int, counts: Counts) -> None:
    choice = random.Random(5)
    victims = ["service"] * kills + ["worker"] * kills + ["server"] * max(1, kills // 4)
    choice.shuffle(victims)
    for victim in victims:
        await asyncio.sleep(choice.uniform(1.0, 3.0))
        match victim:
            case "service":
                await asyncio.to_thread(running.kill_service)
                counts.service += 1
            case "worker":
                await asyncio.to_thread(running.kill_worker, choice.randrange(WORKERS))
                counts.worker += 1
            case _:
                await asyncio.to_thread(running.kill_server)
                counts.server += 1


async def signed_in(server: BenchServer, walks: list[Walk]) -> list[str]:
    """A token for each admin, who has every so many-th company."""
    tokens = []
    async with opened_ledger(Settings(sandbox=True), server.application_url()) as ledger:
        for number in range(ADMINS):
            login, own = f"admin-{number}", tuple(str(walk.company.id) for walk in walks[number::ADMINS])
            person = Person(login=login, id=f"p-{number}", name=login, role=Role.BILLING_ADMIN, accounts=own)
            await ledger.sandbox.identity.admit(person)
            tokens.append(str(await ledger.sandbox.identity.token(login)))
    return tokens


async def go(walk: Walk, port: int, token: str, counts: Counts, give_up_at: float) -> None:
    """From the cart to the placed order; whatever breaks, the same command is sent again under the same key."""
    line = {"subscription_id": str(subscription_id(f"{walk.company.number}-0")), "seats_to_add": 2}
    cart = {"lines": [line], "replaces": None}
    quote = await _told(walk, port, token, f"accounts/{walk.company.id}/quotes", cart, counts, give_up_at)
    walk.gross = quote["gross"]["amount"]
    order = await _told(walk, port, token, f"quotes/{quote['id']}/orders", None, counts, give_up_at)
    await _told(
        walk, port, token, f"orders/{order['id']}/place", {"terms_version": "2026-01"}, counts, give_up_at, '"1"'
    )


async def _told(
    walk: Walk,
    port: int,
    token: str,
    path: str,
    body: Any,
    counts: Counts,
    give_up_at: float,
    version: str | None = None,
) -> Any:
    key, sent = str(uuid4()), json.dumps(body).encode() if body else b""
    headers = {"Idempotency_Key": key, **({"If_Match": version} if version else {})}
    while time.monotonic() < give_up_at:
        try:
            async with asyncio.timeout(30), Connection(port, token) as connection:
                answer = await connection.send("POST", f"/v1/{path}", sent, **headers)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            counts.retries += 1
            await asyncio.sleep(0.1)
            continue
        if answer.status in _AGAIN:
            counts.retries += 1
            await asyncio.sleep(0.1)
            continue
        if answer.status not in _REFUSES_NOTHING:
            message = f"{path}: {answer.status} {answer.body[:300]!r}"
            raise RuntimeError(message)
        told = json.loads(answer.body)
        walk.answered[key] = UUID(told["id"])
        return told
    message = f"{path}: no answer in time"
    raise RuntimeError(message)


async def all_placed(
    walks: list[Walk], port: int, tokens: list[str], counts: Counts, give_up_at: float, progress: Progress
) -> None:
    """Each admin goes his walks one after the other, beside the others."""
    task = progress.add_task("orders placed", total=len(walks))

    async def admin(number: int) -> None:
        for walk in walks[number::ADMINS]:
            await go(walk, port, tokens[number], counts, give_up_at)
            progress.advance(task)

    await asyncio.gather(*(admin(number) for number in range(ADMINS)))


async def all_done(server: BenchServer, orders: int, give_up_at: float, progress: Progress) -> int:
    """Wait until every receipt is sent; returns how many are not when the time is over."""
    task = progress.add_task("receipts sent", total=orders)
    async with await psycopg.AsyncConnection.connect(server.owner_url(), autocommit=True) as connection:
        while True:
            row = await (await connection.execute(_DONE)).fetchone()
            undone = orders - (int(row[0]) if row else 0)
            progress.update(task, completed=orders - undone)
            if not undone or time.monotonic() > give_up_at:
                return undone
            await asyncio.sleep(0.5)


async def differing_rows(server: BenchServer, settings: Settings) -> int:
    """Rows of the read models that are not what a rebuild makes of the same events."""
    differing = 0

    def owner() -> Any:
        return psycopg.AsyncConnection.connect(server.owner_url(), autocommit=True)

    async with opened_logs(server.application_url(), settings) as (pools, log_for):
        for projection in PROJECTIONS:
            pool = pools.of(projection.name)
            compared = (
                await Rebuild(projection, partial(log_for, projection), pool, owner, lambda _: None).compare()
            ).comparison
            assert compared is not None, f"{projection.name} could not be compared"
            differing += compared.differing_rows
    return differing


async def figures_of(ledger: Ledger, walks: list[Walk], counts: Counts, name: str = "kill") -> list[Figure]:
    """What everybody's books say of these walks."""
    async with ledger.pool.connection() as connection:
        rows = await (await connection.execute("SELECT idempotency_key, result_id FROM ledger.commands")).fetchall()
        receipts = await (await connection.execute("SELECT order_id, receipt_number FROM portal.receipts")).fetchall()
        captured = await (await connection.execute("SELECT order_id FROM portal.orders WHERE captured > 0")).fetchall()
    stored: dict[str, UUID] = dict(rows)
    lost = sum(stored.get(key) != id for walk in walks for key, id in walk.answered.items())
    movements = await ledger.sandbox.payments.movements()
    charges = Counter(each.order_id for each in movements if each.kind is MovementKind.CAPTURED)
    holds = Counter(each.order_id for each in movements if each.kind is MovementKind.AUTHORISED)
    gross = Counter[UUID]()
    for each in movements:
        if each.kind is MovementKind.CAPTURED:
            gross[each.order_id] += each.amount
    owed = {list(walk.answered.values())[-1]: walk.gross for walk in walks if len(walk.answered) == 3}
    wrong = sum(gross[order] != amount for order, amount in owed.items())
    subscriptions = await ledger.sandbox.provisioning.subscriptions()
    twice_seats = sum(len(each.answers) > 1 or each.seats != 12 for each in subscriptions)
    numbers = sorted(int(number.rpartition("-")[2]) for _, number in receipts)
    without = {order for (order,) in captured} - {order for order, _ in receipts}
    mails = Counter(mail.parsed()["Message-ID"] for mail in await ledger.sandbox.mailer.messages())
    copies = sum(count - 1 for count in mails.values())
    did = (
        f"{len(walks):,} orders; killed: service {counts.service}, workers {counts.worker}, PostgreSQL {counts.server};"
        f" {counts.retries:,} commands sent again"
    )
    return [
        Figure(f"{name}.acknowledged_lost", lost, "commands", 0, at_most=True, note=did),
        Figure(f"{name}.charged_twice", sum(count > 1 for count in charges.values()), "orders", 0, at_most=True),
        Figure(f"{name}.held_twice", sum(count > 1 for count in holds.values()), "orders", 0, at_most=True),
        Figure(f"{name}.charged_wrong", wrong, "orders", 0, at_most=True),
        Figure(f"{name}.provisioned_twice", twice_seats, "subscriptions", 0, at_most=True),
        Figure(f"{name}.captured_without_receipt", len(without), "orders", 0, at_most=True),
        Figure(f"{name}.receipt_gaps", sum(a != b for a, b in enumerate(numbers, 1)), "numbers", 0, at_most=True),
        Figure(
            f"{name}.receipts_mailed_twice",
            copies,
            "mails",
            float(counts.worker + counts.service + counts.server) * 8,
            at_most=True,
            note="under the same Message-ID, taken by the mail server before a worker died",
        ),
    ]
