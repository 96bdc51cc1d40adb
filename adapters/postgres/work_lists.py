"""To-do lists with claims: the entry is a projection's, who works on it is a row beside it with a fencing token."""

from collections.abc import Sequence
from typing import Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool

from adapters.log.event_log import EventLog
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.wakeups import READ_MODELS, Wakeups
from services.ports import Claim, Clock

# SKIP LOCKED lets workers that look at the same moment take different entries; the WHERE of the upsert is what makes
# the claim exclusive, since an entry's first claim has no row to lock.
_CLAIM: Final[LiteralString] = """
WITH free AS (
    SELECT entry.* FROM {entries} AS entry
    WHERE (entry.due_at IS NULL OR entry.due_at <= %(now)s::timestamptz) AND NOT EXISTS (
        SELECT FROM ledger.work_claims AS held
        WHERE held.list = %(list)s AND held.entry_id = entry.entry_id AND held.expires_at > clock_timestamp())
    ORDER BY entry.position LIMIT %(limit)s FOR UPDATE OF entry SKIP LOCKED
), claimed AS (
    INSERT INTO ledger.work_claims AS claim (list, entry_id, owner, token, expires_at, tries)
    SELECT %(list)s, entry_id, %(owner)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s), 1 FROM free
    ON CONFLICT (list, entry_id) DO UPDATE
        SET owner = EXCLUDED.owner, token = claim.token + 1, expires_at = EXCLUDED.expires_at, tries = claim.tries + 1
        WHERE claim.expires_at <= clock_timestamp()
    RETURNING entry_id, token, tries
)
SELECT free.entry_id, free.subject_id, free.account_id, free.correlation_id, free.causation_id, claimed.token,
       claimed.tries, free.work
FROM claimed JOIN free USING (entry_id) ORDER BY free.position
"""

_KEEP: Final[LiteralString] = """
UPDATE ledger.work_claims SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE list = %(list)s AND entry_id = %(entry)s AND token = %(token)s
"""

# Nobody works on an entry that rests: without an owner, its pause is nobody's to lose, and an operator may end it.
_RELEASE: Final[LiteralString] = """
UPDATE ledger.work_claims SET owner = '', expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE list = %(list)s AND entry_id = %(entry)s AND token = %(token)s
"""

_REACHED: Final = "SELECT partition, position FROM projecting.checkpoints WHERE projection = %s"

# A claim whose entry has left the list is of no more use; one whose entry is still there keeps its token.
_SWEEP: Final[LiteralString] = """
DELETE FROM ledger.work_claims WHERE (list, entry_id) IN (
    SELECT list, entry_id FROM ledger.work_claims AS claim
    WHERE list = %(list)s AND expires_at < clock_timestamp() - interval '1 minute'
      AND NOT EXISTS (SELECT FROM {entries} AS entry WHERE entry.entry_id = claim.entry_id)
    LIMIT %(limit)s FOR UPDATE OF claim SKIP LOCKED)
"""

SWEPT_AT_ONCE: Final = 1_000
"""So that a sweep is short however long there was none."""


class PostgresWorkList:
    """services.ports.WorkList over the `entries` table of a to-do projection."""

    def __init__(
        self,
        name: str,
        pool: AsyncConnectionPool[AsyncConnection],
        log: EventLog,
        wakeups: Wakeups,
        clock: Clock | None = None,
    ) -> None:
        """`name` is the projection's, `log` what it is built from; `clock` tells which of a list's timers are due."""
        self._name, self._pool, self._log, self._wakeups, self._clock = name, pool, log, wakeups, clock
        self._seen = 0
        entries = sql.Identifier(name, "entries")
        self._claim = sql.SQL(_CLAIM).format(entries=entries)
        self._sweep = sql.SQL(_SWEEP).format(entries=entries)

    async def claim(self, owner: str, limit: int, lease_seconds: float) -> Sequence[Claim]:
        """See services.ports.WorkList."""
        self._seen = self._wakeups.count(READ_MODELS, self._name)
        now = await self._clock.now() if self._clock else None
        parameters = {"list": self._name, "owner": owner, "limit": limit, "seconds": lease_seconds, "now": now}
        async with (
            reporting_unavailability(),
            self._pool.connection() as connection,
            connection.cursor(row_factory=args_row(Claim)) as cursor,
        ):
            await cursor.execute(self._claim, parameters, prepare=True)
            return await cursor.fetchall()

    async def keep(self, claim: Claim, lease_seconds: float) -> bool:
        """See services.ports.WorkList."""
        return await self._until(_KEEP, claim, lease_seconds)

    async def _until(self, statement: LiteralString, claim: Claim, seconds: float) -> bool:
        parameters = {"list": self._name, "entry": claim.entry_id, "token": claim.token, "seconds": seconds}
        async with reporting_unavailability(), self._pool.connection() as connection:
            return (await connection.execute(statement, parameters, prepare=True)).rowcount == 1

    async def release(self, claim: Claim, pause_seconds: float) -> None:
        """See services.ports.WorkList."""
        await self._until(_RELEASE, claim, pause_seconds)

    async def caught_up(self) -> None:
        """See services.ports.WorkList."""
        ends = dict(await self._log.ends())
        while True:
            seen = self._wakeups.count(READ_MODELS, self._name)
            async with reporting_unavailability(), self._pool.connection() as connection:
                reached: dict[int, int] = dict(await (await connection.execute(_REACHED, (self._name,))).fetchall())
            if all(reached.get(partition, 0) >= position for partition, position in ends.items()):
                return
            await self._wakeups.wait(READ_MODELS, seen, 1.0, self._name)

    async def wait(self, poll_seconds: float) -> None:
        """See services.ports.WorkList."""
        await self._wakeups.wait(READ_MODELS, self._seen, poll_seconds, self._name)

    async def sweep(self) -> None:
        """See services.ports.WorkList. A claim stays for a minute after its end."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.execute(self._sweep, {"list": self._name, "limit": SWEPT_AT_ONCE})
