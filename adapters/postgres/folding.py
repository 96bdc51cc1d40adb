"""Folds events into the rows of one projection's tables, in the transaction of whoever calls."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from adapters.postgres.row_store import RowStore
from domain.envelope import Recorded
from domain.history import EVENT_CLASSES
from projections.fold import Projection, RowKey

_SAID_AT_MOST: Final = 500


class NotTaken(Exception):
    """A handler, or a table that its row does not fit, could not take one of the events; the message says why."""


class Folding:
    """A projection's tables in one schema."""

    def __init__(self, projection: Projection, schema: str) -> None:
        """`schema` is the projection's name, or that of one being rebuilt beside it."""
        self._projection = projection
        self._stores = {table.name: RowStore(schema, table) for table in projection.tables.values()}
        taken = projection.event_classes
        self.of_no_interest = frozenset(topic for topic, kind in EVENT_CLASSES.items() if kind not in taken)

    def concerns(self, topic: str) -> bool:
        """Whether some handler takes events of this name, or could: what this version does not know may be for it."""
        return topic not in self.of_no_interest

    async def fold(self, connection: AsyncConnection, events: Sequence[Recorded]) -> None:
        """Load the rows that these events touch, fold, and write those that changed. Raises NotTaken.

        One query and at most two statements a table. After NotTaken the transaction must be rolled back.
        """
        try:
            await self._folded(connection, events)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise NotTaken(said(error)) from error
        except (psycopg.Error, MemoryError):
            raise  # not these events' fault: any other would fail as well
        except Exception as error:
            raise NotTaken(said(error)) from error

    async def _folded(self, connection: AsyncConnection, events: Sequence[Recorded]) -> None:
        keys: dict[str, set[UUID]] = {}
        turns = [(event, self._projection.steps(event)) for event in events]
        for _, steps in turns:
            for (table, key), _ in steps:
                keys.setdefault(table, set()).add(key)
        rows: dict[RowKey, Any] = {}
        for table, wanted in keys.items():
            found = await self._stores[table].load(connection, list(wanted))
            rows.update({RowKey(table, key): row for key, row in found.items()})
        before = dict(rows)
        for event, steps in turns:
            for row_key, handler in steps:
                rows[row_key] = handler(rows.get(row_key), event.event, event)
        changed: dict[str, dict[UUID, Any]] = {}
        for row_key, row in rows.items():
            if row is not before.get(row_key):
                changed.setdefault(row_key.table, {})[row_key.key] = row
        for table, written in changed.items():
            await self._stores[table].write(connection, written)


def said(error: Exception) -> str:
    """The kind of error and its first line: what follows may quote a whole row."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}".replace("\x00", "")[:_SAID_AT_MOST]
