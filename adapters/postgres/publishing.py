"""What the store knows of its log in Kafka: how far it is published, who publishes, and the events themselves."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool

from adapters.log.event_log import LogRecord, OutgoingRecord
from adapters.postgres.availability import reporting_unavailability

Record = TypeVar("Record")

CHUNK_EVENTS: Final = 2_000
CHUNK_BYTES: Final = 16 * 2**20
"""Of the events' own bytes: what the relay holds at once, however far behind it is."""

_TAKE: Final = """
UPDATE ledger.relay SET owner = %(owner)s, epoch = epoch + 1,
       expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE expires_at < clock_timestamp() OR owner = %(owner)s OR %(by_force)s
RETURNING epoch, position, log_identity
"""
# What a crash of the server takes back of these two is harmless: a lease that is over sooner, events sent twice.
_KEEP: Final = """
UPDATE ledger.relay SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM set_config('synchronous_commit', 'off', true) WHERE epoch = %(epoch)s
"""
_MOVE: Final = """
UPDATE ledger.relay SET position = %(position)s, published_at = clock_timestamp()
FROM set_config('synchronous_commit', 'off', true) WHERE epoch = %(epoch)s
"""
_GIVE_BACK: Final = "UPDATE ledger.relay SET expires_at = '-infinity' WHERE epoch = %(epoch)s"
_BEGIN: Final = """
UPDATE ledger.relay SET position = %(position)s, log_identity = %(identity)s, published_at = clock_timestamp()
WHERE epoch = %(epoch)s
"""
# Positions are counted under the lock of an append, without a gap: what is behind need not be counted again.
_STATE: Final = """
SELECT r.log_identity, r.position, head.position, r.owner, r.expires_at > clock_timestamp(), r.published_at,
       greatest(head.position - r.position, 0),
       COALESCE((SELECT extract(epoch FROM clock_timestamp() - e.recorded_at) FROM ledger.events e
                 WHERE e.notification_id > r.position ORDER BY e.notification_id LIMIT 1), 0)::float8,
       (SELECT value FROM ledger.settings WHERE name = 'ledger_id'),
       (SELECT count(*) FROM projecting.spoilt)
FROM ledger.relay r, (SELECT COALESCE(max(notification_id), 0) AS position FROM ledger.events) AS head
"""
_COLUMNS: Final = """e.notification_id, e.partition, e.originator_id, e.originator_version, e.topic, e.state,
       e.event_id, e.account_id, e.recorded_at, e.effective_at, e.actor_id, e.actor_role, e.on_behalf_of,
       e.correlation_id, e.causation_id, e.idempotency_key"""
_OUTGOING: Final = """e.notification_id, e.partition, uuid_send(e.originator_id), e.originator_version, e.topic,
       e.state, uuid_send(e.event_id), uuid_send(e.account_id), (extract(epoch FROM e.recorded_at) * 1000000)::int8,
       (extract(epoch FROM e.effective_at) * 1000000)::int8, e.actor_id, e.actor_role, e.on_behalf_of,
       uuid_send(e.correlation_id), uuid_send(e.causation_id), e.idempotency_key"""
_CHUNK: Final = f"""
SELECT {_OUTGOING} FROM (
    SELECT *, sum(octet_length(state)) OVER (ORDER BY notification_id) AS bytes
    FROM (SELECT * FROM ledger.events WHERE notification_id > %(after)s ORDER BY notification_id LIMIT %(limit)s) AS n
) AS e WHERE bytes - octet_length(state) < %(bytes)s ORDER BY notification_id
"""  # noqa: S608 -- no value is in it
_OF_PARTITION: Final = f"""
SELECT {_COLUMNS} FROM ledger.events e
WHERE partition = %(partition)s AND notification_id > %(after)s AND notification_id <= %(until)s
ORDER BY notification_id LIMIT %(limit)s
"""  # noqa: S608 -- no value is in it
_RECORDS: Final = f"""
SELECT {_COLUMNS} FROM ledger.events e WHERE notification_id = ANY(%s::int8[])
"""  # noqa: S608 -- no value is in it
_LASTS: Final = """
SELECT p.partition, COALESCE((
    SELECT e.notification_id FROM ledger.events e
    WHERE e.partition = p.partition AND e.notification_id <= %(until)s
    ORDER BY e.notification_id DESC LIMIT 1), 0)
FROM generate_series(0, (SELECT value::int FROM ledger.settings WHERE name = 'partitions') - 1) AS p (partition)
"""
_EVENT_IDS: Final = "SELECT notification_id, event_id, state FROM ledger.events WHERE notification_id = ANY(%s::int8[])"
_RECORDED_AT: Final = """
SELECT w.position, (SELECT e.recorded_at FROM ledger.events e
                    WHERE e.notification_id <= w.position ORDER BY e.notification_id DESC LIMIT 1)
FROM unnest(%s::int8[]) AS w (position)
"""
_SECONDS_PAST: Final = """
SELECT COALESCE((SELECT extract(epoch FROM clock_timestamp() - recorded_at) FROM ledger.events
                 WHERE notification_id > %(after)s ORDER BY notification_id LIMIT 1), 0)::float8
"""
_KEEP_SPOILT: Final = """
INSERT INTO projecting.spoilt (log_identity, partition, message_offset, reason, key, value, header_names, header_values)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class RelayLease:
    """The right to publish, and from where on."""

    epoch: int
    position: int
    log_identity: str | None


@dataclass(frozen=True, slots=True)
class PublicationState:
    """How far the log is behind the store: in events, and in seconds since the first of them was recorded."""

    log_identity: str | None
    position: int
    head: int
    owner: str | None
    led: bool
    published_at: datetime | None
    events_behind: int
    seconds_behind: float
    ledger_id: str
    spoilt: int


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A message that is not what the relay put in, as it came out."""

    partition: int
    offset: int
    reason: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Publication:
    """The store's side of its log in Kafka."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        """Read and write through this pool."""
        self._pool = pool

    async def take(self, owner: str, seconds: float, *, by_force: bool = False) -> RelayLease | None:
        """The lease under a new epoch if nobody else has it; `by_force`: from whoever has it."""
        parameters = {"owner": owner, "seconds": seconds, "by_force": by_force}
        async with reporting_unavailability(), self._pool.connection() as connection:
            row = await (await connection.execute(_TAKE, parameters)).fetchone()
        return RelayLease(*row) if row else None

    async def keep(self, epoch: int, seconds: float) -> bool:
        """Whether the lease was still of this epoch; if so, it is prolonged."""
        return await self._changed(_KEEP, epoch=epoch, seconds=seconds)

    async def give_back(self, epoch: int) -> None:
        """Let others have it at once."""
        await self._changed(_GIVE_BACK, epoch=epoch)

    async def begin(self, epoch: int, position: int, identity: str) -> bool:
        """Store which log it is, and that all up to here is on it; False if the epoch is over, and nothing was."""
        return await self._changed(_BEGIN, epoch=epoch, position=position, identity=identity)

    async def move(self, epoch: int, position: int) -> bool:
        """Store that all up to here is on the log; False if the epoch is over, and nothing was stored."""
        return await self._changed(_MOVE, epoch=epoch, position=position)

    async def _changed(self, statement: Any, **parameters: Any) -> bool:
        async with reporting_unavailability(), self._pool.connection() as connection:
            return (await connection.execute(statement, parameters, prepare=True)).rowcount == 1

    async def state(self) -> PublicationState:
        """How far it is now."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            return await state_of(connection)

    async def published(self) -> tuple[str | None, int]:
        """The log's identity, and the position up to which everything is on it."""
        rows = await self._rows("SELECT log_identity, position FROM ledger.relay", {})
        return rows[0][0], rows[0][1]

    async def ledger_id(self) -> str:
        """Names this ledger for ever."""
        rows = await self._rows("SELECT value FROM ledger.settings WHERE name = 'ledger_id'", {})
        return str(rows[0][0])

    async def chunk(self, after: int, last: dict[int, int], limit: int = CHUNK_EVENTS) -> list[OutgoingRecord]:
        """The next events in the store's order, bounded in bytes, too; `last` of each partition is moved along."""
        rows = await self._rows(_CHUNK, {"after": after, "limit": limit, "bytes": CHUNK_BYTES})
        return _chained(OutgoingRecord, rows, last)

    async def of_partition(self, partition: int, after: int, until: int, limit: int) -> list[LogRecord]:
        """A partition's events past `after` up to `until`, each with the position before it."""
        parameters = {"partition": partition, "after": after, "until": until, "limit": limit}
        return _chained(LogRecord, await self._rows(_OF_PARTITION, parameters), {partition: after})

    async def lasts(self, until: int) -> dict[int, int]:
        """Each partition's last position that is not past `until`; 0 for none."""
        return dict(await self._rows(_LASTS, {"until": until}))

    async def stored(self, positions: Collection[int]) -> Mapping[int, tuple[UUID, bytes]]:
        """Event ids and bytes of those of these positions that the store has."""
        return {position: (id, state) for position, id, state in await self._rows(_EVENT_IDS, (list(positions),))}

    async def records(self, positions: Collection[int]) -> Mapping[int, LogRecord]:
        """Those of these positions that the store has, without the position before each."""
        rows = await self._rows(_RECORDS, (list(positions),))
        return {row[0]: LogRecord(row[0], row[1], 0, *row[2:]) for row in rows}

    async def recorded_at(self, positions: Collection[int]) -> Mapping[int, datetime | None]:
        """When the last event up to each position was recorded."""
        return dict(await self._rows(_RECORDED_AT, (list(positions),)))

    async def seconds_past(self, after: int) -> float:
        """For how long the first event past this position has been in the store; 0 if there is none."""
        return float((await self._rows(_SECONDS_PAST, {"after": after}))[0][0])

    async def keep_spoilt(self, identity: str, spoilt: Iterable[Spoilt]) -> None:
        """Keep these messages; several readers may have come upon the same ones."""
        rows = [
            (
                *(identity, each.partition, each.offset, each.reason.replace("\x00", ""), each.key, each.value),
                [name.replace("\x00", "") for name, _ in each.headers],
                [value for _, value in each.headers],
            )
            for each in spoilt
        ]
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.cursor().executemany(_KEEP_SPOILT, rows)

    async def _rows(self, statement: Any, parameters: Any) -> list[Any]:
        async with reporting_unavailability(), self._pool.connection() as connection:
            return await (await connection.execute(statement, parameters, prepare=True, binary=True)).fetchall()


async def state_of(connection: AsyncConnection) -> PublicationState:
    """How far it is now."""
    async with connection.cursor(row_factory=args_row(PublicationState)) as cursor:
        row = await (await cursor.execute(_STATE)).fetchone()
    assert row is not None
    return row


def _chained(kind: Callable[..., Record], rows: Iterable[Any], last: dict[int, int]) -> list[Record]:
    """Each with the position before it in its partition; `last` is moved along."""
    found = []
    for position, partition, *columns in rows:
        found.append(kind(position, partition, last.get(partition, 0), *columns))
        last[partition] = position
    return found
