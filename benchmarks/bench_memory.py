"""Resident memory of the service after 1,000 orders and after 100,000, all of which its projections have worked off."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from rich.console import Console
from rich.progress import Progress

from benchmarks.figures import Figure
from benchmarks.histories import completed_orders
from benchmarks.loading import load
from benchmarks.portal import Portal, served
from benchmarks.requests import Connection
from benchmarks.servers import BenchServer, bench_server

FEW: Final = 1_000
MANY: Final = int(os.environ.get("MEMORY_ORDERS", "100000"))
CONNECTIONS: Final = 8
QUOTES: Final = 2_000
AT_ONCE: Final = 9_000
"""Orders stored between two looks, so that the projections are never far behind."""

_BEHIND: Final = """
SELECT count(*) FROM projecting.checkpoints AS c
WHERE c.projection = 'portal'
  AND c.position < (SELECT max(notification_id) FROM ledger.events AS e WHERE e.partition = c.partition)
"""


def measured(out: Console) -> list[Figure]:
    """The one over the other; before each, carts are saved and lists read over HTTP."""
    return asyncio.run(_measured(out))


async def _measured(out: Console) -> list[Figure]:
    with bench_server() as server, Progress(console=out) as progress:
        async with served(server, CONNECTIONS, 30) as portal:
            task = progress.add_task("orders", total=MANY)
            memory, stored, year = {}, 0, 2021
            for size in (FEW, MANY):
                while stored < size:
                    orders = min(AT_ONCE, size - stored)
                    await asyncio.to_thread(_store, server, orders, year)
                    await _worked_off(server)
                    stored, year = stored + orders, year + 1
                    progress.update(task, completed=stored)
                await asyncio.gather(*(_used(portal, number) for number in range(CONNECTIONS)))
                await _worked_off(server)
                memory[size] = _resident(portal)
    note = f"{memory[FEW]:.0f} MiB after {FEW:,} orders, {memory[MANY]:.0f} MiB after {MANY:,}"
    return [Figure("memory.resident", memory[MANY] / memory[FEW], "x", 1.2, at_most=True, note=note)]


def _store(server: BenchServer, orders: int, year: int) -> None:
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        load(connection, completed_orders(orders, year=year), datetime.now(UTC))


async def _worked_off(server: BenchServer) -> None:
    give_up_at = time.monotonic() + 300
    async with await psycopg.AsyncConnection.connect(server.owner_url(), autocommit=True) as connection:
        while True:
            row = await (await connection.execute(_BEHIND)).fetchone()
            if row == (0,):
                return
            if time.monotonic() > give_up_at:
                message = "the projections do not come to the end of the log"
                raise RuntimeError(message)
            await asyncio.sleep(0.5)


async def _used(portal: Portal, number: int) -> None:
    admin = portal.admins[number]
    async with Connection(portal.port, admin.token) as connection:
        for turn in range(QUOTES // CONNECTIONS):
            await admin.quote(connection)
            account = admin.accounts[turn % len(admin.accounts)]
            await connection.send("GET", f"/v1/accounts/{account}/timeline")


def _resident(portal: Portal) -> float:
    """MiB."""
    status = Path(f"/proc/{portal.process.pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
