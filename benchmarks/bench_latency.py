"""From a command to its effect in the portal, at 50 commands a second for a minute, beyond an idle round trip.

Twice: with the data on the disk, and in memory, where nothing waits for a disk. The second is what the program takes.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from benchmarks.brokers import bench_brokers
from benchmarks.figures import Figure
from benchmarks.portal import BARE_BODY, Admin, Portal, served
from benchmarks.requests import Connection
from benchmarks.servers import bench_server
from ops.kafka.brokers import missing

A_SECOND: Final = 50
SECONDS: Final = int(os.environ.get("BENCH_SECONDS", "60"))
CONNECTIONS: Final = 16
IDLE_TRIPS: Final = 200
DISK_WRITES: Final = 500
MEMORY: Final = Path("/dev/shm")
REACH_MILLISECONDS: Final = {"direct": 25, "kafka": 100}


def measured(out: Console) -> list[Figure]:
    """The 99th percentile, in milliseconds, with the store as the log and through Kafka."""
    homes: dict[str, Path | None] = {"": None}
    if MEMORY.is_dir():
        homes["_in_memory"] = MEMORY
    else:
        out.print(f"not measured in memory: there is no {MEMORY} here", style="yellow")
    figures = [asyncio.run(_measured(out, "direct", home, within)) for home, within in homes.items()]
    if lacking := missing():
        out.print(f"not measured through Kafka: there is {lacking} here", style="yellow")
        return figures
    for home, within in homes.items():
        with bench_brokers(within=within) as brokers:
            figures.append(asyncio.run(_measured(out, "kafka", home, within, brokers.bootstrap_servers)))
    return figures


async def _measured(out: Console, name: str, home: str, within: Path | None, kafka: str | None = None) -> Figure:
    with bench_server(within=within) as server:
        # Through Kafka as it is run: `serve --no-projections`, and `work` with the relay and the readers.
        async with served(server, CONNECTIONS, 60, kafka=kafka, apart=kafka is not None) as portal:
            idle = [await _idle_trip(portal) for _ in track(range(IDLE_TRIPS), "idle round trips", console=out)]
            base = statistics.median(idle)
            disk = await asyncio.to_thread(_disk_alone, server.folder)
            visible = sorted(await _visible(portal, out))
            disk = sorted(disk + await asyncio.to_thread(_disk_alone, server.folder))
    beyond = [(seconds - base) * 1000 for seconds in visible]
    p50, p99 = beyond[len(beyond) // 2], beyond[int(len(beyond) * 0.99)]
    note = (
        f"{len(beyond):,} commands, p50 {p50:.1f} ms, worst {beyond[-1]:.1f} ms; idle round trip {base * 1000:.1f} ms; "
        f"8 KB {A_SECOND} times a second to the same place alone: p99 {disk[int(len(disk) * 0.99)] * 1000:.1f} ms, "
        f"worst {disk[-1] * 1000:.1f} ms"
    )
    return Figure(f"latency.{name}{home}_p99", p99, "ms", REACH_MILLISECONDS[name], at_most=True, note=note)


def _disk_alone(folder: Path) -> list[float]:
    """How long a page takes to be on the disk, in seconds, at the pace of the commands and with nothing else done."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        for number in range(DISK_WRITES):
            at = began + number / A_SECOND
            time.sleep(max(0.0, at - time.perf_counter()))
            file.write(bytes(8192))
            file.flush()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - at)
    return took


async def _idle_trip(portal: Portal) -> float:
    """A command's and a query's way over the wire, when neither does anything."""
    async with Connection(portal.port) as connection:
        await connection.send("GET", "/bare")
        began = time.perf_counter()
        await connection.send("POST", "/bare", BARE_BODY)
        await connection.send("GET", "/bare")
        return time.perf_counter() - began


async def _visible(portal: Portal, out: Console) -> list[float]:
    """For each command the seconds from its sending until a query that waits for it answers with its effect."""
    took: list[float] = []
    due = asyncio.Queue[float]()

    async def admin_at_work(admin: Admin) -> None:
        async with Connection(portal.port, admin.token) as connection:
            while (at := await due.get()) >= 0:
                issued = await admin.quote(connection)
                token, id = issued.headers["seatledger-position"], json.loads(issued.body)["id"]
                seen = await connection.send("GET", f"/v1/quotes/{id}", Seatledger_Wait_For=token)
                took.append(time.perf_counter() - at)  # from when it was due: a queue before it counts
                if seen.status != 200 or json.loads(seen.body)["id"] != id:
                    message = f"{seen.status} {seen.body[:200]!r}"
                    raise RuntimeError(message)

    async with asyncio.TaskGroup() as admins:
        for admin in portal.admins:
            admins.create_task(admin_at_work(admin))
        began = time.perf_counter()
        for number in track(range(A_SECOND * SECONDS), f"{A_SECOND} commands a second", console=out):
            at = began + number / A_SECOND
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        for _ in portal.admins:
            due.put_nowait(-1)
    return took
