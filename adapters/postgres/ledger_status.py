"""How far log, projections, to-do lists and orders are, and what happened last."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

from adapters.postgres.homes import Homes
from adapters.postgres.projection_status import checkpoints_of

_HEAD = "SELECT COALESCE(max(notification_id), 0) FROM ledger.events"
_PARKED = """
SELECT projection, count(DISTINCT account_id) FROM projecting.parked WHERE projection = ANY(%s) GROUP BY projection
"""
_TODO = """
SELECT (SELECT count(*) FROM fulfilment_todo.entries), (SELECT count(*) FROM receipts_todo.entries),
       (SELECT count(*) FROM notices_todo.entries), (SELECT count(*) FROM timers.entries)
"""
_CARE = "SELECT count(*) FROM care.entries"
_ORDERS = "SELECT state, count(*) FROM portal.orders GROUP BY state ORDER BY state"
_LATEST = """
SELECT notification_id, recorded_at, split_part(topic, '.', 1), originator_id, originator_version, account_id,
       NULL, actor_role
FROM ledger.events ORDER BY notification_id DESC LIMIT %s
"""
_NUMBERS = "SELECT account_id, number FROM portal.accounts WHERE account_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """How far a projection is behind, in events, and in how many partitions a worker keeps it up.

    `accounts_parked` are those that it has stopped at an event that it could not take.
    """

    name: str
    partitions_held: int
    events_behind: int
    accounts_parked: int


@dataclass(frozen=True, slots=True)
class LedgerStatus:
    """One look at the ledger."""

    position: int
    projections: list[ProjectionStatus]
    orders_to_fulfil: int
    receipts_to_send: int
    notices_to_send: int
    timers: int
    care: int
    orders: dict[str, int]

    @property
    def healthy(self) -> bool:
        """Whether every projection is either up to date or being worked on, and has nothing parked."""
        return not self.stands_still and not self.parked

    @property
    def stands_still(self) -> bool:
        """Whether some projection is behind and nobody works on it."""
        return any(each.events_behind and not each.partitions_held for each in self.projections)

    @property
    def parked(self) -> bool:
        """Whether some projection has an account parked."""
        return any(each.accounts_parked for each in self.projections)


@dataclass(frozen=True, slots=True)
class LatestEvent:
    """An event's envelope; `account_number` is None for what belongs to the seller, or is not projected yet."""

    position: int
    recorded_at: datetime
    name: str
    stream_id: UUID
    version: int
    account_id: UUID
    account_number: str | None
    actor_role: str


async def look(homes: Homes[AsyncConnection]) -> LedgerStatus:
    """Read the status in one transaction of each database."""
    projections: list[ProjectionStatus] = []
    async with AsyncExitStack() as stack:
        for connection, residents in homes.residents():
            await stack.enter_async_context(connection.transaction())
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            parked: dict[str, int] = dict(
                await (await connection.execute(_PARKED, ([each.name for each in residents],))).fetchall()
            )
            for name, places in (await checkpoints_of(homes, connection, residents)).items():
                held, behind = sum(each.held for each in places), sum(each.events_behind for each in places)
                projections.append(ProjectionStatus(name, held, behind, parked.get(name, 0)))
        (position,) = await (await homes.ledger.execute(_HEAD)).fetchone() or (0,)
        fulfil, send, tell, timers = await (await homes.ledger.execute(_TODO)).fetchone() or (0, 0, 0, 0)
        (care,) = await (await homes.read_models.execute(_CARE)).fetchone() or (0,)
        orders = {str(state): int(count) async for state, count in await homes.read_models.execute(_ORDERS)}
    projections.sort(key=lambda each: each.name)
    care += sum(each.accounts_parked for each in projections)
    return LedgerStatus(position, projections, fulfil, send, tell, timers, care, orders)


async def latest_events(homes: Homes[AsyncConnection], limit: int) -> list[LatestEvent]:
    """The newest events of the log, newest first."""
    events = [LatestEvent(*row) async for row in await homes.ledger.execute(_LATEST, (limit,))]
    accounts = [event.account_id for event in events]
    numbers: dict[UUID, str] = dict(await (await homes.read_models.execute(_NUMBERS, (accounts,))).fetchall())
    return [replace(event, account_number=numbers.get(event.account_id)) for event in events]
