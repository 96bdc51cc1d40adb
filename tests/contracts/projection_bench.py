"""A ledger's database with what is needed to project it, to rebuild, and to poison it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.event_mapping import recorded
from adapters.log.direct import DirectLog
from adapters.log.event_log import EventLog
from adapters.log.kafka_access import KafkaAccess
from adapters.log.kafka_reader import KafkaLog
from adapters.log.kafka_relay import KafkaRelay
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.projecting import ProjectionWorker
from adapters.postgres.publishing import Publication
from adapters.postgres.row_store import RowStore
from adapters.postgres.wakeups import EVENTS, Wakeups
from domain.envelope import Actor, Role
from domain.pricing import Term
from domain.subscription import Subscription
from projections.fold import Projection, RowKey
from projections.portal import portal
from services.ports import CommandContext

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
TERM = Term(date(2026, 1, 1), date(2027, 1, 1))
KNOWN, UNKNOWN = "SubscriptionStarted.v1", "SeatsTeleported.v1"
SUBSCRIPTIONS = "SELECT count(*) FROM portal.subscriptions"


def account(number: int) -> UUID:
    """One of the accounts that subscriptions are started for, from 0."""
    return UUID(int=number << 100)


def context() -> CommandContext:
    """A command of its own."""
    return CommandContext(uuid4(), Actor("p", Role.OPERATOR), NOON, uuid4(), uuid4())


def started(number: str, of: UUID) -> Subscription:
    """A subscription not yet stored."""
    return Subscription(
        id=uuid4(),
        account_id=of,
        number=number,
        product="goto_meeting",
        seats=10,
        unit_price=1,
        currency="EUR",
        term=TERM,
        timestamp=NOON,
    )


@dataclass
class Bench:
    """A ledger's database with what is needed to project it."""

    url: str
    pool: AsyncConnectionPool[AsyncConnection]
    wakeups: Wakeups
    events: PostgresEventStore
    access: KafkaAccess | None = None
    relay: KafkaRelay | None = None

    @property
    def publication(self) -> Publication:
        """What the store knows of its log in Kafka."""
        return Publication(self.pool)

    def log(self) -> EventLog:
        """A reader of its own: of the store, or of Kafka where this bench has it."""
        if self.access is None:
            return DirectLog(self.pool, self.wakeups)
        return KafkaLog(self.access, "test", 12, self.publication)

    def direct(self) -> DirectLog:
        """A reader of the store."""
        return DirectLog(self.pool, self.wakeups)

    def relay_of(self, owner: str, lease_seconds: float = 5.0, chunk_events: int = 2000) -> KafkaRelay:
        """A relay that is not started."""
        assert self.access is not None
        return KafkaRelay(
            self.access,
            "test",
            12,
            self.publication,
            self.wakeups,
            owner,
            lease_seconds=lease_seconds,
            chunk_events=chunk_events,
        )

    async def published(self) -> None:
        """Wait, at most 30 s, until all that the store has is on the log, if that is Kafka."""
        if self.access is None:
            return
        async with asyncio.timeout(30):
            while (state := await self.publication.state()).log_identity is None or state.events_behind:
                await asyncio.sleep(0.01)

    def worker(
        self, owner: str, projection: Projection = portal, lease_seconds: float = 5.0, log: EventLog | None = None
    ) -> ProjectionWorker:
        """A worker with a small page."""
        log = log or self.log()
        return ProjectionWorker(
            projection, log, self.pool, self.wakeups, owner, page_size=7, lease_seconds=lease_seconds
        )

    async def schedule_end(self) -> None:
        """A subscription whose end is on the list of timers."""
        subscription = started("S-0", account(0))
        subscription.schedule_cancellation("not needed", at=NOON)
        await self.events.append(subscription, context=context())

    async def start_subscriptions(self, count: int, accounts: int = 5) -> None:
        """Events of several accounts in turn: position 1 is of the first account in an empty log."""
        for number in range(count):
            await self.events.append(started(f"S-{number}", account(number % accounts)), context=context())

    def as_owner(self, statement: str, *parameters: object) -> None:
        """Do what the application has no right to."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            connection.execute(statement.encode(), parameters)

    @property
    def owner_url(self) -> str:
        """The database as a role that may change everything in it."""
        return self.url.replace("seatledger_app@", "postgres@", 1)

    def poison(self, *positions: int) -> None:
        """Give events a name that no version knows."""
        self.as_owner("UPDATE ledger.events SET topic = %s WHERE notification_id = ANY(%s)", UNKNOWN, [*positions])

    def mend(self, *positions: int) -> None:
        """Give them their name back, in the log and where they are parked."""
        for table, position in (("ledger.events", "notification_id"), ("projecting.parked", "position")):
            self.as_owner(f"UPDATE {table} SET topic = %s WHERE {position} = ANY(%s)", KNOWN, [*positions])

    async def folded(self, worker: ProjectionWorker) -> None:
        """Work until the log's end, and stop."""
        ends = await DirectLog(self.pool, self.wakeups).ends()
        await worker.read_until(dict.fromkeys(ends, max(ends.values())), lambda _: None)
        await worker.stop()

    async def differences(self, projection: Projection = portal) -> list[RowKey]:
        """The rows that differ from those of a fold in memory of all the log, or are there or not against it."""
        ends = await DirectLog(self.pool, self.wakeups).ends()
        page = await DirectLog(self.pool, self.wakeups).read(dict.fromkeys(ends, 0), 100_000)
        expected: dict[RowKey, object] = {}
        for record in page.records:
            projection.apply(expected, recorded(record))
        different: list[RowKey] = []
        async with self.pool.connection() as connection:
            for table in projection.tables.values():
                rows = RowStore(projection.name, table)
                keys = await connection.execute(f"SELECT {table.key} FROM {projection.name}.{table.name}".encode())
                found = await rows.load(connection, [key for (key,) in await keys.fetchall()])
                wanted = {each.key: row for each, row in expected.items() if each.table == table.name and row}
                different += [RowKey(table.name, key) for key in found | wanted if found.get(key) != wanted.get(key)]
        return different

    async def count(self, query: str) -> int:
        """The only value of a query."""
        async with self.pool.connection() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None
        return int(row[0])

    async def until(self, query: str, expected: int) -> None:
        """Wait, at most 10 s, for a query to give a value."""
        async with asyncio.timeout(10):
            while await self.count(query) != expected:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened_bench(ledger_url: str, access: KafkaAccess | None = None) -> AsyncIterator[Bench]:
    """An empty ledger, open; its log is the store itself, or a topic that is being published to."""
    async with AsyncExitStack() as stack:
        pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
            ledger_url, open=False, kwargs={"autocommit": True}
        )
        await stack.enter_async_context(pool)
        wakeups = Wakeups(lambda: AsyncConnection.connect(ledger_url, autocommit=True))
        wakeups.start()
        stack.push_async_callback(wakeups.stop)
        writer = GroupCommit(
            lambda: AsyncConnection.connect(ledger_url, autocommit=True), lambda _: wakeups.ring(EVENTS)
        )
        writer.start()
        stack.push_async_callback(writer.stop)
        bench = Bench(ledger_url, pool, wakeups, PostgresEventStore(pool, writer, 12), access)
        if access:
            bench.relay = bench.relay_of("relay")
            bench.relay.start()
            stack.push_async_callback(bench.relay.stop)
        yield bench
