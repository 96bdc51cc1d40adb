"""A one-line quote in place of an open one over HTTP, against a bare route of the same server: 32 connections."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

from rich.console import Console

from benchmarks.figures import Figure, Passes
from benchmarks.portal import BARE_BODY, Admin, Portal, served
from benchmarks.requests import Connection
from benchmarks.servers import bench_server

PASSES: Final = int(os.environ.get("BENCH_PASSES", "5"))
SECONDS: Final = int(os.environ.get("BENCH_SECONDS", "6"))
CONNECTIONS: Final = 32
ACCOUNTS_EACH: Final = 30
"""So that no account's history grows much longer than a real one's while it is measured."""


def measured(out: Console) -> list[Figure]:
    """The ratio of both rates."""
    return asyncio.run(_measured(out))


async def _measured(out: Console) -> list[Figure]:
    passes = Passes()
    with bench_server() as server:
        async with served(server, CONNECTIONS, ACCOUNTS_EACH, apart=True) as portal:
            for number in range(PASSES):
                passes.theirs.append(await _rate(portal, _bare))
                passes.ours.append(await _rate(portal, _quote))
                told = f"{passes.ours[-1]:,.0f}/s against {passes.theirs[-1]:,.0f}/s"
                out.print(f"pass {number + 1} of {PASSES}: {told}", style="dim")
    return [Figure("http.quote", passes.ratio, "x", 0.3, note=passes.spread("requests/s"))]


async def _quote(connection: Connection, admin: Admin) -> None:
    await admin.quote(connection)


async def _bare(connection: Connection, _: Admin) -> None:
    await connection.send("POST", "/bare", BARE_BODY)


async def _rate(portal: Portal, request: Callable[[Connection, Admin], Awaitable[None]]) -> float:
    """Requests a second over all connections."""
    ends_at = time.perf_counter() + SECONDS

    async def client(admin: Admin) -> int:
        count = 0
        async with Connection(portal.port, admin.token) as connection:
            while time.perf_counter() < ends_at:
                await request(connection, admin)
                count += 1
        return count

    counts = await asyncio.gather(*(client(admin) for admin in portal.admins))
    return sum(counts) / SECONDS
