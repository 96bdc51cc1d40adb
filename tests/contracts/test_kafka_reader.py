"""What comes out of Kafka and is not what was put in: kept, refilled from the store, and nobody is held up."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from adapters.log import kafka_client
from adapters.log.cloud_events import Message, message_of
from adapters.log.event_log import LogRefused
from adapters.log.falling_back import FallingBack
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_client import close_producer, producer
from adapters.log.kafka_relay import Publisher, send_all
from adapters.log.kafka_topic import look, source_of_ledger
from adapters.log.tailing import Tail, tailed
from adapters.postgres.parking import retried
from ops.kafka.brokers import PASSWORD, USER, cluster
from projections.portal import portal
from tests.brokers import required
from tests.contracts.projection_bench import SUBSCRIPTIONS, UNKNOWN, Bench, account, opened_bench

pytestmark = pytest.mark.system


def send(access: KafkaAccess, messages: Sequence[tuple[int, Message]]) -> None:
    """Put these into these partitions, as somebody does who is not the relay."""
    sender = producer(access)
    futures = [
        sender.send(access.topic, value=each.value, key=each.key, headers=list(each.headers), partition=partition)
        for partition, each in messages
    ]
    sender.flush(timeout=20)
    for future in futures:
        future.get(timeout=20)
    close_producer(sender)


def spoilt(good: Message) -> list[Message]:
    """The message as it must never be."""
    headers = list(good.headers)
    return [
        Message(good.key, b'{"originator_id": ', headers),
        Message(good.key, b"\x00" * 1_000_000, headers),
        Message(good.key, None, headers),
        Message(b"another", good.value, headers),
        Message(None, good.value, headers),
        Message(good.key, good.value, [each for each in headers if each[0] != "ce_position"]),
        Message(good.key, good.value, [(name, UNKNOWN.encode() if name == "ce_type" else it) for name, it in headers]),
        Message(good.key, b"junk", []),
    ]


async def test_what_was_spoilt_is_kept_and_refilled_from_the_store(kafka_bench: Bench) -> None:
    access = kafka_bench.access
    assert access is not None
    await kafka_bench.start_subscriptions(20)
    await kafka_bench.published()
    assert kafka_bench.relay is not None
    await kafka_bench.relay.stop()
    name = source_of_ledger("test", await kafka_bench.publication.ledger_id())
    await kafka_bench.start_subscriptions(20)
    last = await kafka_bench.publication.lasts(20)
    (first, *rest) = await kafka_bench.publication.chunk(20, last)
    # In the place of the first there is only what can't be read; the rest comes as it should, and then more of that.
    bad = [(first.partition, each) for each in spoilt(message_of(first, name))]
    good = [(each.partition, message_of(each, name)) for each in rest]
    await asyncio.to_thread(send, access, [*bad, *good, *bad])
    lease = await kafka_bench.publication.take("nobody", 0.1, by_force=True)
    assert lease is not None
    assert await kafka_bench.publication.move(lease.epoch, 40)
    worker = kafka_bench.worker("one")
    worker.start()
    await kafka_bench.until(SUBSCRIPTIONS, 40)
    await kafka_bench.until("SELECT count(*) FROM projecting.spoilt", 16)
    await worker.stop()
    assert await kafka_bench.differences() == []
    assert await kafka_bench.count("SELECT count(*) FROM projecting.parked") == 0
    assert await kafka_bench.count("SELECT max(octet_length(value)) FROM projecting.spoilt") == 1_000_000


async def test_events_that_never_came_are_refilled_from_the_store(kafka_bench: Bench) -> None:
    access = kafka_bench.access
    assert access is not None
    assert kafka_bench.relay is not None
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.published()
    await kafka_bench.relay.stop()
    await kafka_bench.start_subscriptions(60)
    records = await kafka_bench.publication.chunk(5, await kafka_bench.publication.lasts(5))
    state = await kafka_bench.publication.state()
    publisher = Publisher(access, source_of_ledger("test", state.ledger_id), state.ledger_id, 12)
    sender = producer(access)
    some = [each for each in records if each.position % 3 == 0 or each.position > 60]
    await asyncio.to_thread(lambda: send_all(sender, publisher, some, Event()))
    close_producer(sender)
    worker = kafka_bench.worker("one")
    worker.start()
    lease = await kafka_bench.publication.take("nobody", 0.1, by_force=True)
    assert lease is not None
    assert await kafka_bench.publication.move(lease.epoch, 65)
    await kafka_bench.until(SUBSCRIPTIONS, 65)
    await worker.stop()
    assert await kafka_bench.differences() == []


async def test_what_no_handler_can_take_is_parked_once_and_others_go_on(ledger_url: str, kafka: KafkaAccess) -> None:
    async with opened_bench(ledger_url) as bench:
        await bench.start_subscriptions(50)
        bench.poison(6)
        bench.access = kafka
        relay, worker = bench.relay_of("relay"), bench.worker("one")
        relay.start()
        worker.start()
        await bench.until(SUBSCRIPTIONS, 41)  # one account of five stops at its second event
        await bench.until("SELECT count(*) FROM projecting.parked", 9)
        assert await bench.count("SELECT count(DISTINCT account_id) FROM projecting.parked") == 1
        assert await bench.count("SELECT count(*) FROM projecting.spoilt") == 0
        bench.mend(6)
        async with bench.pool.connection() as connection:
            done = await retried(connection, portal, account(0))
        assert (done.folded, done.left) == (9, 0)
        await bench.until(SUBSCRIPTIONS, 50)
        await worker.stop()
        await relay.stop()
        assert await bench.differences() == []


async def test_receipts_go_over_to_the_store_and_back(kafka_bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert kafka_bench.relay is not None
    log = FallingBack(kafka_bench.log(), kafka_bench.direct(), kafka_bench.publication, 1.0)
    worker = kafka_bench.worker("one", log=log)
    worker.start()
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.until(SUBSCRIPTIONS, 5)

    def reads_store() -> bool:
        return log.reads_store

    assert not reads_store()
    await kafka_bench.relay.stop()
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.until(SUBSCRIPTIONS, 10)
    assert reads_store()
    kafka_bench.relay.start()
    async with asyncio.timeout(20):
        while reads_store():
            await asyncio.sleep(0.02)
    await kafka_bench.start_subscriptions(5)
    await kafka_bench.until(SUBSCRIPTIONS, 15)
    await worker.stop()
    assert await kafka_bench.differences() == []


async def test_the_receipts_log_is_the_stores_where_no_broker_was_ever_there(bench: Bench) -> None:
    bench.access = KafkaAccess("127.0.0.1:1", "seatledger.nobody.events.v1")
    identity = f"kafka:a:b:{await bench.publication.ledger_id()}"
    bench.as_owner("UPDATE ledger.relay SET log_identity = %s", identity)
    log = FallingBack(bench.log(), bench.direct(), bench.publication, 0.5)
    worker = bench.worker("one", log=log)
    await bench.start_subscriptions(5)
    worker.start()
    async with asyncio.timeout(30):
        while await bench.count(SUBSCRIPTIONS) < 5:
            await asyncio.sleep(0.05)
    await worker.stop()
    assert log.reads_store


async def test_the_topic_is_followed_by_account_and_order(kafka_bench: Bench) -> None:
    assert kafka_bench.access is not None
    await kafka_bench.start_subscriptions(20)
    await kafka_bench.published()

    def seen(**wanted: Any) -> int:
        assert kafka_bench.access is not None
        return len(list(tailed(kafka_bench.access, Tail(beginning=True, follow=False, **wanted))))

    assert await asyncio.to_thread(seen) == 20
    assert await asyncio.to_thread(lambda: seen(account=account(1))) == 4
    (one, *_) = await kafka_bench.publication.chunk(0, {})
    assert await asyncio.to_thread(lambda: seen(order=UUID(bytes=one.originator_id))) == 1


async def test_a_broker_that_asks_for_a_login_over_tls(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    required()
    secure = cluster(tmp_path / "secure", secure=True)
    secure.start(dies_with_us=True)
    try:
        right = KafkaAccess(
            secure.bootstrap_servers,
            "seatledger.test.events.v1",
            security_protocol="SASL_SSL",
            username=USER,
            password=PASSWORD,
            ca_file=secure.certificate,
        )
        async with opened_bench(ledger_url, right) as bench:
            worker = bench.worker("one")
            worker.start()
            await bench.start_subscriptions(10)
            await bench.until(SUBSCRIPTIONS, 10)
            await worker.stop()
        monkeypatch.setattr(kafka_client, "BOOTSTRAP_SECONDS", 3.0)  # a refusal takes all of it
        for wrong, said in (
            ({"password": "wrong"}, "KAFKA_USERNAME, KAFKA_PASSWORD: the broker refuses this login"),
            ({"ca_file": None}, "KAFKA_CA_FILE"),
            ({"security_protocol": "PLAINTEXT"}, "KAFKA_SECURITY_PROTOCOL: the broker does not speak PLAINTEXT"),
        ):
            access = KafkaAccess(**{**{name: getattr(right, name) for name in right.__slots__}, **wrong})
            with pytest.raises(LogRefused, match=said):
                await asyncio.to_thread(look, access)
    finally:
        secure.erase()
