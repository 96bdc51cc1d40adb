"""The projection engine: pages of events folded in memory and written with their checkpoint in one transaction."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.event_mapping import recorded
from adapters.log.event_log import EventLog, LogRecord, LogRefused, LogUnavailable, Page, same_positions
from adapters.postgres.arrays import array_of
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.folding import Folding, NotTaken, said
from adapters.postgres.parking import Parked, one_by_one, park, parked_accounts
from adapters.postgres.wakeups import READ_MODELS, Wakeups
from domain.envelope import Recorded
from projections.fold import Projection
from services.background import ended
from services.ports import StoreUnavailable

_log = logging.getLogger(__name__)

TRIES: Final = 5
"""How often a page is tried whose events fail, before the event that fails is parked."""

_FIRST_PAUSE: Final = 0.05  # seconds, doubled with each try: all five take less than a second, well within a lease


class LeaseLost(Exception):
    """Another worker took the partition over; nothing of this page was written."""


class LogChanged(Exception):
    """The checkpoint belongs to another log (another topic, or a store restored from elsewhere); nothing was read."""


class OtherVersion(Exception):
    """The read model's tables are of another version than this program's projection; nothing was written."""


# Rows of a version may be written by programs of that version only: a rebuild may have put another in its place.
_TAKE: Final = """
UPDATE projecting.checkpoints SET owner = %(owner)s, epoch = epoch + 1,
       expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE projection = %(projection)s AND partition <> ALL(%(partitions)s::int2[])
  AND partition %% %(sharing)s = %(share)s
  AND EXISTS (SELECT FROM projecting.read_models WHERE projection = %(projection)s AND version = %(version)s)
  AND (expires_at < clock_timestamp() OR owner = %(owner)s) -- its own from before a failure, under a new epoch
RETURNING partition, position, epoch, log_identity
"""

# An expiry that a crash takes back is one that is over sooner.
_KEEP: Final = """
UPDATE projecting.checkpoints AS c SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[]) AS mine (partition, epoch),
     set_config('synchronous_commit', 'off', true)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
RETURNING c.partition
"""

_GIVE_BACK: Final = """
UPDATE projecting.checkpoints AS c SET expires_at = '-infinity'
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[]) AS mine (partition, epoch)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
"""

# A read model may lose its last moments when the server dies, since rows and checkpoint go together and the events
# are there: so its commits need not wait for the disk. Whoever goes on then finds the checkpoint behind what he stored.
_MOVE: Final = """
UPDATE projecting.checkpoints AS c SET position = mine.position
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[], %(stored)s::int8[], %(positions)s::int8[])
         AS mine (partition, epoch, stored, position),
     set_config('synchronous_commit', 'off', true)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
  AND c.position = mine.stored
"""

_RENAME: Final = """
UPDATE projecting.checkpoints AS c SET log_identity = %(identity)s
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[]) AS mine (partition, epoch)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
"""

_PREPARE: Final = """
INSERT INTO projecting.checkpoints (projection, partition, log_identity)
SELECT %(projection)s, partition, %(identity)s FROM unnest(%(partitions)s::int2[]) AS p (partition)
ON CONFLICT DO NOTHING
"""


_STORED_WITHIN: Final = 1.0
_LONGEST_BREATH: Final = 0.004
"""Seconds."""

_VERSION: Final = "SELECT version FROM projecting.read_models WHERE projection = %s"


_Decoded = tuple[LogRecord, Recorded]


@dataclass(slots=True)
class _Lease:
    epoch: int
    position: int
    stored: int
    parked: set[UUID] = field(default_factory=set)


class ProjectionWorker:
    """Keeps one projection up to date in the partitions it holds leases for.

    A page's rows and checkpoints are one transaction, written only while the lease's epoch is still this worker's:
    whatever crashes, and whoever wakes up late, each event has its effect once. An event that can't be taken is parked
    in the same transaction, and so is all that follows of its account.
    """

    def __init__(
        self,
        projection: Projection,
        log: EventLog,
        pool: AsyncConnectionPool[AsyncConnection],
        wakeups: Wakeups,
        owner: str,
        page_size: int = 1000,
        lease_seconds: float = 5.0,
        name: str | None = None,
        breath: float = 0.0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """`owner` names this worker among all; `name` the schema, where it is not the projection's own.

        `breath` is how many seconds it rests after a small page, so that the next one is larger. A `share` of (1, 2)
        takes every second partition from 1 on: while one of two waits for PostgreSQL, the other one folds.
        """
        self.projection, self._log, self._pool, self._wakeups, self._owner = projection, log, pool, wakeups, owner
        self._page_size, self._lease_seconds, self._breath = page_size, lease_seconds, breath
        self._name = name or projection.name
        self._share, self._sharing = share
        self._folding = Folding(projection, self._name)
        self._leases: dict[int, _Lease] = {}
        self._kept_at = self._stored_at = float("-inf")
        self.failure: str | None = None
        self.log_trouble: str | None = None
        """Why the log can't be read, which is no failure of this projection: what it has is right, and old."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work in the background."""
        self._task = asyncio.create_task(self._run(), name=f"projection {self._name}")

    async def stop(self) -> None:
        """End, and let others have the partitions at once."""
        if self._task:
            await ended(self._task)
        await self._log.close()
        if self._leases:
            positions = [lease.position for lease in self._leases.values()]
            with contextlib.suppress(StoreUnavailable):
                async with reporting_unavailability(), self._pool.connection() as connection:
                    await connection.execute(_MOVE, {**self._mine(), "positions": array_of(positions)})
                    await connection.execute(_GIVE_BACK, self._mine())

    async def caught_up(self, within: float = 5.0) -> None:
        """Return when it has read what the log holds now, in the partitions it holds, or after so many seconds."""
        ends = await self._log.ends()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while any(lease.position < ends.get(each, 0) for each, lease in self._leases.items()):
                    await self._wakeups.wait(READ_MODELS, self._wakeups.count(READ_MODELS), _STORED_WITHIN / 10)

    async def read_until(self, until: Mapping[int, int], told: Callable[[int], None]) -> int:
        """Read every partition of its share up to exactly these positions; returns how many events that were.

        `told` gets the position that all have reached, after each page. Raises LeaseLost, OtherVersion, LogChanged.
        """
        until = {each: position for each, position in until.items() if each % self._sharing == self._share}
        await self._prepare()
        events = 0
        while True:
            await self._hold_leases()
            if not until.keys() <= self._leases.keys():
                raise LeaseLost(self._name)
            if all(self._leases[partition].position >= position for partition, position in until.items()):
                return events
            events += await self.step(until)
            told(min(lease.position for lease in self._leases.values()))

    async def _run(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._prepare()
                while True:
                    await self._hold_leases()
                    began = asyncio.get_running_loop().time()
                    read = await self.step()
                    if read < self._page_size:
                        # Small pages cost as much as large ones: leave the others two thirds of the time.
                        took = asyncio.get_running_loop().time() - began
                        await asyncio.sleep(max(self._breath, min(2 * took, _LONGEST_BREATH) if read else 0.0))
                    if not read:
                        await self._log.wait(min(1.0, self._lease_seconds / 3))
                    self.failure, self.log_trouble, pause = None, None, 0.1
            except LeaseLost:
                self._forget_leases()
            except (LogUnavailable, LogRefused) as error:
                if self.log_trouble != str(error):
                    _log.warning("projection %s waits: %s", self._name, error)
                self.log_trouble = str(error)
                self._forget_leases()
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is, the others go on and this one is said
                # The projection stands still until this is mended; /readyz and status show it.
                away = isinstance(error, StoreUnavailable)
                self.failure = str(error) if away else f"{type(error).__name__}: {error}"
                _log.error("projection %s stands still: %s", self._name, self.failure, exc_info=not away)
                self._forget_leases()
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)

    def _forget_leases(self) -> None:
        self._leases.clear()
        self._kept_at = float("-inf")

    async def _prepare(self) -> None:
        identity, ends = await self._log.identity(), await self._log.ends()
        parameters = {"projection": self._name, "identity": identity, "partitions": list(ends)}
        async with reporting_unavailability(), self._pool.connection() as connection:
            row = await (await connection.execute(_VERSION, (self._name,))).fetchone()
            version = row[0] if row else "none"
            if version != self.projection.version:
                message = f"the tables are of version {version}, this program's of {self.projection.version}"
                raise OtherVersion(message)
            await connection.execute(_PREPARE, parameters)

    def _mine(self) -> dict[str, Any]:
        return {
            "projection": self._name,
            "version": self.projection.version,
            "partitions": array_of(self._leases),
            "epochs": array_of(lease.epoch for lease in self._leases.values()),
            "stored": array_of(lease.stored for lease in self._leases.values()),
            "seconds": self._lease_seconds,
        }

    async def _hold_leases(self) -> None:
        """Every third of a lease: keep what is held, take what is free. Raises LeaseLost if one was taken away."""
        now = asyncio.get_running_loop().time()
        if now < self._kept_at + self._lease_seconds / 3:
            return
        self._kept_at = now
        async with reporting_unavailability(), self._pool.connection() as connection:
            if self._leases:
                kept = await (await connection.execute(_KEEP, self._mine())).fetchall()
                if len(kept) < len(self._leases):
                    raise LeaseLost(self._name)
            wanted = {"owner": self._owner, "share": self._share, "sharing": self._sharing}
            taken = await (await connection.execute(_TAKE, {**self._mine(), **wanted})).fetchall()
            # After the take: a retry of what is parked would have made a new epoch by then.
            parked = await parked_accounts(connection, self._name, [row[0] for row in taken]) if taken else {}
        identity = await self._log.identity() if taken else ""
        for partition, position, epoch, log_identity in taken:
            if not same_positions(log_identity, identity):
                message = f"{self._name} was built from {log_identity}, but the log is {identity}"
                raise LogChanged(message)
            self._leases[partition] = _Lease(epoch, position, position, parked.get(partition, set()))
        if any(log_identity != identity for *_, log_identity in taken):
            # The same store's events carried by another log, from the store to Kafka or back: positions stay.
            async with reporting_unavailability(), self._pool.connection() as connection:
                await connection.execute(_RENAME, {**self._mine(), "identity": identity})

    async def step(self, until: Mapping[int, int] | None = None) -> int:
        """Read and write one page, not past `until`; returns how many events it had. Raises LeaseLost."""
        after = {
            each: lease.position
            for each, lease in self._leases.items()
            if until is None or lease.position < until.get(each, 0)
        }
        page = await self._log.read(after, self._page_size, self._folding.of_no_interest)
        if until is not None:
            page = _cut(page, until)
        if page.records or until is not None or self._lags_behind():
            await self._write(page.records, page.reached)
            self._stored_at = asyncio.get_running_loop().time()
            self._wakeups.ring(READ_MODELS, self.projection.name)
        for partition, position in page.reached.items():
            self._leases[partition].position = position
        return len(page.records)

    def _lags_behind(self) -> bool:
        """Whether the stored checkpoint is behind for long: past events of no interest it is not moved at once."""
        behind = any(lease.stored < lease.position for lease in self._leases.values())
        return behind and asyncio.get_running_loop().time() > self._stored_at + _STORED_WITHIN

    async def _write(self, records: Sequence[LogRecord], reached: Mapping[int, int]) -> None:
        for tries in range(TRIES - 1):
            try:
                return await self._written(records, reached, self._folded)
            except NotTaken as error:
                _log.info("projection %s tries a page again: %s", self._name, error)
                await asyncio.sleep(_FIRST_PAUSE * 2.0**tries)
        return await self._written(records, reached, self._folded_by_account)

    async def _written(
        self,
        records: Sequence[LogRecord],
        reached: Mapping[int, int],
        folded: Callable[[AsyncConnection, Sequence[_Decoded]], Awaitable[list[Parked]]],
    ) -> None:
        """Write rows, parked events and checkpoints at once."""
        decoded, parked = self._decoded(records)
        positions = [reached.get(partition, lease.position) for partition, lease in self._leases.items()]
        async with reporting_unavailability(), self._pool.connection() as connection, connection.transaction():
            parked += await folded(connection, decoded)
            await park(connection, self._name, parked)
            moved = await connection.execute(_MOVE, {**self._mine(), "positions": array_of(positions)}, prepare=True)
            if moved.rowcount != len(self._leases):
                raise LeaseLost(self._name)
        for lease, position in zip(self._leases.values(), positions, strict=True):
            lease.stored = position
        for each in parked:
            self._leases[each.record.partition].parked.add(each.record.account_id)
            if each.error:
                place = self._name, each.record.account_id, each.record.position
                _log.error("projection %s parks account %s from position %d on: %s", *place, each.error)

    def _decoded(self, records: Sequence[LogRecord]) -> tuple[list[_Decoded], list[Parked]]:
        """What can be folded, and what is parked: no decoding twice gives another result, so that is at once."""
        stopped = set[UUID]().union(*(lease.parked for lease in self._leases.values()))
        decoded: list[_Decoded] = []
        parked: list[Parked] = []
        for record in records:
            if not self._folding.concerns(record.topic):
                continue
            if record.account_id in stopped:
                parked.append(Parked(record))
                continue
            try:
                decoded.append((record, recorded(record)))
            except Exception as error:  # noqa: BLE001 -- whatever it is, this record has it
                parked.append(Parked(record, said(error), 1))
                stopped.add(record.account_id)
        return decoded, parked

    async def _folded(self, connection: AsyncConnection, decoded: Sequence[_Decoded]) -> list[Parked]:
        await self._folding.fold(connection, [event for _, event in decoded])
        return []

    async def _folded_by_account(self, connection: AsyncConnection, decoded: Sequence[_Decoded]) -> list[Parked]:
        """Fold each account by itself, and park those whose turn fails from the event on that makes it fail."""
        by_account: dict[UUID, list[_Decoded]] = {}
        for each in decoded:
            by_account.setdefault(each[0].account_id, []).append(each)
        parked: list[Parked] = []
        for of_account in by_account.values():
            events = [event for _, event in of_account]
            try:
                async with connection.transaction():
                    await self._folding.fold(connection, events)
            except NotTaken:
                folded, error = await one_by_one(connection, self._folding, events)
                left = [record for record, _ in of_account[folded:]]
                parked += [Parked(record, *((error, TRIES) if record is left[0] else ())) for record in left]
        return parked


def _cut(page: Page, until: Mapping[int, int]) -> Page:
    """The page without what is past these positions."""
    records = [record for record in page.records if record.position <= until[record.partition]]
    return Page(records, {each: min(position, until[each]) for each, position in page.reached.items()})
