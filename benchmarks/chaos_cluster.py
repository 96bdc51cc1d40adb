"""Three brokers of which two must agree: the one that leads is killed under load, and nothing acknowledged is lost."""

import asyncio
import os
import time
from collections import Counter
from typing import Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from rich.console import Console

from adapters.appending import prepared_append
from adapters.log.event_log import LogUnavailable
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import admin
from adapters.log.kafka_relay import KafkaRelay
from adapters.log.verifying import verified
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.publishing import Publication
from adapters.postgres.wakeups import EVENTS, Wakeups
from benchmarks.brokers import bench_brokers
from benchmarks.figures import Figure
from benchmarks.servers import bench_server
from ops.kafka.brokers import Cluster
from tests.contracts.projection_bench import account, context, started

KILLS: Final = int(os.environ.get("CLUSTER_KILLS", "5"))
A_SECOND: Final = 100
REACH_SECONDS: Final = 15.0
_PATIENCE: Final = 45.0


def measured(out: Console, kills: int = KILLS) -> list[Figure]:
    """What was lost, and the longest time without anything published."""
    return asyncio.run(_measured(out, kills))


async def _measured(out: Console, kills: int) -> list[Figure]:
    with bench_server() as server, bench_brokers(3) as brokers:
        url = server.application_url()
        access = KafkaAccess(
            brokers.bootstrap_servers, "seatledger.cluster.events.v1", replication=3, min_insync_replicas=2
        )
        pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(url, open=False, kwargs={"autocommit": True})
        async with pool:

            def connect() -> object:
                return AsyncConnection.connect(url, autocommit=True)

            wakeups, publication = Wakeups(connect), Publication(pool)
            writer = GroupCommit(connect, lambda _: wakeups.ring(EVENTS))
            relay = KafkaRelay(access, "cluster", 12, publication, wakeups, "relay")
            wakeups.start()
            writer.start()
            relay.start()
            load = asyncio.create_task(_load(writer))
            gaps = []
            try:
                await _flows(publication, 0)
                for number in range(kills):
                    gaps.append(await _killed(brokers, access, publication))
                    out.print(f"kill {number + 1} of {kills}: flow again after {gaps[-1]:.1f} s", style="dim")
                load.cancel()
                async with asyncio.timeout(_PATIENCE):
                    while (state := await publication.state()).events_behind:  # noqa: ASYNC110 -- it is no bell of ours
                        await asyncio.sleep(0.1)
                found = await verified(access, "cluster", 12, publication)
            finally:
                load.cancel()
                await relay.stop()
                await writer.stop()
                await wakeups.stop()
    note = f"{found.events:,} of {state.head:,} events, {found.duplicates:,} duplicates, leader killed {kills} times"
    wrong = found.lost + found.out_of_order + found.different + found.foreign + (state.head - found.events)
    return [
        Figure("cluster.acknowledged_lost", wrong, "events", 0, at_most=True, note=note),
        Figure("cluster.longest_gap", max(gaps), "s", REACH_SECONDS, at_most=True),
    ]


async def _load(writer: GroupCommit) -> None:
    number = 0
    while True:
        began = time.monotonic()
        for _ in range(A_SECOND // 10):
            subscription = started(f"S-{number}", account(number % 500))
            await writer.append(prepared_append((subscription,), context(), (), (), subscription, 12))
            number += 1
        await asyncio.sleep(max(0.0, 0.1 - (time.monotonic() - began)))


async def _flows(publication: Publication, past: int) -> None:
    """Return once something past this position is published."""
    async with asyncio.timeout(_PATIENCE):
        while (await publication.published())[1] <= past:  # noqa: ASYNC110 -- it is no bell of ours
            await asyncio.sleep(0.02)


async def _killed(brokers: Cluster, access: KafkaAccess, publication: Publication) -> float:
    """Seconds from the kill of the broker with most leaders until the relay's position passes what was there then."""
    await _all_in_sync(access)
    leaders = await asyncio.to_thread(_leaders, access)
    victim = brokers.brokers[leaders.most_common(1)[0][0] - 1]
    victim.kill()
    began, head = time.monotonic(), (await publication.state()).head
    await _flows(publication, head)  # what is appended after the kill: all partitions have taken theirs before
    gap = time.monotonic() - began
    victim.start(dies_with_us=True)
    await asyncio.to_thread(victim.wait_until_ready)
    return gap


def _leaders(access: KafkaAccess) -> Counter[int]:
    with admin(access) as client:
        (topic,) = client.describe_topics([access.topic])
    return Counter(each["leader_id"] for each in topic["partitions"])


async def _all_in_sync(access: KafkaAccess) -> None:
    def smallest() -> int:
        with admin(access) as client:
            (topic,) = client.describe_topics([access.topic])
        return min((len(each["isr_nodes"]) for each in topic["partitions"]), default=0)

    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                if await asyncio.to_thread(smallest) == 3:
                    return
            except LogUnavailable:
                pass
            await asyncio.sleep(0.2)
