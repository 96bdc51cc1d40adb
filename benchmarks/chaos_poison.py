"""Messages that were spoilt on their way, and events that no handler can take, among many: nobody else waits."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from threading import Event
from typing import Final
from uuid import UUID

from kafka import KafkaProducer
from rich.console import Console
from rich.progress import Progress

from adapters.log.cloud_events import Message, message_of
from adapters.log.event_log import OutgoingRecord
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import close_producer, producer
from adapters.log.kafka_relay import Publisher, send_all
from adapters.log.kafka_topic import make, source_of_ledger
from adapters.postgres.parking import retried
from benchmarks.brokers import bench_brokers
from benchmarks.figures import Figure
from benchmarks.servers import bench_server
from projections.portal import portal
from tests.contracts.projection_bench import Bench, account, context, opened_bench, started

EVENTS: Final = int(os.environ.get("POISON_EVENTS", "100000"))
POISON: Final = int(os.environ.get("POISON_MESSAGES", "1000"))
ACCOUNTS: Final = min(2_000, EVENTS // 10)
NOT_TAKEN: Final = 20
"""Accounts with an event that no handler knows."""

A_SECOND: Final = int(os.environ.get("POISON_A_SECOND", "1000"))
REACH_SECONDS: Final = 5.0
_CHUNK: Final = 500


def measured(out: Console, events: int = EVENTS, poison: int = POISON) -> list[Figure]:
    """Lag of everybody else, what was kept and parked, and whether the read model is right in the end."""
    return asyncio.run(_measured(out, events, poison))


@dataclass(slots=True)
class _Sent:
    """When each chunk was acknowledged, by its last position in each partition."""

    at: dict[tuple[int, int], float] = field(default_factory=dict)


async def _measured(out: Console, events: int, poison: int) -> list[Figure]:
    with bench_server() as server, bench_brokers() as brokers:
        async with opened_bench(server.application_url()) as bench:
            await _filled(bench, events)
            not_taken = await _not_taken(bench)
            access = KafkaAccess(brokers.bootstrap_servers, "seatledger.poison.events.v1")
            bench.access = access
            topic = await asyncio.to_thread(make, access, 12)
            ledger_id = await bench.publication.ledger_id()
            publisher = Publisher(access, source_of_ledger("test", ledger_id), ledger_id, 12)
            lease = await bench.publication.take("poison", 600)
            assert lease is not None
            identity = topic.identity(ledger_id)
            await bench.publication.begin(lease.epoch, 0, identity)
            worker = bench.worker("one")
            worker._page_size = 1000
            worker.start()
            sent, lags = _Sent(), list[float]()
            watching = asyncio.create_task(_watch(bench, sent, lags))
            await _poured(out, bench, publisher, lease.epoch, sent, max(1, events // max(1, poison)))
            async with asyncio.timeout(120):
                while sent.at:  # noqa: ASYNC110 -- a watcher empties it
                    await asyncio.sleep(0.05)
            watching.cancel()
            kept = await bench.count("SELECT count(*) FROM projecting.spoilt")
            parked = await bench.count("SELECT count(DISTINCT account_id) FROM projecting.parked")
            first = await bench.count("SELECT count(*) FROM projecting.parked WHERE error IS NOT NULL")
            bench.mend(*not_taken)
            async with bench.pool.connection() as connection:
                for id in await _parked(bench):
                    await retried(connection, portal, id)
            await worker.stop()
            differing = len(await bench.differences())
            left = await bench.count("SELECT count(*) FROM projecting.parked")
    lags.sort()
    note = f"{events:,} events, {kept:,} spoilt messages kept, p50 {lags[len(lags) // 2]:.2f} s, worst {lags[-1]:.2f} s"
    return [
        Figure("poison.lag_p99", lags[int(len(lags) * 0.99)], "s", REACH_SECONDS, at_most=True, note=note),
        Figure("poison.spoilt_kept", kept, "messages", poison),
        Figure("poison.parked_wrong", abs(parked - NOT_TAKEN) + abs(first - NOT_TAKEN), "accounts", 0, at_most=True),
        Figure("poison.parked_after_retry", left, "events", 0, at_most=True),
        Figure("poison.rows_differing", differing, "rows", 0, at_most=True),
    ]


async def _filled(bench: Bench, events: int) -> None:
    """A subscription an event, for many accounts in turn."""

    async def some(start: int) -> None:
        for number in range(start, events, 64):
            await bench.events.append(started(f"S-{number}", account(number % ACCOUNTS)), context=context())

    await asyncio.gather(*(some(start) for start in range(64)))


async def _not_taken(bench: Bench) -> list[int]:
    """Positions of one event in the middle of each of some accounts; its name is one that nobody knows."""
    found = []
    async with bench.pool.connection() as connection:
        for number in range(NOT_TAKEN):
            rows = await connection.execute(
                "SELECT notification_id FROM ledger.events WHERE account_id = %s ORDER BY notification_id OFFSET %s",
                (account(number * (ACCOUNTS // NOT_TAKEN)), 2),
            )
            row = await rows.fetchone()
            assert row is not None
            found.append(int(row[0]))
    bench.poison(*found)
    return found


async def _parked(bench: Bench) -> list[UUID]:
    async with bench.pool.connection() as connection:
        rows = await connection.execute("SELECT DISTINCT account_id FROM projecting.parked")
        return [id for (id,) in await rows.fetchall()]


async def _poured(out: Console, bench: Bench, publisher: Publisher, epoch: int, sent: _Sent, every: int) -> None:
    """All events at a steady rate; in the place of every so many-th a message that is spoilt, each in its own way."""
    sender = await asyncio.to_thread(producer, publisher.access)
    last: dict[int, int] = {}
    position, began = 0, time.monotonic()
    with Progress(console=out) as progress:
        task = progress.add_task("messages", total=None)
        while records := await bench.publication.chunk(position, last, _CHUNK):
            position = records[-1].position
            await asyncio.sleep(max(0.0, began + position / A_SECOND - time.monotonic()))
            good = [each for each in records if each.position % every]
            bad = [each for each in records if not each.position % every]
            await asyncio.to_thread(_send, sender, publisher, good, bad)
            await bench.publication.move(epoch, position)
            now = time.monotonic()
            for record in records:
                sent.at[record.partition, position] = now
            progress.update(task, completed=position)
    await asyncio.to_thread(close_producer, sender)


def _send(sender: KafkaProducer, publisher: Publisher, good: list[OutgoingRecord], bad: list[OutgoingRecord]) -> None:
    futures = []
    for record in bad:
        message = _spoilt(message_of(record, publisher.source), record.position)
        futures.append(
            sender.send(
                publisher.access.topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                partition=record.partition,
                timestamp_ms=record.stamp,
            )
        )
    send_all(sender, publisher, good, Event())
    for future in futures:
        future.get(timeout=20)


def _spoilt(good: Message, position: int) -> Message:
    headers = list(good.headers)
    renamed = {"type": b"SeatsTeleported.v1", "version": b"SubscriptionStarted.v99"}
    ways = [
        Message(good.key, b'{"originator_id": ', headers),
        Message(good.key, good.value, _renamed(headers, renamed["type"])),
        Message(good.key, good.value, _renamed(headers, renamed["version"])),
        Message(b"another", good.value, headers),
        Message(good.key, good.value, [each for each in headers if each[0] != "ce_position"]),
        Message(good.key, b"\x00" * 1_000_000, headers),
    ]
    # Megabytes are one in sixty: sixty of them would be all that the run has time for.
    return ways[5] if position % 60 == 0 and position % 7 == 0 else ways[position // 7 % 5]


def _renamed(headers: list[tuple[str, bytes]], name: bytes) -> list[tuple[str, bytes]]:
    changed = {"ce_type": name, "ce_dataschema": b"urn:seatledger:event:" + name}
    return [(key, changed.get(key, value)) for key, value in headers]


async def _watch(bench: Bench, sent: _Sent, lags: list[float]) -> None:
    """Note for each chunk's part of a partition how long after its acknowledgement the checkpoint is past it."""
    query = "SELECT partition, position FROM projecting.checkpoints WHERE projection = 'portal'"
    while True:
        async with bench.pool.connection() as connection:
            reached: dict[int, int] = dict(await (await connection.execute(query)).fetchall())
        now = time.monotonic()
        for (partition, position), at in list(sent.at.items()):
            if reached.get(partition, 0) >= position or await _nothing_between(bench, partition, reached, position):
                lags.append(now - at)
                del sent.at[partition, position]
        await asyncio.sleep(0.05)


async def _nothing_between(bench: Bench, partition: int, reached: dict[int, int], position: int) -> bool:
    """Whether the chunk has no event of the partition past the checkpoint."""
    return not await bench.publication.of_partition(partition, reached.get(partition, 0), position, 1)
