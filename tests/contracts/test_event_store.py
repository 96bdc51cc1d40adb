"""What every event store promises, in memory and in PostgreSQL alike."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4, uuid5

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.event_mapping import recorded
from adapters.log.direct import DirectLog
from adapters.log.event_log import LogRecord
from adapters.memory.ledger import MemoryLedger
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.vault import PostgresVault
from adapters.postgres.wakeups import EVENTS, Wakeups
from domain.envelope import Actor, Recorded, Role
from domain.history import topic_of
from domain.ledger import LedgerAggregate
from domain.pricing import Term
from domain.refusals import IdempotencyKeyReused, NotFound
from domain.subscription import Subscription
from services.ports import (
    AppendTooLarge,
    CommandContext,
    EventStore,
    SealedRecord,
    Vault,
    VersionConflict,
)
from services.vault_records import Contact, PurchaseOrder

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
ACCOUNT = UUID(int=4711)
TERM = Term(date(2026, 1, 1), date(2027, 1, 1))


@dataclass(frozen=True)
class Stores:
    """An event store with its vault and the log that came of it."""

    events: EventStore
    vault: Vault
    log: Callable[[], "asyncio.Future[Sequence[Recorded]]"]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.system)])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    """An empty ledger of each kind."""
    if request.param == "memory":
        ledger = MemoryLedger(lambda: NOON)

        async def whole() -> Sequence[Recorded]:
            return ledger.recorded

        yield Stores(ledger, ledger, whole)  # type: ignore[arg-type]  # an async function gives an awaitable
        return
    url = request.getfixturevalue("ledger_url")
    async with AsyncExitStack() as stack:
        pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(url, open=False, kwargs={"autocommit": True})
        await stack.enter_async_context(pool)
        wakeups = Wakeups(lambda: AsyncConnection.connect(url, autocommit=True))
        wakeups.start()
        stack.push_async_callback(wakeups.stop)
        writer = GroupCommit(lambda: AsyncConnection.connect(url, autocommit=True), lambda _: wakeups.ring(EVENTS))
        writer.start()
        stack.push_async_callback(writer.stop)
        log = DirectLog(pool, wakeups)

        async def read() -> Sequence[Recorded]:
            records: list[LogRecord] = []
            reached = dict.fromkeys(await log.ends(), 0)
            while (page := await log.read(reached, 7)).records:
                records += page.records
                reached = dict(page.reached)
            return [recorded(each) for each in records]

        yield Stores(PostgresEventStore(pool, writer, 12), PostgresVault(pool), read)  # type: ignore[arg-type]


def context(key: str | None = None, fingerprint: bytes = b"f") -> CommandContext:
    """A command's context: known again by its key, or by nothing."""
    id = uuid5(ACCOUNT, key) if key else uuid4()
    actor = Actor("p-anna", Role.BILLING_ADMIN)
    return CommandContext(id, actor, NOON, id, id, None, key, fingerprint if key else None)


def started(id: UUID | None = None, number: str = "S-1") -> Subscription:
    """A subscription that is not stored yet."""
    return Subscription(
        id=id or uuid4(),
        account_id=ACCOUNT,
        number=number,
        product="goto_meeting",
        seats=10,
        unit_price=22800,
        currency="EUR",
        term=TERM,
        timestamp=NOON,
    )


def sealed(vault: Vault, version: int = 1) -> SealedRecord:
    """A contact ready to be appended."""
    contact = Contact(name="Jonas Keller", email="jonas@lindner.example")
    return vault.seal(UUID(int=9), version, ACCOUNT, contact)


async def loaded(stores: Stores, id: UUID) -> Subscription:
    """The subscription as the store has it."""
    return (await stores.events.load(id)).require(Subscription, id)


def _plain(aggregate: LedgerAggregate) -> dict[str, object]:
    return {name: value for name, value in vars(aggregate).items() if name != "_pending_events"}


async def test_what_was_appended_is_loaded_as_it_was(stores: Stores) -> None:
    subscription = started()
    subscription.request_seats(uuid4(), uuid4(), 2, NOON)
    outcome = await stores.events.append(subscription, context=context())
    assert (outcome.kind, outcome.id, outcome.version) == ("Subscription", subscription.id, 2)
    assert _plain(await loaded(stores, subscription.id)) == _plain(subscription)


async def test_an_empty_stream_is_nobody(stores: Stores) -> None:
    streams = await stores.events.load(UUID(int=1))
    assert streams.find(Subscription, UUID(int=1)) is None
    assert streams.done is None
    with pytest.raises(NotFound):
        streams.require(Subscription, UUID(int=1))


async def test_the_version_and_the_account_of_a_stream_are_known_without_reading_it(stores: Stores) -> None:
    subscription = started()
    subscription.request_seats(uuid4(), uuid4(), 2, NOON)
    await stores.events.append(subscription, context=context())
    assert await stores.events.version_of(subscription.id) == 2
    assert await stores.events.version_of(UUID(int=1)) == 0
    assert await stores.events.account_of(subscription.id) == ACCOUNT
    assert await stores.events.account_of(UUID(int=1)) is None


async def test_who_decided_on_an_old_version_is_in_conflict_and_nothing_is_stored(stores: Stores) -> None:
    subscription = started()
    await stores.events.append(subscription, context=context())
    first, second = await loaded(stores, subscription.id), await loaded(stores, subscription.id)
    for each in (first, second):
        each.request_seats(uuid4(), uuid4(), 1, NOON)
    other = started()
    await stores.events.append(first, context=context())
    with pytest.raises(VersionConflict):
        await stores.events.append(other, second, context=context(), vault=[sealed(stores.vault)])
    assert await stores.events.version_of(other.id) == 0
    assert await stores.vault.read([sealed(stores.vault).reference]) == {}


async def test_a_stream_named_as_unchanged_must_be_unchanged(stores: Stores) -> None:
    read = started()
    await stores.events.append(read, context=context())
    stale, changed = await loaded(stores, read.id), await loaded(stores, read.id)
    changed.request_seats(uuid4(), uuid4(), 1, NOON)
    await stores.events.append(changed, context=context())
    with pytest.raises(VersionConflict):
        await stores.events.append(started(), context=context(), unchanged=[stale])
    await stores.events.append(started(), context=context(), unchanged=[changed])


async def test_a_stream_named_as_still_empty_must_be_empty(stores: Stores) -> None:
    begun = started()
    await stores.events.append(started(), context=context(), unchanged=[begun.id])
    await stores.events.append(begun, context=context())
    with pytest.raises(VersionConflict):
        await stores.events.append(started(), context=context(), unchanged=[begun.id])


async def test_the_same_stream_can_begin_only_once(stores: Stores) -> None:
    subscription = started()
    await stores.events.append(subscription, context=context())
    with pytest.raises(VersionConflict):
        await stores.events.append(started(subscription.id), context=context())


async def test_a_hundred_writers_of_one_stream_lose_nothing(stores: Stores) -> None:
    subscription = started()
    await stores.events.append(subscription, context=context())

    async def request() -> None:
        while True:
            mine = await loaded(stores, subscription.id)
            mine.request_seats(uuid4(), uuid4(), 1, NOON)
            try:
                await stores.events.append(mine, context=context())
            except VersionConflict:
                continue
            return

    await asyncio.gather(*(request() for _ in range(20)))
    assert await stores.events.version_of(subscription.id) == 21


async def test_a_failed_append_does_not_fail_its_neighbours(stores: Stores) -> None:
    there = started()
    await stores.events.append(there, context=context())
    appends = [
        stores.events.append(started(there.id) if number % 3 == 0 else started(), context=context())
        for number in range(60)
    ]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [isinstance(each, VersionConflict) for each in results] == [number % 3 == 0 for number in range(60)]


async def test_the_log_has_every_event_once_in_the_order_of_its_positions(stores: Stores) -> None:
    subscriptions = [started() for _ in range(30)]
    await asyncio.gather(*(stores.events.append(each, context=context()) for each in subscriptions))
    log = await stores.log()
    assert [each.position for each in log] == list(range(1, 31))
    assert {each.event.originator_id for each in log} == {each.id for each in subscriptions}
    assert len({each.event_id for each in log}) == 30
    assert [each.previous for each in log] == [0, *range(1, 30)], "one account, one partition"
    assert sorted(each.recorded_at for each in log) == [each.recorded_at for each in log]


async def test_the_envelope_is_stored_with_the_event(stores: Stores) -> None:
    command = replace(context("key-1"), on_behalf_of="p-chef", causation_id=UUID(int=7), correlation_id=UUID(int=8))
    subscription = started()
    await stores.events.append(subscription, context=command)
    (event,) = await stores.log()
    assert event.actor == Actor("p-anna", Role.BILLING_ADMIN)
    assert (event.on_behalf_of, event.causation_id, event.correlation_id) == ("p-chef", UUID(int=7), UUID(int=8))
    assert (event.idempotency_key, event.account_id) == ("key-1", ACCOUNT)
    assert event.event_id == uuid5(command.command_id, "event:0")
    assert topic_of(event.event) == "SubscriptionStarted.v1"


async def test_a_command_that_was_done_is_known_by_its_key(stores: Stores) -> None:
    subscription = started()
    outcome = await stores.events.append(subscription, context=context("once"))
    assert (await stores.events.load(subscription.id, context=context("once"))).done == outcome
    assert (await stores.events.load(context=context("once"))).done == outcome
    assert (await stores.events.load(context=context("twice"))).done is None
    with pytest.raises(IdempotencyKeyReused):
        await stores.events.load(context=context("once", b"another body"))


async def test_a_command_done_before_is_not_done_again_on_other_streams(stores: Stores) -> None:
    await stores.events.append(started(), context=context("once"))
    other = started()
    with pytest.raises(VersionConflict):
        await stores.events.append(other, context=context("once"))
    assert await stores.events.version_of(other.id) == 0


async def test_nothing_to_record_is_stored_as_nothing(stores: Stores) -> None:
    subscription = started()
    await stores.events.append(subscription, context=context())
    outcome = await stores.events.append(await loaded(stores, subscription.id), context=context())
    assert (outcome.version, outcome.position.position) == (1, 0)
    assert len(await stores.log()) == 1


async def test_an_event_larger_than_the_log_carries_is_refused(stores: Stores) -> None:
    with pytest.raises(AppendTooLarge):
        await stores.events.append(started(number="S" * 300_000), context=context())
    assert await stores.log() == [] or not await stores.log()


async def test_vault_records_come_with_their_append_and_prove_their_reference(stores: Stores) -> None:
    record = sealed(stores.vault)
    await stores.events.append(started(), context=context(), vault=[record])
    found = await stores.vault.read([record.reference])
    assert found == {record.reference: Contact(name="Jonas Keller", email="jonas@lindner.example")}
    forged = replace(record.reference, digest="0" * 64)
    with pytest.raises(ValueError, match="does not match its digest"):
        await stores.vault.read([forged])
    assert await stores.vault.read([replace(record.reference, version=2)]) == {}


async def test_the_same_data_sealed_twice_has_two_digests(stores: Stores) -> None:
    order = PurchaseOrder(number="PO-1")
    first, second = (stores.vault.seal(UUID(int=1), 1, ACCOUNT, order) for _ in range(2))
    assert first.reference.digest != second.reference.digest
    assert first.canonical == second.canonical
