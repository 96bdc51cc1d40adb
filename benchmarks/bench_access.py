"""What asking who calls and whether he may adds to a command: the same server with and without, by turns."""

import asyncio
import os
import statistics
import time
from typing import Final

from rich.console import Console

from benchmarks.figures import Figure
from benchmarks.portal import Admin, Portal, beside, served
from benchmarks.requests import Connection
from benchmarks.servers import bench_server

PASSES: Final = int(os.environ.get("BENCH_PASSES", "7"))
REQUESTS: Final = int(os.environ.get("BENCH_REQUESTS", "300"))
TURN: Final = 10
ACCOUNTS: Final = 60


def measured(out: Console) -> list[Figure]:
    """The ratio of both medians, in each pass."""
    return asyncio.run(_measured(out))


async def _measured(out: Console) -> list[Figure]:
    ratios, told = [], []
    with bench_server() as server:
        async with (
            served(server, 2, ACCOUNTS, apart=True) as asking,
            beside(server, asking, "benchmarks.unasked") as unasked,
        ):
            for number in range(PASSES):
                ours, theirs = await _pass(asking, unasked)
                ratios.append(ours / theirs)
                told.append(f"{ours * 1000:.2f} ms against {theirs * 1000:.2f} ms")
                out.print(f"pass {number + 1} of {PASSES}: {told[-1]}", style="dim")
    spread = f"{min(ratios):.3f} to {max(ratios):.3f} over {PASSES} passes of {REQUESTS} commands; the last {told[-1]}"
    return [Figure("access.command_p50", statistics.median(ratios), "x", 1.15, at_most=True, note=spread)]


async def _pass(asking: Portal, unasked: Portal) -> tuple[float, float]:
    """The median seconds of a command on either server, a few by turns."""
    taken: tuple[list[float], list[float]] = ([], [])
    first, second = asking.admins
    async with Connection(asking.port, first.token) as ours, Connection(unasked.port, second.token) as theirs:
        for _ in range(REQUESTS // TURN):
            for connection, admin, seconds in ((ours, first, taken[0]), (theirs, second, taken[1])):
                await _turn(connection, admin, seconds)
    return statistics.median(taken[0]), statistics.median(taken[1])


async def _turn(connection: Connection, admin: Admin, seconds: list[float]) -> None:
    for _ in range(TURN):
        began = time.perf_counter()
        await admin.quote(connection)
        seconds.append(time.perf_counter() - began)
