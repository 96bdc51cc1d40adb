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
           WHERE e.partition = c.partition AND e.notification_id > c.position)), 0)::int8
FROM projecting.checkpoints c GROUP BY c.projection ORDER BY c.projection
"""
_TODO = """
SELECT (SELECT count(*) FROM fulfilment_todo.entries), (SELECT count(*) FROM receipts_todo.entries),
       (SELECT count(*) FROM notices_todo.entries), (SELECT count(*) FROM timers.entries),
       (SELECT count(*) FROM care.entries)
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
    """How far a projection is behind, in events, and in how many partitions a worker keeps it up."""

    name: str
    partitions_held: int
    events_behind: int


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
        """Whether every projection is either up to date or being worked on."""
        return all(each.partitions_held or not each.events_behind for each in self.projections)


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
