"""All `portal` tables from 20,000 orders: against the library's ProjectionRunner, and against COPY of the events."""

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Final

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from rich.console import Console

from adapters.cli.loop import settle
from adapters.log.direct import DirectLog
from adapters.postgres.projecting import ProjectionWorker
from adapters.postgres.rebuilding import WORKERS
from adapters.postgres.wakeups import Wakeups
from benchmarks.figures import Figure, Passes
from benchmarks.histories import completed_orders
from benchmarks.library_projection import projected_by_the_library
from benchmarks.loading import load
from benchmarks.servers import BenchServer, bench_server
from projections.portal import portal

ORDERS: Final = int(os.environ.get("PROJECT_ORDERS", "20000"))
PASSES: Final = int(os.environ.get("BENCH_PASSES", "5"))
LIBRARY_EVENTS: Final = 3000
PAGE: Final = 2000


def measured(out: Console) -> list[Figure]:
    """Both ratios of the rates in events a second."""
    library, copy = Passes(), Passes()
    with bench_server() as server, psycopg.connect(server.owner_url(), autocommit=True) as connection:
        events = load(connection, completed_orders(ORDERS), datetime.now(UTC))
        settle()  # as every command of the product does; it helps the peer as well
        for number in range(PASSES):
            _empty(connection)
            ours = events / asyncio.run(_rebuilt(server))
            theirs = events / _copied(server)
            _empty(connection)
            peer = projected_by_the_library(server.owner_url(), LIBRARY_EVENTS)
            for passes, other in ((copy, theirs), (library, peer)):
                passes.ours.append(ours)
                passes.theirs.append(other)
            out.print(f"pass {number + 1} of {PASSES}: {ours:,.0f}/s, {theirs:,.0f}/s, {peer:,.0f}/s", style="dim")
    return [
        Figure("project.library", library.ratio, "x", 50, note=f"{events:,} events; {library.spread('events/s')}"),
        Figure("project.copy", copy.ratio, "x", 0.2, note=copy.spread("events/s")),
    ]


def _empty(connection: psycopg.Connection) -> None:
    tables = ", ".join(f"portal.{table}" for table in portal.tables)
    connection.execute(f"TRUNCATE {tables}".encode())
    connection.execute("DELETE FROM projecting.checkpoints WHERE projection = 'portal'")


async def _rebuilt(server: BenchServer) -> float:
    """Seconds to read the log from its start to its end into empty tables, by as many workers as a rebuild has."""
    url = server.application_url()
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(url, open=False, kwargs={"autocommit": True})
    async with pool:
        wakeups = Wakeups(lambda: AsyncConnection.connect(url, autocommit=True))
        workers = [
            ProjectionWorker(
                portal,
                DirectLog(pool, wakeups),
                pool,
                wakeups,
                f"benchmark {share}",
                page_size=PAGE,
                lease_seconds=60,
                share=(share, WORKERS),
            )
            for share in range(WORKERS)
        ]
        ends = await DirectLog(pool, wakeups).ends()
        began = time.perf_counter()
        await asyncio.gather(*(worker.read_until(ends, lambda _: None) for worker in workers))
        took = time.perf_counter() - began
        for worker in workers:
            await worker.stop()
    return took


def _copied(server: BenchServer) -> float:
    """Seconds for psql to copy the stored events out and throw them away."""
    began = time.perf_counter()
    server.program("psql", "-q", server.owner_url(), "-c", "\\copy ledger.events TO /dev/null")
    return time.perf_counter() - began
