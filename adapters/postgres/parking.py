"""Parked events: what a projection could not take, and all of the same account behind it, until it is tried again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import args_row

from adapters.event_mapping import recorded
from adapters.log.event_log import LogRecord
from adapters.postgres.folding import Folding, NotTaken, said
from adapters.postgres.homes import Homes
from adapters.postgres.rebuild_lock import shared_with_rebuilds
from adapters.postgres.wakeups import READ_MODELS
from domain.envelope import Recorded
from projections.fold import Projection

_ENVELOPE: Final = LogRecord._fields
_values: Final = attrgetter(*_ENVELOPE)
_COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, _ENVELOPE))

# A projection that is built again from the start comes to the same events again: they are parked already.
_PARK: Final = sql.SQL(
    "INSERT INTO projecting.parked (projection, error, tries, {}) VALUES (%s, %s, %s, {}) ON CONFLICT DO NOTHING"
).format(_COLUMNS, sql.SQL(", ").join([sql.Placeholder()] * len(_ENVELOPE)))

_ACCOUNTS: Final = """
SELECT DISTINCT partition, account_id FROM projecting.parked
WHERE projection = %s AND partition = ANY(%s::int2[])
"""

_LIST: Final = """
SELECT p.projection, p.account_id, NULL::text, first.position, first.topic, first.error, first.tries,
       first.parked_at, p.events
FROM (SELECT projection, account_id, min(position) AS position, count(*)::int AS events
      FROM projecting.parked GROUP BY projection, account_id) AS p
JOIN projecting.parked AS first USING (projection, position)
WHERE p.projection = ANY(%(projections)s)
  AND (%(account)s::uuid IS NULL OR p.account_id = %(account)s)
ORDER BY p.projection, first.position
"""

_NUMBERS: Final = "SELECT account_id, number FROM portal.accounts WHERE account_id = ANY(%s)"

_EVENTS: Final = """
SELECT position, topic, originator_id, originator_version, event_id, recorded_at, tries, error, state
FROM projecting.parked WHERE projection = %s AND account_id = %s ORDER BY position LIMIT %s
"""

_PARTITION: Final = "SELECT partition FROM projecting.parked WHERE projection = %s AND account_id = %s LIMIT 1"

# Under a new epoch: whoever was about to park more of this account, or knows it as parked, must look again.
_TAKE_FROM_WORKER: Final = """
UPDATE projecting.checkpoints SET epoch = epoch + 1, owner = NULL, expires_at = '-infinity'
WHERE projection = %s AND partition = %s
"""

_WAITING: Final = sql.SQL(
    "SELECT {} FROM projecting.parked WHERE projection = %s AND account_id = %s ORDER BY position"
).format(_COLUMNS)

_UNPARK: Final = "DELETE FROM projecting.parked WHERE projection = %s AND position = ANY(%s::int8[])"

_FAILED_AGAIN: Final = """
UPDATE projecting.parked SET error = %s, tries = tries + 1 WHERE projection = %s AND position = %s
"""


class NothingParked(Exception):
    """The projection has nothing parked of this account."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An event to be parked; without an error it only waits behind one that has."""

    record: LogRecord
    error: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class ParkedAccount:
    """An account that a projection has stopped at one event; `events` counts it and those behind it."""

    projection: str
    account_id: UUID
    account_number: str | None
    position: int
    topic: str
    error: str | None
    tries: int
    parked_at: datetime
    events: int


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One parked event with its bytes."""

    position: int
    topic: str
    stream_id: UUID
    version: int
    event_id: UUID
    recorded_at: datetime
    tries: int
    error: str | None
    state: bytes


@dataclass(frozen=True, slots=True)
class Retried:
    """What a retry did: events folded, events still parked, and the error of the first of those."""

    folded: int
    left: int
    error: str | None


async def park(connection: AsyncConnection, name: str, parked: Sequence[Parked]) -> None:
    """Keep these in the transaction that moves the checkpoint past them."""
    rows = [(name, each.error, each.tries, *_values(each.record)) for each in parked]
    if rows:
        await connection.cursor().executemany(_PARK, rows)


async def parked_accounts(connection: AsyncConnection, name: str, partitions: Iterable[int]) -> Mapping[int, set[UUID]]:
    """The accounts that have something parked, by partition."""
    found: dict[int, set[UUID]] = {}
    for partition, account in await (await connection.execute(_ACCOUNTS, (name, list(partitions)))).fetchall():
        found.setdefault(partition, set()).add(account)
    return found


async def listed(homes: Homes[AsyncConnection], projection: str | None, account: UUID | None) -> list[ParkedAccount]:
    """What is parked, by projection and account; of one that is being rebuilt, what the live one has."""
    found: list[ParkedAccount] = []
    for connection, residents in homes.residents():
        names = [each.name for each in residents if projection in {None, each.name}]
        async with connection.cursor(row_factory=args_row(ParkedAccount)) as rows:
            await rows.execute(_LIST, {"projections": names, "account": account})
            found += await rows.fetchall()
    accounts = [each.account_id for each in found]
    numbers: dict[UUID, str] = dict(await (await homes.read_models.execute(_NUMBERS, (accounts,))).fetchall())
    found.sort(key=lambda each: (each.projection, each.position))
    return [replace(each, account_number=numbers.get(each.account_id)) for each in found]


async def shown(connection: AsyncConnection, projection: str, account: UUID, limit: int) -> list[ParkedEvent]:
    """An account's parked events in order, at most `limit`."""
    async with connection.cursor(row_factory=args_row(ParkedEvent)) as rows:
        await rows.execute(_EVENTS, (projection, account, limit))
        return await rows.fetchall()


async def retried(connection: AsyncConnection, projection: Projection, account: UUID) -> Retried:
    """Fold an account's parked events in order, with their rows, in one transaction under a new epoch.

    Stops at the first that fails again, which keeps it and those behind it parked. Raises NothingParked, and
    RebuildRunning while the projection is rebuilt.
    """
    name = projection.name
    async with connection.transaction():
        await shared_with_rebuilds(connection, name)
        found = await (await connection.execute(_PARTITION, (name, account))).fetchone()
        if found is not None:
            await connection.execute(_TAKE_FROM_WORKER, (name, found[0]))
        rows = await (await connection.execute(_WAITING, (name, account), binary=True)).fetchall()
        if not rows:  # or another retry was first
            raise NothingParked
        records = [LogRecord(*row) for row in rows]
        folded, error = await _folded(connection, Folding(projection, name), records)
        await connection.execute(_UNPARK, (name, [record.position for record in records[:folded]]))
        if error is not None:
            await connection.execute(_FAILED_AGAIN, (error, name, records[folded].position))
        await connection.execute("SELECT pg_notify(%s, '')", (READ_MODELS,))
    return Retried(folded, len(records) - folded, error)


async def _folded(
    connection: AsyncConnection, folding: Folding, records: Sequence[LogRecord]
) -> tuple[int, str | None]:
    """Fold as many as there are up to the first that fails; returns their number and its error."""
    events: list[Recorded] = []
    error: str | None = None
    for record in records:
        try:
            events.append(recorded(record))
        except Exception as failed:  # noqa: BLE001 -- whatever it is, this record has it
            error = said(failed)
            break
    try:
        async with connection.transaction():
            await folding.fold(connection, events)
    except NotTaken:
        folded, failed_now = await one_by_one(connection, folding, events)
        return folded, failed_now or error
    return len(events), error


async def one_by_one(
    connection: AsyncConnection, folding: Folding, events: Sequence[Recorded]
) -> tuple[int, str | None]:
    """Fold each by itself up to the first that fails; returns the number before it and its error."""
    for folded, event in enumerate(events):
        try:
            async with connection.transaction():
                await folding.fold(connection, [event])
        except NotTaken as failed:
            return folded, str(failed)
    return len(events), None
