"""Builds a read model anew beside the live one, compares the two, and puts the new one in its place."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool

from adapters.log.event_log import EventLog, same_positions
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.comparing import Comparison, compared
from adapters.postgres.projecting import LeaseLost, ProjectionWorker
from adapters.postgres.read_model_tables import dropped, made
from adapters.postgres.rebuild_lock import alone
from adapters.postgres.views import viewed
from adapters.postgres.wakeups import READ_MODELS, Wakeups
from projections.fold import Projection
from services.background import ended

_PAGE: Final = 2_000
WORKERS: Final = 2
"""One folds while PostgreSQL writes what the other one folded; a third would only wait."""

_FENCE_SECONDS: Final = 30.0

_LIVE: Final = """
SELECT partition, position, log_identity FROM projecting.checkpoints WHERE projection = %s
"""

# The live workers lose their leases. Their leases' epochs are over, so that what they have under way is not written.
_FENCE: Final = """
UPDATE projecting.checkpoints SET owner = %s, epoch = epoch + 1,
       expires_at = clock_timestamp() + make_interval(secs => %s)
WHERE projection = %s RETURNING partition, epoch, position
"""

_STILL_FENCED: Final = """
SELECT count(*) FROM (
    SELECT FROM projecting.checkpoints AS c JOIN unnest(%s::int2[], %s::int8[]) AS mine (partition, epoch)
    USING (partition, epoch) WHERE c.projection = %s FOR UPDATE OF c
) AS held
"""

_PARKED: Final = """
SELECT count(DISTINCT account_id), count(DISTINCT account_id) FILTER (WHERE account_id NOT IN (
    SELECT account_id FROM projecting.parked WHERE projection = %(live)s))
FROM projecting.parked WHERE projection = %(beside)s
"""

_MOVE_OVER: Final = """
UPDATE projecting.checkpoints AS live
SET position = beside.position, log_identity = beside.log_identity, epoch = live.epoch + 1, owner = NULL,
    expires_at = '-infinity'
FROM projecting.checkpoints AS beside
WHERE live.projection = %(live)s AND beside.projection = %(beside)s AND beside.partition = live.partition
"""

# Progress of a projection that had no live tables before.
_FIRST: Final = """
INSERT INTO projecting.checkpoints (projection, partition, log_identity)
SELECT %(live)s, partition, log_identity FROM projecting.checkpoints WHERE projection = %(beside)s
ON CONFLICT DO NOTHING
"""


class RebuildRefused(Exception):
    """It can't be rebuilt by this program or this role; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is: positions read, of how many."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it. No comparison: the live one was missing, of another version or built from another log."""

    projection: str
    version_before: int | None
    version: int
    events: int
    comparison: Comparison | None
    accounts_parked: int


class Rebuild:
    """One rebuild of one projection. Until the swap commits, nothing of the live one is touched."""

    def __init__(
        self,
        projection: Projection,
        log_for: Callable[[], EventLog],
        pool: AsyncConnectionPool[AsyncConnection],
        owner_connect: Callable[[], Any],
        told: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """`log_for` opens the log once for each who reads; `pool` is the application's.

        `owner_connect` opens an autocommit connection that may make schemas.
        """
        self._projection, self._pool, self._connect, self._told = projection, pool, owner_connect, told
        self._logs = [log_for() for _ in range(WORKERS)]
        self._live, self._beside = projection.name, f"{projection.name}_v{projection.version}"
        self._old = f"{projection.name}_old"
        self._owner_name = f"rebuild:{uuid4()}"
        silent = Wakeups(owner_connect)  # nobody waits for tables beside the live ones
        self._workers = [
            ProjectionWorker(
                projection,
                log,
                pool,
                silent,
                f"{self._owner_name}:{share}",
                page_size=_PAGE,
                name=self._beside,
                share=(share, WORKERS),
            )
            for share, log in enumerate(self._logs)
        ]
        self._events = 0

    async def rebuild(self, *, even_if_parked: bool = False) -> Rebuilt:
        """Build, compare, swap. Raises RebuildRunning, RebuildRefused, LeaseLost; then the live one is as it was.

        `even_if_parked`: also when accounts would be parked that the live one has whole.
        """
        async with self._beside_made() as (owner, before):
            comparison = await self._compared(before)
            await self._caught_up(await self._comparable(before))
            parked, parked_anew = await self._parked()
            if parked_anew and not even_if_parked:
                message = (
                    f"{parked_anew} accounts would be parked that {self._live} has whole, see the errors above; nothing"
                    " was changed. To go on all the same: --even-if-parked"
                )
                raise RebuildRefused(message)
            await self._swapped(owner, await self._comparable(before))
        return Rebuilt(self._live, before, self._projection.version, self._events, comparison, parked)

    async def compare(self) -> Rebuilt:
        """Build, compare, and drop what was built. Raises as `rebuild`."""
        async with self._beside_made() as (_, before):
            comparison = await self._compared(before)
            parked, _ = await self._parked()
        return Rebuilt(self._live, before, self._projection.version, self._events, comparison, parked)

    async def _parked(self) -> tuple[int, int]:
        """Accounts that the new one has parked, and those of them that the live one has not."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_PARKED, {"live": self._live, "beside": self._beside})).fetchone()
        assert row is not None
        return row[0], row[1]

    @asynccontextmanager
    async def _beside_made(self) -> AsyncIterator[tuple[AsyncConnection, int | None]]:
        """Empty tables beside the live ones, which are gone after the block, whatever became of it."""
        async with reporting_unavailability(), await self._connect() as owner, alone(owner, self._live):
            versions = dict(
                await (await owner.execute("SELECT projection, version FROM projecting.read_models")).fetchall()
            )
            before: int | None = versions.get(self._live)
            if before is not None and before > self._projection.version:
                message = f"{self._live} is of version {before}, newer than this program's: update the program"
                raise RebuildRefused(message)
            await self._dropped(owner)  # what one that was killed has left
            try:
                async with owner.transaction():
                    await owner.execute(made(self._projection, self._beside))
            except psycopg.errors.InsufficientPrivilege:
                message = "this role may not make schemas: set DATABASE_OWNER_URL to the one that runs migrate"
                raise RebuildRefused(message) from None
            try:
                yield owner, before
            finally:
                for log in self._logs:
                    await log.close()
                if not owner.closed:
                    await self._dropped(owner)

    async def _dropped(self, owner: AsyncConnection) -> None:
        """Drop every schema beside the live one. A reader of the old tables may hold them a moment longer."""
        ours = re.compile(rf"{re.escape(self._live)}_(v\d+|old)")
        found = await owner.execute(
            "SELECT nspname::text FROM pg_namespace UNION SELECT projection FROM projecting.read_models"
        )
        names = [name for (name,) in await found.fetchall()]
        for name in filter(ours.fullmatch, names):
            await self._drop(owner, name)

    async def _drop(self, owner: AsyncConnection, name: str) -> None:
        for _ in range(100):
            try:
                async with owner.transaction():
                    # Less than deadlock_timeout: it is this side that gives way, never a reader.
                    await owner.execute("SET LOCAL lock_timeout = '300ms'")
                    if name == self._old:
                        await self._views_moved_over(owner)
                    await owner.execute(dropped(name))
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                await asyncio.sleep(0.1)
            else:
                return
        message = f"somebody holds the tables of {name} for long; they are dropped with the next rebuild"
        raise RebuildRefused(message)

    async def _views_moved_over(self, owner: AsyncConnection) -> None:
        """Have the views look at the live tables, which until now they did not: who reads a report holds up no swap."""
        row = await owner.execute("SELECT version FROM projecting.read_models WHERE projection = %s", (self._live,))
        if await row.fetchone() == (self._projection.version,):
            await owner.execute(viewed(self._live))

    async def _live_positions(self, connection: AsyncConnection) -> dict[int, tuple[int, str]]:
        rows = await (await connection.execute(_LIVE, (self._live,))).fetchall()
        return {partition: (position, identity) for partition, position, identity in rows}

    async def _comparable(self, before: int | None) -> bool:
        """Whether the live one is of the same version and log, so that both must be the same at the same positions."""
        async with self._pool.connection() as connection:
            live = await self._live_positions(connection)
        identity = await self._logs[0].identity()
        head = await self._logs[0].head()  # past it is what the store no longer has
        same_log = bool(live) and all(same_positions(log, identity) and at <= head for at, log in live.values())
        return before == self._projection.version and same_log

    async def _targets(self, *, as_live: bool) -> Mapping[int, int]:
        """Where to read to: exactly where the live one is, or to the log's end where the two can't be compared."""
        if not as_live:
            return await self._logs[0].ends()
        async with self._pool.connection() as connection:
            return {partition: each for partition, (each, _) in (await self._live_positions(connection)).items()}

    async def _caught_up(self, as_live: bool) -> None:  # noqa: FBT001 -- a fact, not an option
        """Read until what is left is less than a page: the live one goes on meanwhile."""
        while True:
            target = await self._targets(as_live=as_live)
            if await self._read(target, "reading events") < _PAGE:
                return

    async def _read(self, target: Mapping[int, int], stage: str) -> int:
        total = max(target.values())
        reached = {each % WORKERS: 0 for each in target}

        def told(share: int, position: int) -> None:
            reached[share] = position
            self._told(Progress(stage, min(total, *reached.values()), total))

        reading = [
            asyncio.create_task(self._workers[share].read_until(target, partial(told, share))) for share in reached
        ]
        try:
            await asyncio.wait(reading, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await ended(*reading)
        events = sum(task.result() for task in reading)
        self._events += events
        return events

    async def _compared(self, before: int | None) -> Comparison | None:
        """Both at the positions of one snapshot of the live one, which goes on meanwhile."""
        as_live = await self._comparable(before)
        await self._caught_up(as_live)
        if not as_live:
            return None
        async with self._pool.connection() as live, live.transaction():
            await live.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            positions = {partition: each for partition, (each, _) in (await self._live_positions(live)).items()}
            await self._read(positions, "reading events")
            self._told(Progress("comparing rows", max(positions.values()), max(positions.values())))
            async with self._pool.connection() as rebuilt:
                return await compared(self._projection, live, rebuilt, self._beside)

    async def _swapped(self, owner: AsyncConnection, as_live: bool) -> None:  # noqa: FBT001 -- a fact, not an option
        """Hold the live workers up for the last few events, and exchange the names in one transaction.

        Renaming takes no lock on a table, so no reader waits or fails: whoever began with the old tables ends with
        them. The workers find their leases taken, take new ones and go on with the new tables.
        """
        for table in self._projection.tables:  # or the first queries are planned as if they were empty
            await owner.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(self._beside, table)))
        fence = await self._fenced(owner)
        if as_live:
            target: Mapping[int, int] = {partition: position for partition, (_, position) in fence.items()}
        else:
            target = await self._logs[0].ends()
        await self._read(target, "last events")
        names = {"live": self._live, "beside": self._beside}
        async with owner.transaction():
            held = await owner.execute(_STILL_FENCED, (list(fence), [epoch for epoch, _ in fence.values()], self._live))
            if await held.fetchone() != (len(fence),):
                raise LeaseLost(self._live)
            await owner.execute(_FIRST, names)
            await owner.execute(_MOVE_OVER, names)
            await self._renamed(owner)
            await owner.execute("SELECT pg_notify(%s, '')", (READ_MODELS,))

    async def _fenced(self, owner: AsyncConnection) -> dict[int, tuple[int, int]]:
        """Take every lease of the live one; returns epoch and position of each partition."""
        rows = await owner.execute(_FENCE, (self._owner_name, _FENCE_SECONDS, self._live))
        return {partition: (epoch, position) for partition, epoch, position in await rows.fetchall()}

    async def _renamed(self, owner: AsyncConnection) -> None:
        rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
        live, beside, old = map(sql.Identifier, (self._live, self._beside, self._old))
        found = await owner.execute("SELECT FROM pg_namespace WHERE nspname = %s", (self._live,))
        if found.rowcount:
            await owner.execute(rename.format(live, old))
        await owner.execute(rename.format(beside, live))
        if not found.rowcount:  # nobody reads views that were not there
            await owner.execute(viewed(self._live))
        names = {"live": self._live, "beside": self._beside}
        for table in ("parked", "read_models"):
            name = sql.Identifier("projecting", table)
            await owner.execute(sql.SQL("DELETE FROM {} WHERE projection = %(live)s").format(name), names)
            await owner.execute(
                sql.SQL("UPDATE {} SET projection = %(live)s WHERE projection = %(beside)s").format(name), names
            )
        await owner.execute("DELETE FROM projecting.checkpoints WHERE projection = %(beside)s", names)
