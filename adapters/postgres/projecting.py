"""The projection engine: pages of events folded in memory and written with their checkpoint in one transaction."""

import asyncio
import contextlib
import logging
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg_pool import AsyncConnectionPool
from pydantic import TypeAdapter

from adapters.event_mapping import decoded
from adapters.log.event_log import EventLog, LogRecord
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.wakeups import READ_MODELS, Wakeups
from domain.envelope import Actor, Recorded, Role
from projections.fold import Projection, RowKey, Table
from services.background import ended
from services.ports import StoreUnavailable

_log = logging.getLogger(__name__)

_COLUMN_TYPES: Final = {UUID: "uuid", str: "text", int: "int8", bool: "bool", datetime: "timestamptz", date: "date"}


class LeaseLost(Exception):
    """Another worker took the partition over; nothing of this page was written."""


class LogChanged(Exception):
    """The checkpoint belongs to another log (another topic, or a store restored from elsewhere); nothing was read."""


def recorded(record: LogRecord) -> Recorded:
    """The record with its event decoded; raises UnknownEvent or MalformedEvent."""
    return Recorded(
        position=record.position,
        partition=record.partition,
        previous=record.previous,
        event_id=record.event_id,
        account_id=record.account_id,
        recorded_at=record.recorded_at,
        actor=Actor(record.actor_id, Role(record.actor_role)),
        on_behalf_of=record.on_behalf_of,
        correlation_id=record.correlation_id,
        causation_id=record.causation_id,
        idempotency_key=record.idempotency_key,
        event=decoded(record.topic, record.state),
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """A field of a row type as a column; what PostgreSQL has no type for is JSON, checked by pydantic both ways."""

    name: str
    sql_type: str
    json: TypeAdapter[Any] | None

    @classmethod
    def of(cls, name: str, annotation: Any) -> "_Column":
        options = (
            typing.get_args(annotation) if typing.get_origin(annotation) in {types.UnionType, typing.Union} else ()
        )
        plain = next((each for each in options if each is not type(None)), annotation)
        if isinstance(plain, type) and issubclass(plain, StrEnum):
            plain = str
        known = _COLUMN_TYPES.get(plain)
        return cls(name, known or "text", None if known else TypeAdapter(annotation))

    def stored(self, value: Any) -> Any:
        """The value as a parameter; text for JSON, None for null."""
        return value if self.json is None or value is None else self.json.dump_json(value).decode()


class RowStore:
    """One read-model table: rows in and out by key, each in one statement however many."""

    def __init__(self, schema: str, table: Table[Any]) -> None:
        """`schema` is the projection's name, or that of one being rebuilt."""
        hints = typing.get_type_hints(table.row_type)
        self._table = table
        self._columns = tuple(_Column.of(field.name, hints[field.name]) for field in fields(table.row_type))
        name = sql.Identifier(schema, table.name)
        key = sql.Identifier(table.key)
        columns = [sql.Identifier(column.name) for column in self._columns]
        self.select_list = sql.SQL(", ").join(
            sql.SQL("{}::text").format(identifier) if column.json else identifier
            for column, identifier in zip(self._columns, columns, strict=True)
        )
        self._select = sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s)").format(self.select_list, name, key)
        values = sql.SQL(", ").join(
            sql.SQL("v.{}::jsonb" if column.json else "v.{}").format(identifier)
            for column, identifier in zip(self._columns, columns, strict=True)
        )
        arrays = sql.SQL(", ").join(sql.SQL(f"%b::{column.sql_type}[]") for column in self._columns)
        changes = sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(identifier)
            for column, identifier in zip(self._columns, columns, strict=True)
            if column.name != table.key
        )
        self._upsert = sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS v ({}) ON CONFLICT ({}) DO UPDATE SET {}"
        ).format(name, sql.SQL(", ").join(columns), values, arrays, sql.SQL(", ").join(columns), key, changes)
        self._delete = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(name, key)

    def row(self, values: Sequence[Any]) -> Any:
        """The row type's instance from the values of `select_list`."""
        return self._table.row_type(
            *(
                value if column.json is None or value is None else column.json.validate_json(value)
                for column, value in zip(self._columns, values, strict=True)
            )
        )

    async def load(self, connection: AsyncConnection, keys: Sequence[UUID]) -> dict[UUID, Any]:
        """The rows that exist."""
        cursor = await connection.execute(self._select, (keys,), prepare=True, binary=True)
        rows = [self.row(values) for values in await cursor.fetchall()]
        return {getattr(row, self._table.key): row for row in rows}

    async def write(self, connection: AsyncConnection, rows: Mapping[UUID, Any]) -> None:
        """Upsert rows, delete those that are None."""
        gone = [key for key, row in rows.items() if row is None]
        kept = [row for row in rows.values() if row is not None]
        if gone:
            await connection.execute(self._delete, (gone,), prepare=True)
        if kept:
            arrays = [[column.stored(getattr(row, column.name)) for row in kept] for column in self._columns]
            await connection.execute(self._upsert, arrays, prepare=True)


_TAKE: Final = """
UPDATE projecting.checkpoints SET owner = %(owner)s, epoch = epoch + 1,
       expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE projection = %(projection)s AND partition <> ALL(%(partitions)s::int2[])
  AND (expires_at < clock_timestamp() OR owner = %(owner)s) -- its own from before a failure, under a new epoch
RETURNING partition, position, epoch, log_identity
"""

_KEEP: Final = """
UPDATE projecting.checkpoints AS c SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[]) AS mine (partition, epoch)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
RETURNING c.partition
"""

_GIVE_BACK: Final = """
UPDATE projecting.checkpoints AS c SET expires_at = '-infinity'
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[]) AS mine (partition, epoch)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
"""

_MOVE: Final = """
UPDATE projecting.checkpoints AS c SET position = mine.position
FROM unnest(%(partitions)s::int2[], %(epochs)s::int8[], %(positions)s::int8[]) AS mine (partition, epoch, position)
WHERE c.projection = %(projection)s AND c.partition = mine.partition AND c.epoch = mine.epoch
"""

_PREPARE: Final = """
INSERT INTO projecting.checkpoints (projection, partition, log_identity)
SELECT %(projection)s, partition, %(identity)s FROM unnest(%(partitions)s::int2[]) AS p (partition)
ON CONFLICT DO NOTHING
"""


@dataclass(slots=True)
class _Lease:
    epoch: int
    position: int


class ProjectionWorker:
    """Keeps one projection up to date in the partitions it holds leases for.

    A page's rows and checkpoints are one transaction, written only while the lease's epoch is still this worker's:
    whatever crashes, and whoever wakes up late, each event has its effect once.
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
    ) -> None:
        """`owner` names this worker among all."""
        self.projection, self._log, self._pool, self._wakeups, self._owner = projection, log, pool, wakeups, owner
        self._page_size, self._lease_seconds = page_size, lease_seconds
        self._stores = {table.name: RowStore(projection.name, table) for table in projection.tables.values()}
        self._leases: dict[int, _Lease] = {}
        self._kept_at = float("-inf")
        self.failure: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work in the background."""
        self._task = asyncio.create_task(self._run(), name=f"projection {self.projection.name}")

    async def stop(self) -> None:
        """End, and let others have the partitions at once."""
        if self._task:
            await ended(self._task)
        if self._leases:
            with contextlib.suppress(StoreUnavailable):
                async with reporting_unavailability(), self._pool.connection() as connection:
                    await connection.execute(_GIVE_BACK, self._mine())

    async def _run(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._prepare()
                while True:
                    await self._hold_leases()
                    if not await self.step():
                        await self._log.wait(min(1.0, self._lease_seconds / 3))
                    self.failure, pause = None, 0.1
            except LeaseLost:
                self._leases.clear()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is, the others go on and this one is said
                # The projection stands still until this is mended; /readyz and status show it.
                self.failure = f"{type(error).__name__}: {error}"
                _log.exception("projection %s stands still", self.projection.name)
                self._leases.clear()
                self._kept_at = float("-inf")
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)

    async def _prepare(self) -> None:
        identity, ends = await self._log.identity(), await self._log.ends()
        parameters = {"projection": self.projection.name, "identity": identity, "partitions": list(ends)}
        async with reporting_unavailability(), self._pool.connection() as connection:
            await connection.execute(_PREPARE, parameters)

    def _mine(self) -> dict[str, Any]:
        return {
            "projection": self.projection.name,
            "partitions": list(self._leases),
            "epochs": [lease.epoch for lease in self._leases.values()],
            "seconds": self._lease_seconds,
        }

    async def _hold_leases(self) -> None:
        """Every third of a lease: keep what is held, take what is free."""
        now = asyncio.get_running_loop().time()
        if now < self._kept_at + self._lease_seconds / 3:
            return
        self._kept_at = now
        async with reporting_unavailability(), self._pool.connection() as connection:
            if self._leases:
                kept = await (await connection.execute(_KEEP, self._mine())).fetchall()
                for partition in set(self._leases) - {row[0] for row in kept}:
                    del self._leases[partition]
            taken = await (await connection.execute(_TAKE, {**self._mine(), "owner": self._owner})).fetchall()
        identity = await self._log.identity() if taken else ""
        for partition, position, epoch, log_identity in taken:
            if log_identity != identity:
                message = f"{self.projection.name} was built from {log_identity}, but the log is {identity}"
                raise LogChanged(message)
            self._leases[partition] = _Lease(epoch, position)

    async def step(self) -> int:
        """Read and write one page; returns how many events it had. Raises LeaseLost."""
        page = await self._log.read({each: lease.position for each, lease in self._leases.items()}, self._page_size)
        if page.records:
            await self._write([recorded(record) for record in page.records], page.reached)
            self._wakeups.ring(READ_MODELS)
        for partition, position in page.reached.items():
            self._leases[partition].position = position
        return len(page.records)

    async def _write(self, events: Sequence[Recorded], reached: Mapping[int, int]) -> None:
        keys: dict[str, set[UUID]] = {}
        for event in events:
            for touched in self.projection.touched(event):
                keys.setdefault(touched.table, set()).add(touched.key)
        async with reporting_unavailability(), self._pool.connection() as connection, connection.transaction():
            rows: dict[RowKey, Any] = {}
            for table, wanted in keys.items():
                found = await self._stores[table].load(connection, list(wanted))
                rows.update({RowKey(table, key): row for key, row in found.items()})
            before = dict(rows)
            for event in events:
                self.projection.apply(rows, event)
            changed: dict[str, dict[UUID, Any]] = {}
            for row_key, row in rows.items():
                if row is not before.get(row_key):
                    changed.setdefault(row_key.table, {})[row_key.key] = row
            for table, written in changed.items():
                await self._stores[table].write(connection, written)
            positions = [reached[partition] for partition in self._leases]
            moved = await connection.execute(_MOVE, {**self._mine(), "positions": positions}, prepare=True)
            if moved.rowcount != len(self._leases):
                raise LeaseLost(self.projection.name)
