"""What the portal's pages take in the server, of an account of 500 subscriptions and 5,000 orders."""

import asyncio
import os
import re
import statistics
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

import psycopg
from psycopg import sql
from rich.console import Console

from adapters.appending import Append, prepared_append
from adapters.bootstrap import opened_ledger
from adapters.http.signing_in.session import SESSION
from adapters.settings import Settings
from benchmarks.figures import Figure
from benchmarks.histories import PARTITIONS, RULES, WORKER, Company
from benchmarks.loading import load
from benchmarks.portal import running_server
from benchmarks.requests import Connection
from benchmarks.servers import BenchServer, bench_server
from domain.envelope import Actor, Role
from domain.identifiers import receipt_series_id
from domain.receipts import ReceiptSeries
from services.authorisation import Caller
from services.ports import CommandContext, Position
from tests.system.processes import free_port

SUBSCRIPTIONS: Final = int(os.environ.get("BENCH_SUBSCRIPTIONS", "500"))
ORDERS: Final = int(os.environ.get("BENCH_ORDERS", "5000"))
LOOKS: Final = int(os.environ.get("BENCH_LOOKS", "200"))
REACH_MILLISECONDS: Final = 50
_VISIBLE_SECONDS: Final = 120.0


def measured(out: Console) -> list[Figure]:
    """The 95th percentile of each page, in milliseconds."""
    with bench_server() as server:
        company, order, quote = _loaded(server, out)
        return asyncio.run(_measured(server, company, order, quote))


def _loaded(server: BenchServer, out: Console) -> tuple[UUID, UUID, UUID]:
    """The account with its orders; an order and its quote."""
    began = datetime.now(UTC) - timedelta(minutes=ORDERS + 10)  # an order a minute
    company = Company(1, began, SUBSCRIPTIONS)
    series = ReceiptSeries(
        id=receipt_series_id(RULES.seller, began.year), seller=RULES.seller, year=began.year, timestamp=began
    )

    def life() -> Iterator[Append]:
        context = CommandContext(uuid5(series.id, "open"), WORKER, began, series.id, series.id)
        yield prepared_append([series], context, (), (), series, PARTITIONS)
        yield from company.opened()
        for _ in range(ORDERS):
            yield from company.placed()
            yield from company.captured()
            yield from company.completed(series)

    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        events = load(connection, life(), began)
    out.print(f"{SUBSCRIPTIONS} subscriptions and {ORDERS:,} orders of one account: {events:,} events", style="dim")
    return company.id, company.current.id, company.current.quote_id


async def _measured(server: BenchServer, account: UUID, order: UUID, quote: UUID) -> list[Figure]:
    port, url = free_port(), server.application_url()
    async with running_server("benchmarks.serving", port, url):
        secret = await _signed_in(server, account)
        _analysed(server)
        pages = {
            "subscriptions": f"/portal/accounts/{account}/subscriptions",
            "cart": f"/portal/accounts/{account}/cart",
            "quotes": f"/portal/accounts/{account}/quotes",
            "orders": f"/portal/accounts/{account}/orders",
            "timeline": f"/portal/accounts/{account}/timeline",
            "settings": f"/portal/accounts/{account}/settings",
            "quote": f"/portal/quotes/{quote}",
            "order": f"/portal/orders/{order}",
        }
        async with Connection(port) as connection:
            cookie = f"{SESSION}={secret}"
            pages |= await _second_pages(connection, cookie, pages)
            taken = {name: await _looked(connection, path, cookie) for name, path in pages.items()}
            bare = statistics.median(await _looked(connection, "/bare", cookie))
    return [_figure(name, sorted(each), bare) for name, each in taken.items()]


def _figure(name: str, taken: list[float], bare: float) -> Figure:
    p50, p95 = taken[len(taken) // 2], taken[int(len(taken) * 0.95)]
    note = f"p50 {p50:.1f} ms, worst {taken[-1]:.1f} ms of {LOOKS}; a bare route p50 {bare:.1f} ms"
    return Figure(f"pages.{name}_p95", p95, "ms", REACH_MILLISECONDS, at_most=True, note=note)


async def _signed_in(server: BenchServer, account: UUID) -> str:
    """A session's secret of the account's admin, once the pages show all that was loaded."""
    newest = "SELECT max(notification_id), partition FROM ledger.events WHERE account_id = %s GROUP BY partition"
    with psycopg.connect(server.owner_url()) as connection:
        row = connection.execute(newest, (account,)).fetchone()
    assert row
    async with opened_ledger(Settings(sandbox=True), server.application_url()) as ledger:
        await ledger.queries.reached(Position(row[0], row[1]), _VISIBLE_SECONDS)
        return await ledger.sessions.open(Caller(Actor("p-benchmark", Role.BILLING_ADMIN), frozenset({account})))


def _analysed(server: BenchServer) -> None:
    """As autovacuum does within a minute or two: before it the application's role reads all 5,000 orders for a page."""
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'portal'").fetchall():
            connection.execute(sql.SQL("ANALYZE portal.{}").format(sql.Identifier(row[0])))


async def _second_pages(connection: Connection, cookie: str, pages: Mapping[str, str]) -> dict[str, str]:
    """The page after the first one of each list, as its own link says."""
    found = {}
    for name, path in pages.items():
        answer = await connection.send("GET", path, Cookie=cookie)
        if answer.status != 200:
            message = f"{path}: {answer.status}"
            raise RuntimeError(message)
        link = re.search(rb'href="([^"]*cursor=[^"]+)"', answer.body)
        if link:
            found[f"{name}_next"] = link[1].decode().replace("&amp;", "&")
    return found


async def _looked(connection: Connection, path: str, cookie: str) -> list[float]:
    """Milliseconds of each look, after a few that don't count."""
    taken = []
    for number in range(LOOKS + 5):
        began = time.perf_counter()
        answer = await connection.send("GET", path, Cookie=cookie)
        seconds = time.perf_counter() - began
        if answer.status != 200:
            message = f"{path}: {answer.status}"
            raise RuntimeError(message)
        if number >= 5:
            taken.append(seconds * 1000)
    return taken
