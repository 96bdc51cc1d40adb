"""The relay from the store to Kafka, against the same producer sending bytes that lie ready."""

import asyncio
import gc
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import psycopg
import uvloop
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from rich.console import Console

from adapters.cli.loop import settle
from adapters.log.cloud_events import message_of
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import close_producer, producer
from adapters.log.kafka_relay import KafkaRelay
from adapters.log.kafka_topic import make, source_of_ledger
from adapters.postgres.publishing import CHUNK_EVENTS, Publication
from adapters.postgres.wakeups import Wakeups
from benchmarks.brokers import bench_brokers
from benchmarks.figures import Figure, Passes
from benchmarks.histories import completed_orders
from benchmarks.loading import load
from benchmarks.servers import bench_server

ORDERS: Final = int(os.environ.get("RELAY_ORDERS", "1500"))
PASSES: Final = int(os.environ.get("BENCH_PASSES", "5"))
REACH: Final = 0.8


def measured(out: Console) -> list[Figure]:
    """The ratio of the rates in events a second."""
    passes = Passes()
    with bench_server() as server, bench_brokers() as brokers:
        with psycopg.connect(server.owner_url(), autocommit=True) as connection:
            events = load(connection, completed_orders(ORDERS), datetime.now(UTC))
        access = KafkaAccess(brokers.bootstrap_servers, "")
        for number in range(PASSES + 1):
            gc.unfreeze()
            gc.collect()
            settle()  # as every command of the product does
            ours = uvloop.run(_relayed(server.application_url(), server.owner_url(), _own(access)))
            theirs = uvloop.run(_sent(server.application_url(), _own(access)))
            out.print(f"pass {number} of {PASSES}: {events / ours:,.0f}/s, {events / theirs:,.0f}/s", style="dim")
            if number:  # the first warms the broker up
                passes.ours.append(events / ours)
                passes.theirs.append(events / theirs)
    return [Figure("relay.prepared", passes.ratio, "x", REACH, note=f"{events:,} events; {passes.spread('events/s')}")]


def _own(access: KafkaAccess) -> KafkaAccess:
    """A topic that nobody sent to."""
    return replace(access, topic=f"seatledger.{uuid4().hex}.events.v1")


async def _relayed(url: str, owner_url: str, access: KafkaAccess) -> float:
    """Seconds from the relay's first chunk to the last position that is stored."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("UPDATE ledger.relay SET position = 0, log_identity = NULL, expires_at = '-infinity'")
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(url, open=False, kwargs={"autocommit": True})
    async with pool:
        publication = Publication(pool)
        relay = KafkaRelay(access, "bench", 12, publication, Wakeups(lambda: None), "bench")
        state = await publication.state()
        relay.start()
        while not relay.leads:  # noqa: ASYNC110 -- it rings no bell
            await asyncio.sleep(0.001)
        began = time.perf_counter()
        while relay.published < state.events_behind:  # noqa: ASYNC110 -- and no query: 200 a second slow the relay down
            await asyncio.sleep(0.005)
        took = time.perf_counter() - began
        assert (await publication.published())[1] == state.head
        await relay.stop()
    return took


async def _sent(url: str, access: KafkaAccess) -> float:
    """Seconds for the same producer to send, chunk by chunk, what was prepared before."""
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(url, open=False, kwargs={"autocommit": True})
    async with pool:
        publication, last, position = Publication(pool), dict[int, int](), 0
        source = source_of_ledger("bench", await publication.ledger_id())
        prepared = []
        while records := await publication.chunk(position, last):
            position = records[-1].position
            prepared += [(each.partition, each.stamp, message_of(each, source)) for each in records]
    await asyncio.to_thread(make, access, 12)
    sender = await asyncio.to_thread(producer, access)
    gc.freeze()  # the peer's time is for sending, not for looking through what lies ready

    def send() -> float:
        began = time.perf_counter()
        for at in range(0, len(prepared), CHUNK_EVENTS):
            futures = [
                sender.send(
                    access.topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    partition=partition,
                    timestamp_ms=when,
                )
                for partition, when, message in prepared[at : at + CHUNK_EVENTS]
            ]
            sender.flush()
            for future in futures:
                future.get(timeout=0)
        return time.perf_counter() - began

    took = await asyncio.to_thread(send)
    await asyncio.to_thread(close_producer, sender)
    return took
