"""A read-model table as PostgreSQL has it: the columns of its row type, and rows in and out by key."""

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection, sql
from pydantic import TypeAdapter

from adapters.postgres.arrays import array_of
from projections.fold import Table

_COLUMN_TYPES: Final = {UUID: "uuid", str: "text", int: "int8", bool: "bool", datetime: "timestamptz", date: "date"}


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a row type as a column; what PostgreSQL has no type for is JSON, checked by pydantic both ways."""

    name: str
    sql_type: str
    json: TypeAdapter[Any] | None
    nullable: bool

    @classmethod
    def of(cls, name: str, annotation: Any) -> "Column":
        """The column of a field with this annotation."""
        options = (
            typing.get_args(annotation) if typing.get_origin(annotation) in {types.UnionType, typing.Union} else ()
        )
        plain = next((each for each in options if each is not type(None)), annotation)
        if isinstance(plain, type) and issubclass(plain, StrEnum):
            plain = str
        known = _COLUMN_TYPES.get(plain)
        return cls(name, known or "jsonb", None if known else TypeAdapter(annotation), type(None) in options)


@cache
def columns_of(table: Table[Any]) -> tuple[Column, ...]:
    """The table's columns in the order of the row type's fields."""
    hints = typing.get_type_hints(table.row_type)
    return tuple(Column.of(field.name, hints[field.name]) for field in fields(table.row_type))


@cache
def _rows_of(table: Table[Any]) -> TypeAdapter[list[Any]]:
    return TypeAdapter(list[table.row_type])  # type: ignore[name-defined]


class RowStore:
    """One read-model table: rows in and out by key, each in one statement however many."""

    def __init__(self, schema: str, table: Table[Any]) -> None:
        """`schema` is the projection's name, or that of one being rebuilt."""
        self._table = table
        self._columns = columns_of(table)
        self._rows = _rows_of(table)
        name = sql.Identifier(schema, table.name)
        key = sql.Identifier(table.key)
        columns = [sql.Identifier(column.name) for column in self._columns]
        self.select_list = sql.SQL(", ").join(
            sql.SQL("{}::text").format(identifier) if column.json else identifier
            for column, identifier in zip(self._columns, columns, strict=True)
        )
        typed = sql.SQL(", ").join(
            sql.SQL(f"{{}} {column.sql_type}").format(identifier)
            for column, identifier in zip(self._columns, columns, strict=True)
        )
        changes = sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(identifier)
            for column, identifier in zip(self._columns, columns, strict=True)
            if column.name != table.key
        )
        # Bytes: psycopg would put the parts together for each call.
        self._select = (
            sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s::uuid[])").format(self.select_list, name, key).as_bytes()
        )
        self._upsert = (
            sql.SQL(
                "INSERT INTO {} ({}) SELECT * FROM json_to_recordset(%s::json) AS v ({})"
                " ON CONFLICT ({}) DO UPDATE SET {}"
            )
            .format(name, sql.SQL(", ").join(columns), typed, key, changes)
            .as_bytes()
        )
        self._delete = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s::uuid[])").format(name, key).as_bytes()

    def row(self, values: Sequence[Any]) -> Any:
        """The row type's instance from the values of `select_list`."""
        return self._table.row_type(
            *(
                value if column.json is None or value is None else column.json.validate_json(value)
                for column, value in zip(self._columns, values, strict=True)
            )
        )

    async def load(self, connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, Any]:
        """The rows that exist."""
        cursor = await connection.execute(self._select, (array_of(keys),), prepare=True, binary=True)
        rows = [self.row(values) for values in await cursor.fetchall()]
        return {getattr(row, self._table.key): row for row in rows}

    async def write(self, connection: AsyncConnection, rows: Mapping[UUID, Any]) -> None:
        """Upsert rows, delete those that are None."""
        gone = [key for key, row in rows.items() if row is None]
        kept = [row for row in rows.values() if row is not None]
        if gone:
            await connection.execute(self._delete, (array_of(gone),), prepare=True)
        if kept:
            await connection.execute(self._upsert, (self._rows.dump_json(kept).decode(),), prepare=True)
