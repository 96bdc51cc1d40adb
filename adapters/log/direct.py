"""The event log read straight from the store: its own order, woken after each commit."""

from collections.abc import Collection, Mapping
from typing import Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.log.event_log import LogRecord, Page
from adapters.postgres.arrays import array_of
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.wakeups import EVENTS, Wakeups

# One scan in the order of the log for all partitions: they are mostly at the same place. The head is of the same
# snapshot, and commit order is id order, so a page that is not full has read all partitions up to the head.
_READ: Final = """
SELECT head.position, e.notification_id, e.partition, e.originator_id, e.originator_version, e.topic,
       e.state, e.event_id, e.account_id, e.recorded_at, e.effective_at, e.actor_id, e.actor_role, e.on_behalf_of,
       e.correlation_id, e.causation_id, e.idempotency_key
FROM (SELECT COALESCE(max(notification_id), 0) AS position FROM ledger.events) AS head
LEFT JOIN (
    ledger.events e
    JOIN unnest(%(partitions)s::int2[], %(positions)s::int8[]) AS reader (partition, position)
      ON reader.partition = e.partition AND e.notification_id > reader.position AND e.topic <> ALL (%(without)s::text[])
) ON e.notification_id > %(least)s
ORDER BY e.notification_id LIMIT %(limit)s
"""

_ENDS: Final = """
SELECT p.partition, COALESCE((
    SELECT e.notification_id FROM ledger.events e WHERE e.partition = p.partition
    ORDER BY e.notification_id DESC LIMIT 1), 0)
FROM generate_series(0, (SELECT value::int FROM ledger.settings WHERE name = 'partitions') - 1) AS p (partition)
"""


class DirectLog:
    """EventLog over the store's own table."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], wakeups: Wakeups) -> None:
        """Read through this pool."""
        self._pool, self._wakeups = pool, wakeups
        self._seen = wakeups.count(EVENTS)

    async def identity(self) -> str:
        """See EventLog."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            cursor = await connection.execute("SELECT value FROM ledger.settings WHERE name = 'ledger_id'")
            row = await cursor.fetchone()
        assert row is not None
        return f"store:{row[0]}"

    async def ends(self) -> Mapping[int, int]:
        """See EventLog."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            cursor = await connection.execute(_ENDS)
            return dict(await cursor.fetchall())

    async def head(self) -> int:
        """See EventLog."""
        return max((await self.ends()).values())

    async def read(self, after: Mapping[int, int], limit: int, without: Collection[str] = ()) -> Page:
        """See EventLog."""
        self._seen = self._wakeups.count(EVENTS)
        if not after:
            return Page((), {})
        parameters = {
            "partitions": array_of(after),
            "positions": array_of(after.values()),
            "least": min(after.values()),
            "limit": limit,
            "without": array_of(without),
        }
        async with reporting_unavailability(), self._pool.connection() as connection:
            cursor = await connection.execute(_READ, parameters, prepare=True, binary=True)
            rows = await cursor.fetchall()
        last = dict(after)
        records = []
        for head, position, partition, *columns in rows:
            if position is None:
                return Page((), {each: max(head, seen) for each, seen in after.items()})
            records.append(LogRecord(position, partition, last[partition], *columns))
            last[partition] = position
        reached = rows[-1][1] if len(rows) == limit else rows[0][0]
        return Page(records, {partition: max(reached, seen) for partition, seen in last.items()})

    async def wait(self, poll_seconds: float) -> None:
        """See EventLog."""
        await self._wakeups.wait(EVENTS, self._seen, poll_seconds)

    async def close(self) -> None:
        """See EventLog; the pool is others', too."""
