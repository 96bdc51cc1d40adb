"""The relay: every event on the topic once or more and in order, by one leader, and nothing else taken for its own."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from adapters.log.event_log import LogRefused, LogUnavailable
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import admin
from adapters.log.kafka_topic import delete, look, make
from adapters.log.republishing import NothingToRebuild, Republished, republished
from adapters.log.verifying import Verified, verified
from tests.contracts.projection_bench import SUBSCRIPTIONS, Bench, opened_bench

pytestmark = pytest.mark.system


async def _verified(bench: Bench) -> Verified:
    assert bench.access is not None
    return await verified(bench.access, "test", 12, bench.publication)


async def _republished(bench: Bench, *, even_if_well: bool = False) -> Republished:
    assert bench.access is not None
    return await republished(bench.access, "test", 12, bench.publication, "rebuild", even_if_well=even_if_well)


async def _trouble(bench: Bench, said: str) -> None:
    assert bench.relay is not None
    async with asyncio.timeout(30):
        while said not in (bench.relay.trouble or ""):
            await asyncio.sleep(0.02)


async def test_every_event_is_on_the_topic_once_and_in_order(kafka_bench: Bench) -> None:
    await kafka_bench.start_subscriptions(120)
    await kafka_bench.published()
    found = await _verified(kafka_bench)
    assert found.well
    assert (found.events, found.messages, found.duplicates) == (120, 120, 0)


async def test_one_relay_publishes_and_the_next_goes_on_at_once_where_it_ended(kafka_bench: Bench) -> None:
    assert kafka_bench.relay is not None
    second = kafka_bench.relay_of("second", lease_seconds=60)
    await kafka_bench.start_subscriptions(10)
    await kafka_bench.published()
    second.start()
    await asyncio.sleep(0.2)
    assert (kafka_bench.relay.leads, second.leads) == (True, False)
    await kafka_bench.relay.stop()
    await kafka_bench.start_subscriptions(10)
    await kafka_bench.published()
    assert second.leads
    await second.stop()
    found = await _verified(kafka_bench)
    assert (found.well, found.events, found.duplicates) == (True, 20, 0)


async def test_a_relay_whose_lease_was_taken_over_can_store_no_position(kafka_bench: Bench) -> None:
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.published()
    publication = kafka_bench.publication
    old = await publication.take("late", 5, by_force=True)
    new = await publication.take("successor", 5, by_force=True)
    assert old is not None
    assert new is not None
    assert (old.position, new.position, new.epoch) == (5, 5, old.epoch + 1)
    assert not await publication.begin(old.epoch, 0, "kafka:another")
    assert not await publication.move(old.epoch, 0)
    assert not await publication.keep(old.epoch, 60)
    assert (await publication.state()).position == 5
    await publication.give_back(new.epoch)
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.published()  # the relay that was pushed aside has taken its turn again
    assert (await _verified(kafka_bench)).well


async def test_memory_is_bounded_by_a_chunk_however_much_waits(ledger_url: str, kafka: KafkaAccess) -> None:
    async with opened_bench(ledger_url) as bench:
        await bench.start_subscriptions(30)
        bench.access = kafka
        last: dict[int, int] = {}
        assert [each.position for each in await bench.publication.chunk(0, last, 7)] == list(range(1, 8))
        relay = bench.relay_of("small chunks", chunk_events=7)
        relay.start()
        await bench.published()
        await relay.stop()
        assert (await _verified(bench)).well


def _gone(access: KafkaAccess) -> None:
    delete(access)


def _made_again(access: KafkaAccess) -> None:
    delete(access)
    make(access, 12)


@pytest.mark.parametrize(
    ("what", "said"),
    [(_gone, "(it is gone): `seatledger log rebuild`"), (_made_again, "(it was made again, or is on another cluster)")],
)
async def test_a_topic_that_was_deleted_or_made_again_is_refused_until_it_is_rebuilt(
    kafka_bench: Bench, what: Callable[[KafkaAccess], None], said: str
) -> None:
    assert kafka_bench.relay is not None
    assert kafka_bench.access is not None
    reader = kafka_bench.worker("one")
    reader.start()
    await kafka_bench.start_subscriptions(10)
    await kafka_bench.until(SUBSCRIPTIONS, 10)
    await kafka_bench.relay.stop()
    await reader.stop()
    await asyncio.to_thread(what, kafka_bench.access)
    await kafka_bench.start_subscriptions(10)
    kafka_bench.relay.start()
    reader.start()
    await _trouble(kafka_bench, said)
    assert (await kafka_bench.publication.state()).events_behind == 10
    async with asyncio.timeout(10):
        while said not in (reader.log_trouble or ""):
            await asyncio.sleep(0.02)
    done = await _republished(kafka_bench)
    assert (said in (done.was or ""), done.events) == (True, 20)
    await kafka_bench.until(SUBSCRIPTIONS, 20)
    await reader.stop()
    assert (await _verified(kafka_bench)).well
    assert await kafka_bench.differences() == []


async def test_a_store_that_was_restored_to_an_earlier_point_is_noticed_and_nobody_reads_on(
    kafka_bench: Bench,
) -> None:
    assert kafka_bench.relay is not None
    await kafka_bench.start_subscriptions(10)
    await kafka_bench.published()
    await kafka_bench.relay.stop()
    kafka_bench.as_owner("DELETE FROM ledger.events WHERE notification_id > 6")
    kafka_bench.as_owner("UPDATE ledger.relay SET position = 6")
    await kafka_bench.start_subscriptions(1)
    reader = kafka_bench.worker("one")
    kafka_bench.relay.start()
    reader.start()
    await _trouble(kafka_bench, "the store was restored to an earlier point; `seatledger log rebuild`")
    async with asyncio.timeout(10):
        while "restored to an earlier point" not in (reader.log_trouble or ""):
            await asyncio.sleep(0.02)
    assert await kafka_bench.count(SUBSCRIPTIONS) == 0
    assert (await _republished(kafka_bench)).events == 7
    await kafka_bench.until(SUBSCRIPTIONS, 7)
    await reader.stop()
    assert (await _verified(kafka_bench)).well
    assert await kafka_bench.differences() == []


async def test_two_ledgers_on_one_topic_are_told_apart_and_neither_is_deleted(
    kafka_bench: Bench, ledger_url: str
) -> None:
    await kafka_bench.start_subscriptions(3)
    await kafka_bench.published()
    assert kafka_bench.relay is not None
    await kafka_bench.relay.stop()
    for change in (
        f"UPDATE ledger.settings SET value = '{uuid4()}' WHERE name = 'ledger_id'",
        "UPDATE ledger.relay SET log_identity = NULL, position = 0",
    ):
        kafka_bench.as_owner(change)  # the same events in another ledger's hands
    kafka_bench.relay.start()
    await _trouble(kafka_bench, "belongs to another ledger")
    with pytest.raises(LogRefused, match="name of its own by LEDGER"):
        await _republished(kafka_bench)
    found = await _verified(kafka_bench)
    assert (found.foreign, found.events) == (3, 0)
    assert ledger_url


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cleanup.policy": "compact"}, "cleanup.policy=compact throws events away"),
        ({"retention.ms": "604800000"}, "retention.ms=604800000 throws events away"),
        ({"retention.bytes": "1000000"}, "retention.bytes=1000000 throws events away"),
        ({"message.timestamp.type": "LogAppendTime"}, "message.timestamp.type=LogAppendTime"),
        ({"max.message.bytes": "1000"}, "max.message.bytes=1000 is too small"),
        ({}, "it has 3 partitions, the ledger 12 (PARTITIONS)"),
    ],
)
async def test_a_topic_that_would_lose_events_is_refused_with_the_settings_name(
    kafka_bench: Bench, settings: dict[str, str], said: str
) -> None:
    assert kafka_bench.relay is not None
    access = replace(kafka_bench.access, topic=f"seatledger.{uuid4().hex}.events.v1")  # type: ignore[type-var]
    assert access is not None
    await kafka_bench.relay.stop()
    configs = {"retention.ms": "-1", **settings}
    with admin(access) as client:
        client.create_topics(
            {access.topic: {"num_partitions": 12 if settings else 3, "replication_factor": 1, "configs": configs}},
            wait_for_metadata=True,
        )
    kafka_bench.access = access
    kafka_bench.as_owner("UPDATE ledger.relay SET log_identity = NULL, position = 0")
    kafka_bench.relay = kafka_bench.relay_of("one")
    kafka_bench.relay.start()
    await _trouble(kafka_bench, said)
    await kafka_bench.relay.stop()


async def test_more_copies_than_the_cluster_can_keep_are_refused_with_the_settings_name(
    ledger_url: str, kafka: KafkaAccess
) -> None:
    async with opened_bench(ledger_url, replace(kafka, replication=3)) as bench:
        await _trouble(bench, "KAFKA_REPLICATION: the cluster can't keep 3 copies")
    await asyncio.to_thread(make, kafka, 12)
    for demand, said in (
        (replace(kafka, replication=3), "it keeps 1 copies, KAFKA_REPLICATION says 3"),
        (replace(kafka, min_insync_replicas=2), "min.insync.replicas=1, KAFKA_MIN_INSYNC_REPLICAS says 2"),
    ):
        async with opened_bench(ledger_url, demand) as bench:
            await _trouble(bench, said)


async def test_a_well_topic_is_not_rebuilt_unless_asked_for(kafka_bench: Bench) -> None:
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.published()
    with pytest.raises(NothingToRebuild):
        await _republished(kafka_bench)
    assert (await _republished(kafka_bench, even_if_well=True)).events == 5
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.published()
    found = await _verified(kafka_bench)
    assert (found.well, found.events) == (True, 10)


async def test_brokers_that_are_not_there_are_said(ledger_url: str) -> None:
    nobody = KafkaAccess("127.0.0.1:1", "seatledger.nobody.events.v1")
    async with opened_bench(ledger_url, nobody) as bench:
        await bench.start_subscriptions(3)
        await _trouble(bench, "no broker answers at 127.0.0.1:1")
        state = await bench.publication.state()
        assert (state.events_behind, state.seconds_behind > 0) == (3, True)
    with pytest.raises(LogUnavailable, match="no broker answers"):
        await asyncio.to_thread(look, nobody)
    assert UUID(state.ledger_id)
