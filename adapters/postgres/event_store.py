"""The event store in PostgreSQL: streams loaded in one query, appends through the group commit."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.appending import LoadedStreams, partition_of, prepared_append, same_request
from adapters.event_mapping import decoded
from adapters.postgres.arrays import array_of
from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.stream_cache import StreamCache
from domain.ledger import LedgerAggregate, LedgerEvent
from services.ports import CommandContext, Outcome, Position, SealedRecord

_LOAD: Final = """
SELECT false AS outcome, e.originator_id, e.originator_version, e.topic, e.state, e.notification_id, e.partition
FROM unnest(%(ids)s::text::uuid[], %(known)s::text::int4[]) AS wanted (id, known)
JOIN ledger.events e ON e.originator_id = wanted.id AND e.originator_version > wanted.known
UNION ALL
SELECT true, result_id, result_version, result_kind, fingerprint, position, partition
FROM ledger.commands WHERE command_id = %(command)s
ORDER BY 2, 3
"""


class PostgresEventStore:
    """services.ports.EventStore over a pool for reading and the group commit for writing."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], writer: GroupCommit, partitions: int) -> None:
        """`partitions` is fixed for the life of a ledger."""
        self._pool, self._writer, self._partitions = pool, writer, partitions
        self._cache = StreamCache()

    async def load(self, *ids: UUID, context: CommandContext | None = None) -> LoadedStreams:
        """See services.ports.EventStore."""
        return LoadedStreams(*await self._read(ids, context))

    async def history(self, id: UUID, version: int) -> Sequence[LedgerEvent]:
        """The stream's events up to this version, which was stored: as the store has them.

        What was decided here may not be it: two processes that carry out one command make the same event ids, and only
        the first one's events are stored.
        """
        known = self._cache.known(id)
        if len(known) < version:
            streams, _ = await self._read((id,))
            known = streams[id]
        return known[:version]

    async def _read(
        self, ids: Sequence[UUID], context: CommandContext | None = None
    ) -> tuple[dict[UUID, list[LedgerEvent]], Outcome | None]:
        keyed = context is not None and context.idempotency_key is not None
        known = {id: self._cache.known(id) for id in ids}
        parameters = {
            "ids": array_of(known),
            "known": array_of(map(len, known.values())),
            "command": context.command_id if keyed and context else None,
        }
        async with reporting_unavailability(), self._pool.connection() as connection:
            cursor = await connection.execute(_LOAD, parameters, prepare=True, binary=True)
            rows = await cursor.fetchall()
        streams = {id: list(events) for id, events in known.items() if events}
        done: Outcome | None = None
        for is_outcome, id, version, topic, state, position, partition in rows:
            if is_outcome and context is not None:
                same_request(context, state)
                done = Outcome(topic, id, version, Position(position, partition))
            else:
                event = decoded(topic, state)
                streams.setdefault(id, []).append(event)
                self._cache.add(id, version, event)
        return streams, done

    async def append(
        self,
        *aggregates: LedgerAggregate,
        context: CommandContext,
        unchanged: Sequence[LedgerAggregate | UUID] = (),
        vault: Sequence[SealedRecord] = (),
        result: LedgerAggregate | None = None,
    ) -> Outcome:
        """See services.ports.EventStore."""
        subject = result or aggregates[0]
        append = prepared_append(aggregates, context, unchanged, vault, subject, self._partitions)
        if append.events:
            position, stored_here = await self._writer.append(append)
            if stored_here:
                for event in append.decided:
                    self._cache.add(event.originator_id, event.originator_version, event)
        else:  # all of it was recorded before: there is nothing to wait for
            position = Position(0, partition_of(subject.account_id, self._partitions))
        return Outcome(append.result_kind, append.result_id, append.result_version, position)

    async def version_of(self, id: UUID) -> int:
        """See services.ports.EventStore."""
        row = await self._one(
            "SELECT originator_version FROM ledger.events WHERE originator_id = %s"
            " ORDER BY originator_version DESC LIMIT 1",
            id,
        )
        return int(row[0]) if row else 0

    async def account_of(self, id: UUID) -> UUID | None:
        """See services.ports.EventStore."""
        row = await self._one(
            "SELECT account_id FROM ledger.events WHERE originator_id = %s AND originator_version = 1", id
        )
        return row[0] if row else None

    async def _one(self, query: LiteralString, id: UUID) -> tuple[Any, ...] | None:
        async with reporting_unavailability(), self._pool.connection() as connection:
            return await (await connection.execute(query, (id,), prepare=True, binary=True)).fetchone()
