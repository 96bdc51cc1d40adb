"""The database that READ_DATABASE_URL names: migrated, and refused at the start unless it is this ledger's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import AsyncConnection

from adapters.postgres.homes import MAY_LIVE_ELSEWHERE
from adapters.postgres.read_model_tables import make_what_costs_nothing, outdated
from adapters.postgres.schema import (
    CONNECT_SECONDS,
    SchemaError,
    may_become_api,
    must_be_at,
    must_have,
    plain_errors,
    revision,
    upgraded,
)
from adapters.postgres.views import make_missing_views
from projections.catalogue import PROJECTIONS
from services.ports import StoreUnavailable

HEAD: Final = "0001"
"""The revision that this version of the program needs."""

TABLES: Final = ("projecting.settings", "projecting.checkpoints", "projecting.parked", "projecting.read_models")
"""All tables but those of the read models."""

RESIDENTS: Final = tuple(each for each in PROJECTIONS if each.name in MAY_LIVE_ELSEWHERE)

_LEDGER: Final = "SELECT value FROM ledger.settings WHERE name = 'ledger_id'"
_OURS: Final = "SELECT value FROM projecting.settings WHERE name = 'ledger_id'"
_AHEAD: Final = "SELECT COALESCE(max(position), 0) FROM projecting.checkpoints WHERE projection = ANY(%s)"


class ReadDatabaseAway(SchemaError):
    """It does not answer; whether it is the right one is not known."""


def migrate(url: str, ledger_url: str) -> str | None:
    """Run the steps that are missing; returns the revision there was before, None for an empty database.

    `url` must log in a role that may create roles and schemas, `ledger_url` one that reads the ledger, which must be
    migrated. The first run ties the database to this ledger. Raises SchemaError.
    """
    with psycopg.connect(ledger_url, autocommit=True, connect_timeout=CONNECT_SECONDS) as ledger, _plain_errors():
        id = ledger_id(ledger)

        def finish(connection: psycopg.Connection) -> None:
            connection.execute("INSERT INTO projecting.settings VALUES ('ledger_id', %s) ON CONFLICT DO NOTHING", (id,))
            _must_be_whole(connection, id)
            make_what_costs_nothing(connection, RESIDENTS, ledger)
            make_missing_views(connection)

        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
            before = _revision(connection)
            if before == HEAD:
                finish(connection)
                return before
        return upgraded(url, "read_versions", HEAD, _revision, finish)


def check(url: str, ledger: psycopg.Connection, *, read_models: bool) -> None:
    """Raise SchemaError unless it is this ledger's and whole, and the read models in it are fit to be read.

    Without `read_models`, these may be in any state: they are about to be rebuilt, or only looked at. Raises
    ReadDatabaseAway.
    """
    with _plain_errors(), psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        must_be_at(_revision(connection), HEAD)
        may_become_api(connection)
        _must_be_whole(connection, ledger_id(ledger))
        if not read_models:
            return
        for said in outdated(connection, RESIDENTS).values():
            raise SchemaError(said)
        must_have(connection, [f"{each.name}.{table}" for each in RESIDENTS for table in each.tables], HEAD)
        reached = connection.execute(_AHEAD, ([each.name for each in RESIDENTS],)).fetchone()
        # After that: what was reached then is in the ledger now, if it ever was in this one.
        head = ledger.execute("SELECT COALESCE(max(notification_id), 0) FROM ledger.events").fetchone()
        if reached and head and reached[0] > head[0]:
            message = (
                f"the read models are at position {reached[0]}, but the ledger ends at {head[0]}, as if it had been"
                " restored to an earlier point: run `seatledger projections rebuild`"
            )
            raise SchemaError(message)


def ledger_id(connection: psycopg.Connection) -> str:
    """Names this ledger for ever."""
    row = connection.execute(_LEDGER).fetchone()
    assert row is not None
    return str(row[0])


async def must_be_of(connection: AsyncConnection, ledger: str) -> None:
    """Raise StoreUnavailable if this database is not the ledger's: another one may stand at the address by now."""
    try:
        row = await (await connection.execute(_OURS)).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    if row != (ledger,):
        message = "READ_DATABASE_URL leads to a database that is not this ledger's"
        raise StoreUnavailable(message)


def _revision(connection: psycopg.Connection) -> str | None:
    row = connection.execute("SELECT to_regclass('ledger.events')").fetchone()
    if row and row[0]:
        message = "this is a ledger's own database: leave READ_DATABASE_URL out, or name an empty one"
        raise SchemaError(message)
    return revision(connection, "projecting.settings", HEAD)


def _must_be_whole(connection: psycopg.Connection, ledger: str) -> None:
    must_have(connection, TABLES, HEAD)
    if connection.execute(_OURS).fetchone() != (ledger,):
        message = "the read models there are another ledger's: name that ledger's DATABASE_URL, or an empty database"
        raise SchemaError(message)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Have each line begin with the setting that is wrong."""
    with plain_errors("READ_DATABASE_URL", ReadDatabaseAway):
        try:
            yield
        except SchemaError as error:
            message = f"READ_DATABASE_URL: {str(error).removeprefix('DATABASE_URL: ')}"
            raise SchemaError(message) from None
