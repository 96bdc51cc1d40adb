"""The tables of a read model: their columns from the row types, their indexes, and who has which rights on them."""

from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

import psycopg
from psycopg import sql

from adapters.postgres.row_policies import closed
from adapters.postgres.row_store import columns_of
from projections.catalogue import PROJECTIONS
from projections.fold import Projection

_BY_POSITION: Final = "(position)"

INDEXES: Final[Mapping[str, Sequence[LiteralString]]] = {
    "portal.accounts": ("(number)",),
    "portal.subscriptions": ("(account_id, number)",),
    "portal.quotes": ("(account_id, issued_at DESC, quote_id DESC)",),
    "portal.orders": ("(account_id, prepared_at DESC, order_id DESC)",),
    "portal.timeline": ("(account_id, position)",),
    "fulfilment_todo.entries": (_BY_POSITION,),
    "receipts_todo.entries": (_BY_POSITION,),
    "notices_todo.entries": (_BY_POSITION,),
    "timers.entries": (_BY_POSITION, "(due_at)"),
    "care.entries": ("(position, entry_id)",),
}
"""What the queries go by, beside each table's key."""

READ_BY_API: Final = frozenset({"portal", "care"})
"""What answers requests; to-do lists are the workers' alone."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(7238902347)"


def made(projection: Projection, schema: str) -> sql.Composed:
    """The statements, for one transaction, that make the projection's tables, empty, with their rights.

    They are run by a role that may make schemas and is a member of seatledger_owner.
    """
    parts = [sql.SQL("CREATE SCHEMA {} AUTHORIZATION seatledger_owner").format(sql.Identifier(schema))]
    parts.append(sql.SQL("SET LOCAL ROLE seatledger_owner").format())
    for table in projection.tables.values():
        name = sql.Identifier(schema, table.name)
        stored = columns_of(table)
        columns = [
            sql.SQL("{} {} {}").format(
                sql.Identifier(column.name),
                sql.SQL(column.sql_type),
                sql.SQL("" if column.nullable else "NOT NULL"),
            )
            for column in stored
        ]
        columns.append(sql.SQL("PRIMARY KEY ({})").format(sql.Identifier(table.key)))
        parts.append(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(columns)))
        parts += [
            sql.SQL("CREATE INDEX ON {} {}").format(name, sql.SQL(index))
            for index in INDEXES.get(f"{projection.name}.{table.name}", ())
        ]
        parts += closed(name, [column.name for column in stored])
    parts += _rights(schema)
    if projection.name in READ_BY_API:
        parts += _rights_to_read(schema, "seatledger_api")
    parts.append(
        sql.SQL("INSERT INTO projecting.read_models VALUES ({}, {})").format(schema, sql.Literal(projection.version))
    )
    parts.append(sql.SQL("RESET ROLE").format())
    return sql.SQL("; ").join(parts)


def _rights(schema: str) -> list[sql.Composed]:
    """Who may do what with a read model. They stay with the tables when the schema is given another name."""
    name = sql.Identifier(schema)
    return [
        sql.SQL("GRANT USAGE ON SCHEMA {} TO seatledger_app").format(name),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO seatledger_app").format(name),
        *_rights_to_read(schema, "seatledger_reader"),
    ]


def _rights_to_read(schema: str, role: str) -> list[sql.Composed]:
    name, reader = sql.Identifier(schema), sql.Identifier(role)
    return [
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(name, reader),
        sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(name, reader),
    ]


def dropped(schema: str) -> sql.Composed:
    """The statements that take a read model away, with its version, its progress and what is parked."""
    parts = [sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))]
    parts += [
        sql.SQL("DELETE FROM {} WHERE projection = {}").format(sql.Identifier("projecting", table), sql.Literal(schema))
        for table in ("read_models", "checkpoints", "parked")
    ]
    return sql.SQL("; ").join(parts)


def outdated(connection: psycopg.Connection, projections: Sequence[Projection] = PROJECTIONS) -> dict[Projection, str]:
    """Those of the projections whose tables are not of this program's version, each with what to do in a plain line."""
    found = _versions(connection)
    said: dict[Projection, str] = {}
    for projection in projections:
        version = found.get(projection.name)
        if version is not None and version > projection.version:
            said[projection] = (
                f"the read model {projection.name} is of version {version}, newer than this program's "
                f"{projection.version}: update the program"
            )
        elif version != projection.version:
            state = "missing" if version is None else f"of version {version}"
            said[projection] = (
                f"the read model {projection.name} is {state}, this program needs {projection.version}: "
                f"run `seatledger projections rebuild {projection.name}`"
            )
    return said


def make_what_costs_nothing(
    connection: psycopg.Connection,
    projections: Sequence[Projection] = PROJECTIONS,
    ledger: psycopg.Connection | None = None,
) -> None:
    """Make the tables that differ from this program's while the log is empty: there is nothing to rebuild them from.

    The log is in the same database, unless `ledger` leads to another.
    """
    if not outdated(connection, projections):
        return
    connection.execute(_LOCK)
    if (ledger or connection).execute("SELECT EXISTS (SELECT FROM ledger.events)").fetchone() != (False,):
        return
    for projection in outdated(connection, projections):
        connection.execute(dropped(projection.name))
        connection.execute(made(projection, projection.name))


def _versions(connection: psycopg.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT projection, version FROM projecting.read_models").fetchall())
