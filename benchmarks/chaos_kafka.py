"""Orders under way while broker, relay and projector are killed or stopped for longer than their leases."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from rich.console import Console
from rich.progress import Progress

from adapters.bootstrap import opened_ledger
from adapters.log.verifying import Verified, verified
from adapters.settings import Settings
from benchmarks.brokers import bench_brokers
from benchmarks.chaos_kill import (
    WORKERS,
    Counts,
    Instance,
    Walk,
    all_done,
    all_placed,
    differing_rows,
    figures_of,
    signed_in,
)
from benchmarks.figures import Figure
from benchmarks.histories import Company
from benchmarks.loading import load
from benchmarks.servers import BenchServer, bench_server
from ops.kafka.brokers import Broker
from tests.system.processes import free_port

ORDERS: Final = int(os.environ.get("KAFKA_ORDERS", "3000"))
KILLS: Final = int(os.environ.get("KAFKA_KILLS", "10"))
"""Of the broker; relay and projector are killed twice as often, and each of the three is stopped as often."""

LONGER_THAN_A_LEASE: Final = 6.0
"""Seconds; leases are 5."""

PATIENCE: Final = float(os.environ.get("KAFKA_SECONDS", "280"))
_LEADER: Final = "SELECT owner FROM ledger.relay WHERE expires_at > clock_timestamp()"
_PROJECTOR: Final = """
SELECT owner FROM projecting.checkpoints WHERE projection = 'portal' AND expires_at > clock_timestamp()
GROUP BY owner ORDER BY count(*) DESC LIMIT 1
"""


@dataclass(slots=True)
class _Chaos:
    running: Instance
    server: BenchServer
    broker: Broker
    counts: Counter[str] = field(default_factory=Counter)
    busy: set[int] = field(default_factory=set)

    async def relay_or_projector(self, who: str, query: str, plan: list[str]) -> None:
        """Kill or stop whichever process holds that lease now."""
        choice = random.Random(who)
        for what in plan:
            await asyncio.sleep(choice.uniform(0.3, 1.5))
            pid = await self._holder(query)
            self.busy.add(pid)
            try:
                if what == "stop":
                    os.kill(pid, signal.SIGSTOP)
                    await asyncio.sleep(LONGER_THAN_A_LEASE)
                    os.kill(pid, signal.SIGCONT)
                else:
                    await asyncio.to_thread(self._kill, pid)
            finally:
                self.busy.discard(pid)
            self.counts[f"{who} {what}"] += 1

    async def brokers(self, plan: list[str]) -> None:
        """Kill the broker and start it again, or stop it for a while."""
        choice = random.Random("broker")
        for what in plan:
            await asyncio.sleep(choice.uniform(0.5, 2.0))
            if what == "stop":
                self.broker.signalled(signal.SIGSTOP)
                await asyncio.sleep(LONGER_THAN_A_LEASE)
                self.broker.signalled(signal.SIGCONT)
            else:
                self.broker.kill()
                self.broker.start(dies_with_us=True)  # in this thread, which lives as long as the run
                await asyncio.to_thread(self.broker.wait_until_ready)
            self.counts[f"broker {what}"] += 1

    async def _holder(self, query: str) -> int:
        processes = {each.process.pid for each in (self.running.service, *self.running.workers)}
        while True:
            async with await psycopg.AsyncConnection.connect(self.server.owner_url()) as connection:
                row = await (await connection.execute(query.encode())).fetchone()
            pid = int(row[0].rpartition(":")[2]) if row else 0
            if pid in processes and pid not in self.busy:
                return pid
            await asyncio.sleep(0.1)
            processes = {each.process.pid for each in (self.running.service, *self.running.workers)}

    def _kill(self, pid: int) -> None:
        if self.running.service.process.pid == pid:
            self.running.kill_service()
        for number, worker in enumerate(self.running.workers):
            if worker.process.pid == pid:
                self.running.kill_worker(number)


def measured(out: Console, orders: int = ORDERS, kills: int = KILLS, stops: int = KILLS) -> list[Figure]:
    """What was lost, doubled, out of order or left undone: nothing may be."""
    return asyncio.run(_measured(out, orders, kills, stops))


async def _measured(out: Console, orders: int, kills: int, stops: int) -> list[Figure]:
    began, give_up_at = datetime.now(UTC) - timedelta(minutes=1), time.monotonic() + PATIENCE
    counts = Counts()
    with bench_server() as server, bench_brokers() as brokers:
        walks = [Walk(Company(number, began)) for number in range(orders)]
        with psycopg.connect(server.owner_url(), autocommit=True) as connection:
            load(connection, (append for walk in walks for append in walk.company.opened()), began)
        tokens, port = await signed_in(server, walks), free_port()
        running = Instance(server, port, KAFKA_BOOTSTRAP_SERVERS=brokers.bootstrap_servers, RECEIPTS_LAG_SECONDS="5")
        try:
            chaos = _Chaos(running, server, brokers.brokers[0])
            mixed = _mixed(2 * kills, stops)
            harm = asyncio.gather(
                chaos.brokers(_mixed(kills, stops)),
                chaos.relay_or_projector("relay", _LEADER, mixed),
                chaos.relay_or_projector("projector", _PROJECTOR, mixed),
            )
            with Progress(console=out) as progress:
                await all_placed(walks, port, tokens, counts, give_up_at, progress)
                placed_all = time.monotonic()
                await harm
                undone = await all_done(server, orders, give_up_at, progress)
            settings = Settings(sandbox=True, kafka_bootstrap_servers=brokers.bootstrap_servers)
            found = await _published(settings, server)
        finally:
            running.end()
        out.print(f"all placed with {give_up_at - placed_all:.0f} s left", style="dim")
        counts.worker = sum(count for what, count in chaos.counts.items() if what.endswith("kill"))
        differing = await differing_rows(server, settings)
        async with opened_ledger(Settings(sandbox=True), server.application_url()) as ledger:
            figures = await figures_of(ledger, walks, counts, "kafka")
    did = ", ".join(f"{what} {count}" for what, count in sorted(chaos.counts.items()))
    return [*figures, *_of_the_topic(found, f"{did}; {WORKERS + 1} processes"), _undone(undone), _as_rebuilt(differing)]


def _mixed(kills: int, stops: int) -> list[str]:
    plan = ["kill"] * kills + ["stop"] * stops
    random.Random(kills).shuffle(plan)
    return plan


def _undone(undone: int) -> Figure:
    return Figure("kafka.undone", undone, "orders", 0, at_most=True)


async def _published(settings: Settings, server: BenchServer) -> Verified:
    """The topic against the store, once all is published."""
    assert settings.kafka is not None
    async with opened_ledger(Settings(sandbox=True), server.application_url()) as ledger:
        async with asyncio.timeout(60):
            while (await ledger.publication.state()).events_behind:  # noqa: ASYNC110 -- other processes publish
                await asyncio.sleep(0.2)
        return await verified(settings.kafka, settings.ledger, settings.partitions, ledger.publication)


def _as_rebuilt(differing: int) -> Figure:
    return Figure("kafka.rows_not_as_rebuilt", differing, "rows", 0, at_most=True)


def _of_the_topic(found: Verified, did: str) -> list[Figure]:
    note = f"{found.events:,} events, {found.messages:,} messages, {found.duplicates:,} duplicates; {did}"
    return [
        Figure("kafka.events_lost", found.lost, "events", 0, at_most=True, note=note),
        Figure("kafka.events_out_of_order", found.out_of_order, "events", 0, at_most=True),
        Figure("kafka.events_different", found.different + found.foreign + found.spoilt, "events", 0, at_most=True),
    ]
