"""Two read models row by row: the live one as a snapshot saw it, and one rebuilt to the same positions."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection, sql

from adapters.postgres.row_store import columns_of
from projections.fold import Projection, Table

_PAGE: Final = 5_000
SHOWN_AT_MOST: Final = 50
"""Differences kept with their values; all are counted."""

WHOLE_ROW: Final = "(row)"
"""Stands for the column where a row is in one of the two only."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs, as text; None is null. Of a whole row, the two say whether it is there."""

    table: str
    key: UUID
    column: str
    live: str | None
    rebuilt: str | None


@dataclass(slots=True)
class Comparison:
    """What comparing found: rows compared, rows that differ, and the first of the differences."""

    rows: int = 0
    differing_rows: int = 0
    differences: list[Difference] = field(default_factory=list)


async def compared(
    projection: Projection, live: AsyncConnection, rebuilt: AsyncConnection, rebuilt_schema: str
) -> Comparison:
    """Compare all tables. `live` is in the snapshot that counts; nobody writes the rebuilt tables meanwhile."""
    found = Comparison()
    for table in projection.tables.values():
        await _compare(table, _Side(table, live, projection.name), _Side(table, rebuilt, rebuilt_schema), found)
    return found


class _Side:
    """One of the two tables."""

    def __init__(self, table: Table[object], connection: AsyncConnection, schema: str) -> None:
        self._connection = connection
        self.columns = [column.name for column in columns_of(table)]
        names = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(each)) for each in self.columns)
        parts = {"name": sql.Identifier(schema, table.name), "key": sql.Identifier(table.key)}
        self._page = sql.SQL(
            "SELECT {key}, ROW({names})::text FROM {name} WHERE %(after)s::uuid IS NULL OR {key} > %(after)s"
            " ORDER BY {key} LIMIT %(limit)s"
        ).format(names=names, **parts)
        self._row = sql.SQL("SELECT {texts} FROM {name} WHERE {key} = %s").format(texts=texts, **parts)

    async def rows(self) -> AsyncIterator[tuple[UUID, str]]:
        """Key and text of each row, by key."""
        after: UUID | None = None
        while True:
            parameters = {"after": after, "limit": _PAGE}
            rows = await (await self._connection.execute(self._page, parameters)).fetchall()
            for key, text in rows:
                yield key, text
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    async def values(self, key: UUID) -> tuple[str | None, ...]:
        """One row's values as text."""
        row = await (await self._connection.execute(self._row, (key,))).fetchone()
        assert row is not None
        return row


async def _compare(table: Table[object], live: _Side, rebuilt: _Side, found: Comparison) -> None:
    lives, rebuilts = live.rows(), rebuilt.rows()
    left, right = await anext(lives, None), await anext(rebuilts, None)
    while left or right:
        found.rows += 1
        is_live = left is not None and (right is None or left[0] <= right[0])
        is_rebuilt = right is not None and (left is None or right[0] <= left[0])
        if not (is_live and is_rebuilt and left == right):
            found.differing_rows += 1
            if len(found.differences) < SHOWN_AT_MOST:
                key = (left if is_live else right or left)[0]  # type: ignore[index]  # one of the two is there
                found.differences += await _of_row(
                    table.name, key, live if is_live else None, rebuilt if is_rebuilt else None
                )
        if is_live:
            left = await anext(lives, None)
        if is_rebuilt:
            right = await anext(rebuilts, None)


async def _of_row(table: str, key: UUID, live: _Side | None, rebuilt: _Side | None) -> list[Difference]:
    if live is None or rebuilt is None:
        there = [None if side is None else "there" for side in (live, rebuilt)]
        return [Difference(table, key, WHOLE_ROW, *there)]
    both = zip(live.columns, await live.values(key), await rebuilt.values(key), strict=True)
    return [Difference(table, key, column, one, other) for column, one, other in both if one != other]
