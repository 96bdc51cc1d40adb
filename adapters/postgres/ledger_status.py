"""How far log, projections, to-do lists and orders are, and what happened last."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection

_HEAD = "SELECT COALESCE(max(notification_id), 0) FROM ledger.events"
_PROJECTIONS = """
SELECT c.projection,
       count(*) FILTER (WHERE c.expires_at > clock_timestamp()),
       COALESCE(sum((
           SELECT count(*) FROM ledger.events e
           WHERE e.partition = c.partition AND e.notification_id > c.position)), 0)::int8,
       (SELECT count(DISTINCT p.account_id) FROM projecting.parked p WHERE p.projection = c.projection)
FROM projecting.checkpoints c
WHERE c.projection !~ '_v[0-9]+$' -- one that is being rebuilt beside its live one
GROUP BY c.projection ORDER BY c.projection
"""
_TODO = """
SELECT (SELECT count(*) FROM fulfilment_todo.entries), (SELECT count(*) FROM receipts_todo.entries),
       (SELECT count(*) FROM notices_todo.entries), (SELECT count(*) FROM timers.entries),
       (SELECT count(*) FROM care.entries)
       + (SELECT count(DISTINCT (projection, account_id)) FROM projecting.parked WHERE projection !~ '_v[0-9]+$')
"""
_ORDERS = "SELECT state, count(*) FROM portal.orders GROUP BY state ORDER BY state"
_LATEST = """
SELECT e.notification_id, e.recorded_at, split_part(e.topic, '.', 1), e.originator_id, e.originator_version,
       e.account_id, a.number, e.actor_role
FROM ledger.events e LEFT JOIN portal.accounts a USING (account_id)
ORDER BY e.notification_id DESC LIMIT %s
"""


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


async def look(connection: AsyncConnection) -> LedgerStatus:
    """Read the status in one transaction."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        (position,) = await (await connection.execute(_HEAD)).fetchone() or (0,)
        projections = [ProjectionStatus(*row) async for row in await connection.execute(_PROJECTIONS)]
        fulfil, send, tell, timers, care = await (await connection.execute(_TODO)).fetchone() or (0, 0, 0, 0, 0)
        orders = {str(state): int(count) async for state, count in await connection.execute(_ORDERS)}
    return LedgerStatus(position, projections, fulfil, send, tell, timers, care, orders)


async def latest_events(connection: AsyncConnection, limit: int) -> list[LatestEvent]:
    """The newest events of the log, newest first."""
    return [LatestEvent(*row) async for row in await connection.execute(_LATEST, (limit,))]
