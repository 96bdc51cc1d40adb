"""Brings a database's schema up to date, once and under a lock, and says plainly when it does not fit."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Final
from uuid import uuid4

import psycopg

from adapters.postgres.read_model_tables import make_what_costs_nothing, outdated
from adapters.postgres.sight import API_ROLE
from adapters.postgres.views import make_missing_views
from projections.catalogue import PROJECTIONS
from projections.fold import Projection

HEAD: Final = "0008"
"""The revision that this version of the program needs."""

TABLES: Final = (
    "ledger.settings",
    "ledger.events",
    "ledger.commands",
    "ledger.vault",
    "ledger.work_claims",
    "ledger.relay",
    "ledger.access_log",
    "ledger.sign_ins",
    "ledger.sessions",
    "projecting.checkpoints",
    "projecting.parked",
    "projecting.spoilt",
    "projecting.read_models",
    "sandbox.books",
)
"""All tables but those of the read models."""

_OLDEST_MAJOR: Final = 14

CONNECT_SECONDS: Final = 5
"""How long a server may take to let somebody in."""


class SchemaError(Exception):
    """The database is not one that this version can work with; the message is one plain line."""


def migrate(url: str, partitions: int) -> str | None:
    """Run the steps that are missing; returns the revision there was before, None for an empty database.

    `url` must log in a role that may create roles and schemas. The first run fixes the number of partitions and the
    ledger's id. Raises SchemaError for a newer schema, another program's database, or another number of partitions.
    """
    with plain_errors(), psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        before = _revision(connection)
        if before == HEAD:
            _fix_settings(connection, partitions)
            return before
    with plain_errors():
        return upgraded(url, "versions", HEAD, _revision, lambda connection: _fix_settings(connection, partitions))


@contextmanager
def plain_errors(setting: str = "DATABASE_URL", away: type[SchemaError] = SchemaError) -> Iterator[None]:
    """Turn what the database of this setting says into a SchemaError of one line; `away` if it does not answer."""
    try:
        yield
    except psycopg.OperationalError as error:
        message = f"{setting}: the database does not answer: {first_line(error)}"
        raise away(message) from None
    except psycopg.Error as error:
        message = f"{setting}: this database can't be used: {first_line(error)}"
        raise SchemaError(message) from None


def first_line(error: Exception) -> str:
    """What the server says, without what it adds to explain."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def upgraded(
    url: str,
    versions: str,
    head: str,
    found: Callable[[psycopg.Connection], str | None],
    finish: Callable[[psycopg.Connection], None],
) -> str | None:
    """Run the steps of the folder `versions` under a lock, so that of several processes that start at once one does it.

    `found` tells the revision there is, and `finish` does what is done after each migration.
    """
    # Alembic takes half a second to load, which every start would pay for the one that needs it.
    import sqlalchemy  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    engine = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with as_file(files("adapters.postgres.migrations")) as folder, engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_lock(7238902346)")
            connection.commit()
            raw = connection.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)
            before = found(raw)
            raw.commit()
            if before != head:
                config = Config(attributes={"connection": connection})
                config.set_main_option("script_location", str(folder))
                config.set_main_option("path_separator", "newline")  # a folder's name may hold any other
                config.set_main_option("version_locations", str(folder / versions))
                command.upgrade(config, "head")
                connection.commit()
            finish(raw)
            raw.commit()
    except (sqlalchemy.exc.DBAPIError, CommandError) as error:  # all steps are one transaction: nothing was changed
        message = f"the schema could not be brought up to date: {first_line(getattr(error, 'orig', None) or error)}"
        raise SchemaError(message) from None
    finally:
        engine.dispose()
    return before


def read_models_to_rebuild(url: str, projections: Sequence[Projection] = PROJECTIONS) -> list[str]:
    """What is to be done with read models that are of another version than this program's, a line each."""
    with psycopg.connect(url) as connection:
        return [*outdated(connection, projections).values()]


def check(connection: psycopg.Connection, partitions: int) -> None:
    """Raise SchemaError unless the schema is this version's and whole, and its partitions are those of the settings."""
    must_be_at(_revision(connection), HEAD)
    may_become_api(connection)
    must_have(connection, TABLES)
    row = connection.execute("SELECT value FROM ledger.settings WHERE name = 'partitions'").fetchone()
    if row is None or int(row[0]) != partitions:
        fixed = row[0] if row else "none"
        message = f"the ledger has {fixed} partitions for ever; PARTITIONS={partitions} is refused"
        raise SchemaError(message)


def must_be_at(found: str | None, head: str) -> None:
    """Raise SchemaError unless the revision that was found is the one that this program needs."""
    if found != head:
        state = "empty" if found is None else f"at {found}"
        message = f"the database's schema is {state}, this program needs {head}: run `seatledger migrate`"
        raise SchemaError(message)


def may_become_api(connection: psycopg.Connection) -> None:
    """Raise SchemaError unless this role can give up what only the application may."""
    if connection.execute("SELECT pg_has_role(%s, 'MEMBER')", (API_ROLE,)).fetchone() != (True,):
        message = f"DATABASE_URL: this role may not become {API_ROLE}: connect as seatledger_app, or grant it"
        raise SchemaError(message)


def must_have(connection: psycopg.Connection, tables: Sequence[str], head: str = HEAD) -> None:
    """Raise SchemaError unless these tables are there, as they should be at this revision."""
    lost = (
        "SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS w (name, n) WHERE to_regclass(name) IS NULL ORDER BY n"
    )
    missing = connection.execute(lost, (list(tables),)).fetchone()
    if missing:
        message = f"the database says its schema is at {head}, but {missing[0]} is missing: restore it from a backup"
        raise SchemaError(message)


# Tables of nobody's extension: what the owner of a database made in it.
_SOMEBODYS: Final = """
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace NOT IN (
    SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg\\_%%' OR nspname = 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
LIMIT 1
"""


def _revision(connection: psycopg.Connection) -> str | None:
    return revision(connection, "ledger.events", HEAD)


def revision(connection: psycopg.Connection, mark: str, head: str) -> str | None:
    """The schema's revision, None for an empty database; `mark` is the table that shows whose it is.

    Raises SchemaError for another program's database, an older server, and what is newer than `head`.
    """
    major = connection.info.server_version // 10000
    if major < _OLDEST_MAJOR:
        message = f"DATABASE_URL: the server is PostgreSQL {major}, this program needs {_OLDEST_MAJOR} or newer"
        raise SchemaError(message)
    there = connection.execute("SELECT to_regclass('public.alembic_version'), to_regclass(%s)", (mark,)).fetchone()
    assert there is not None
    versioned, ours = there
    if not ours and (versioned or connection.execute(_SOMEBODYS).fetchone()):
        message = "the database belongs to another program: name an empty one"
        raise SchemaError(message)
    row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone() if versioned else None
    if ours and not (row and re.fullmatch(r"[0-9]{4}", row[0])):
        schema = mark.partition(".")[0]
        message = f"the database has a schema `{schema}` that no version of this program made: name an empty database"
        raise SchemaError(message)
    if row and row[0] > head:
        message = f"the database's schema ({row[0]}) is newer than this program ({head}): update the program"
        raise SchemaError(message)
    return str(row[0]) if row else None


def _fix_settings(connection: psycopg.Connection, partitions: int) -> None:
    connection.execute(
        "INSERT INTO ledger.settings (name, value) VALUES ('partitions', %s), ('ledger_id', %s) ON CONFLICT DO NOTHING",
        (str(partitions), str(uuid4())),
    )
    check(connection, partitions)
    make_what_costs_nothing(connection)
    make_missing_views(connection)
