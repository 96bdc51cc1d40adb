"""Kafka away from the start and for long: orders are taken, the service says how far its log lags, nothing is lost."""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
from rich.console import Console
from rich.progress import Progress

from adapters.bootstrap import opened_ledger
from adapters.log.verifying import Verified, verified
from adapters.settings import Settings
from benchmarks.chaos_kill import Counts, Walk, all_placed, signed_in
from benchmarks.figures import Figure
from benchmarks.histories import Company, completed_orders
from benchmarks.loading import load
from benchmarks.servers import BenchServer, bench_server
from ops.kafka.brokers import Cluster, cluster
from tests.system.processes import Running, free_port

ORDERS: Final = int(os.environ.get("OUTAGE_ORDERS", "10000"))
"""100,000 take two cores the better part of an hour: OUTAGE_ORDERS=100000 OUTAGE_SECONDS=5400."""

FEW: Final = 1_000
PLACED: Final = 200
"""Over HTTP, half of them when there are few and half when there are all; the others are histories put in by COPY.

Each half is shared among the admins, so it is a multiple of their number.
"""

AT_ONCE: Final = 9_000
CATCHING_UP: Final = 512.0
"""MiB: each reader takes messages in by megabytes, however many there are."""

PATIENCE: Final = float(os.environ.get("OUTAGE_SECONDS", "600"))

_DIRECT: Final = "fulfilment_todo", "timers", "receipts_todo", "notices_todo"
_BEHIND: Final = """
SELECT count(*) FROM projecting.checkpoints AS c WHERE c.projection = ANY(%s)
  AND c.position < (SELECT max(notification_id) FROM ledger.events AS e WHERE e.partition = c.partition)
"""
_READERS: Final = "SELECT count(*) FROM projecting.checkpoints WHERE projection = ANY(%s)"


@dataclass
class _Service:
    """`serve` with its output read, and its memory looked at twice a second."""

    running: Running
    lines: int = 0
    most: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def resident(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self.running.process.pid}/status").read_text("utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def read(self) -> None:
        """Read what it prints: else it would stand still once the pipe is full."""
        assert self.running.process.stdout
        for _ in self.running.process.stdout:
            self.lines += 1

    def watch(self) -> None:
        """Note the most memory there was."""
        while not self.ended.wait(0.5):
            self.most = max(self.most, self.resident)

    def log(self) -> dict[str, Any]:
        """What /readyz says of the log; raises if it is not ready."""
        answer = httpx2.get(f"{self.running.base}/readyz", timeout=30)
        answer.raise_for_status()
        log: dict[str, Any] = answer.json()["log"]
        return log


def measured(out: Console, orders: int = ORDERS, few: int = FEW, placed: int = PLACED) -> list[Figure]:
    """What the outage cost, and whether all of it is on the topic after."""
    with tempfile.TemporaryDirectory(prefix="seatledger-outage-", ignore_cleanup_errors=True) as folder:
        brokers = cluster(Path(folder))
        try:
            return asyncio.run(_measured(out, brokers, orders, few, placed))
        finally:
            brokers.erase()


async def _measured(out: Console, brokers: Cluster, orders: int, few: int, placed: int) -> list[Figure]:
    give_up_at, began = time.monotonic() + PATIENCE, datetime.now(UTC) - timedelta(minutes=1)
    settings = Settings(sandbox=True, kafka_bootstrap_servers=brokers.bootstrap_servers)
    with bench_server() as server, Progress(console=out) as progress:
        walks = [Walk(Company(number, began)) for number in range(placed)]
        with psycopg.connect(server.owner_url(), autocommit=True) as connection:
            load(connection, (append for walk in walks for append in walk.company.opened()), began)
        tokens, port = await signed_in(server, walks), free_port()
        with _served(server, port, brokers) as service:
            task, stored, year, memory = progress.add_task("orders in the store", total=orders), 0, 2021, list[float]()
            for size, some in ((few, walks[: placed // 2]), (orders, walks[placed // 2 :])):
                while stored < size:
                    more = min(AT_ONCE, size - stored)
                    await asyncio.to_thread(_store, server, more, year)
                    stored, year = stored + more, year + 1
                    await _worked_off(server, give_up_at)
                    progress.update(task, completed=stored)
                await all_placed(some, port, tokens, Counts(), give_up_at, progress)
                await _worked_off(server, give_up_at)
                memory.append(service.resident)
            said, before, events = service.log(), service.most, await _count(server, _EVENTS)
            brokers.start(dies_with_us=True)
            published_after = await _published(service, int(events), give_up_at, progress)
            found = await _verified(server, settings)
            lines, most = service.lines, service.most
    return [
        *_lag(said, int(events)),
        Figure(
            "outage.resident",
            memory[1] / memory[0],
            "x",
            1.2,
            at_most=True,
            note=f"{memory[0]:.0f} MiB after {few:,} orders, {memory[1]:.0f} after {orders:,}, {before:.0f} at most",
        ),
        Figure(
            "outage.resident_catching_up",
            most,
            "MiB",
            CATCHING_UP,
            at_most=True,
            note=f"while all of it is published, and read by four readers; {lines} lines were logged in all",
        ),
        *_of_the_topic(found, published_after),
    ]


_EVENTS: Final = "SELECT count(*) FROM ledger.events"


def _lag(said: dict[str, Any], events: int) -> list[Figure]:
    """Whether /readyz told how far the log lags, and why."""
    why = str(said["trouble"].get("relay", ""))
    note = f"{said['events_behind']:,} of {events:,} events, {said['seconds_behind']:.0f} s; {why}"
    return [
        Figure("outage.events_behind_unsaid", events - said["events_behind"], "events", 0, at_most=True, note=note),
        Figure("outage.says_why", float("no broker answers" in why), "", 1),
    ]


def _of_the_topic(found: Verified, seconds: float) -> list[Figure]:
    note = f"{found.events:,} events, {found.messages:,} messages, published {seconds:.0f} s after the broker's start"
    wrong = found.different + found.foreign + found.spoilt
    return [
        Figure("outage.events_lost", found.lost, "events", 0, at_most=True, note=note),
        Figure("outage.events_out_of_order", found.out_of_order, "events", 0, at_most=True),
        Figure("outage.events_different", wrong, "events", 0, at_most=True),
        Figure("outage.duplicates", found.duplicates, "messages", 0, at_most=True),
    ]


@contextmanager
def _served(server: BenchServer, port: int, brokers: Cluster) -> Iterator[_Service]:
    service = _Service(
        Running(
            "serve",
            DATABASE_URL=server.application_url(),
            SANDBOX="1",
            PORT=str(port),
            KAFKA_BOOTSTRAP_SERVERS=brokers.bootstrap_servers,
            RECEIPTS_LAG_SECONDS="2",
        )
    )
    threads = [threading.Thread(target=each) for each in (service.read, service.watch)]
    try:
        for each in threads:
            each.start()
        service.running.ready()
        yield service
    finally:
        service.ended.set()
        threads[1].join()
        service.running.process.kill()
        service.running.process.wait()
        threads[0].join()
        assert service.running.process.stdout
        service.running.process.stdout.close()


def _store(server: BenchServer, orders: int, year: int) -> None:
    with psycopg.connect(server.owner_url(), autocommit=True) as connection:
        load(connection, completed_orders(orders, year=year), datetime.now(UTC))


async def _count(server: BenchServer, query: str, *parameters: Any) -> int:
    async with await psycopg.AsyncConnection.connect(server.owner_url(), autocommit=True) as connection:
        row = await (await connection.execute(query.encode(), parameters)).fetchone()
    assert row is not None
    return int(row[0])


async def _worked_off(server: BenchServer, give_up_at: float) -> None:
    """What must act reads the store, and mail goes over to it: these are to be at its end before memory is compared."""
    while await _count(server, _READERS, [*_DIRECT]) == 0 or await _count(server, _BEHIND, [*_DIRECT]):
        if time.monotonic() > give_up_at:
            message = "the to-do lists do not come to the end of the log"
            raise RuntimeError(message)
        await asyncio.sleep(0.5)


async def _published(service: _Service, events: int, give_up_at: float, progress: Progress) -> float:
    """Seconds until the service says that its log has everything."""
    began, task = time.monotonic(), progress.add_task("events published", total=events)
    while True:
        behind = int((await asyncio.to_thread(service.log))["events_behind"])
        progress.update(task, completed=events - behind)
        if not behind:
            return time.monotonic() - began
        if time.monotonic() > give_up_at:
            message = f"{behind} events are not published in time"
            raise RuntimeError(message)
        await asyncio.sleep(0.5)


async def _verified(server: BenchServer, settings: Settings) -> Verified:
    assert settings.kafka is not None
    async with opened_ledger(Settings(sandbox=True), server.application_url()) as ledger:
        return await verified(settings.kafka, settings.ledger, settings.partitions, ledger.publication)
