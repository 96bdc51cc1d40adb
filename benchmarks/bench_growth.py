"""What a command costs the database with 10,000 events stored and with a million: statements, buffers, time."""

import asyncio
import os
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import psycopg
from psycopg.rows import args_row
from rich.console import Console

from adapters.bootstrap import opened_ledger
from adapters.ledger import Ledger
from adapters.settings import Settings
from benchmarks.figures import Figure
from benchmarks.histories import ADMIN, Company, completed_orders
from benchmarks.loading import load
from benchmarks.servers import BenchServer, bench_server
from domain.identifiers import command_id, subscription_id
from domain.quote import CartLine
from services.ports import CommandContext, Outcome
from services.quoting import IssueQuote

SMALL: Final = 10_000
LARGE: Final = int(os.environ.get("GROWTH_EVENTS", "1000000"))
COMMANDS: Final = 300
EVENTS_AN_ORDER: Final = 16.3

_COST: Final = """
SELECT sum(calls)::int8, sum(shared_blks_hit + shared_blks_read)::int8, sum(total_exec_time)
FROM pg_stat_statements WHERE query !~* 'pg_stat_statements' AND userid = 'seatledger_app'::regrole
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of all commands together; time in milliseconds of the database's own."""

    statements: int
    buffers: int
    milliseconds: float


def measured(out: Console) -> list[Figure]:
    """Each cost at the large size over that at the small one."""
    costs: dict[int, list[Cost]] = {SMALL: [], LARGE: []}
    with bench_server() as server:
        _watch(server)
        for number, events in enumerate(costs):
            with psycopg.connect(server.owner_url(), autocommit=True) as connection:
                _grow(connection, events, number, out)
            costs[events] = [asyncio.run(_cost(server, 10 * number + part)) for part in range(5)]
    small, large = costs[SMALL], costs[LARGE]
    figures = []
    for name, unit in (("statements", "x"), ("buffers", "x")):
        before, after = (statistics.median(getattr(cost, name) for cost in side) for side in (small, large))
        note = f"{before / COMMANDS:.2f} a command with {SMALL:,} events, {after / COMMANDS:.2f} with {LARGE:,}"
        figures.append(Figure(f"growth.{name}", after / before, unit, 1.1, at_most=True, note=note))
    times = [[cost.milliseconds / COMMANDS for cost in side] for side in (small, large)]
    told = [f"{statistics.median(side):.3f} ms ({min(side):.3f} to {max(side):.3f})" for side in times]
    ratio = statistics.median(times[1]) / statistics.median(times[0])
    note = f"time in the database beside it: {told[0]} and {told[1]} a command"
    # No bound is set for the time: it is told with its spread.
    figures.append(Figure("growth.time", ratio, "x", float("inf"), at_most=True, note=note))
    return figures


def _watch(server: BenchServer) -> None:
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        connection.execute("ALTER SYSTEM SET pg_stat_statements.track = 'all'")
    server.restart()
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")


def _grow(connection: psycopg.Connection, events: int, part: int, out: Console) -> None:
    """Store completed orders until there are about so many events."""
    row = connection.execute("SELECT count(*) FROM ledger.events").fetchone()
    missing = events - int(row[0]) if row else events
    out.print(f"storing {missing:,} events", style="dim")
    load(connection, completed_orders(int(missing / EVENTS_AN_ORDER), year=2020 + part), datetime.now(UTC))
    connection.execute("VACUUM ANALYZE ledger.events")


async def _cost(server: BenchServer, part: int) -> Cost:
    """Of so many quotes, each on an account of its own."""
    began = datetime.now(UTC)
    warm, *companies = [Company(500_000 + part * (COMMANDS + 1) + number, began) for number in range(COMMANDS + 1)]
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        load(connection, (append for company in (warm, *companies) for append in company.opened()), began)
        async with opened_ledger(Settings(sandbox=True, movable_clock=False), server.application_url()) as ledger:
            await _quote(ledger, warm)  # connections are made and statements prepared
            connection.execute("SELECT pg_stat_statements_reset()")
            for company in companies:
                await _quote(ledger, company)
            (cost,) = connection.cursor(row_factory=args_row(Cost)).execute(_COST).fetchall()
    return cost


async def _quote(ledger: Ledger, company: Company) -> Outcome:
    id = command_id(company.id, ADMIN.id, str(uuid4()))
    context = CommandContext(id, ADMIN, await ledger.clock.now(), id, id, None, str(id), b"\0" * 32)
    cart = (CartLine(subscription_id(f"{company.number}-0"), 2),)
    return await ledger.quoting.issue(IssueQuote(company.id, cart, None), context)
