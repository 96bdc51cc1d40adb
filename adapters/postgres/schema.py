"""Brings a database's schema up to date, once and under a lock, and says plainly when it does not fit."""

from importlib.resources import as_file, files
from typing import Final
from uuid import uuid4

import psycopg

from adapters.postgres.read_model_tables import make_what_costs_nothing, outdated

HEAD: Final = "0005"
"""The revision that this version of the program needs."""


class SchemaError(Exception):
    """The database is not one that this version can work with; the message is one plain line."""


def migrate(url: str, partitions: int) -> str | None:
    """Run the steps that are missing; returns the revision there was before, None for an empty database.

    `url` must log in a role that may create roles and schemas. The first run fixes the number of partitions and the
    ledger's id. Raises SchemaError for a newer schema, another program's database, or another number of partitions.
    """
    try:
        with psycopg.connect(url) as connection:
            before = _revision(connection)
            if before == HEAD:
                _fix_settings(connection, partitions)
                return before
    except psycopg.OperationalError as error:
        message = f"the database does not answer: {str(error).splitlines()[0]}"
        raise SchemaError(message) from None
    return _upgrade(url, partitions)


def _upgrade(url: str, partitions: int) -> str | None:
    """Run the steps under a lock, so that of several processes that start at once one does it."""
    # Alembic takes half a second to load, which every start would pay for the one that needs it.
    import sqlalchemy  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    engine = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with as_file(files("adapters.postgres.migrations")) as folder, engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_lock(7238902346)")
            connection.commit()
            raw = connection.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)
            before = _revision(raw)
            raw.commit()
            if before is not None and before > HEAD:
                message = f"the database's schema ({before}) is newer than this program ({HEAD}): update the program"
                raise SchemaError(message)
            if before != HEAD:
                config = Config(attributes={"connection": connection})
                config.set_main_option("script_location", str(folder))
                command.upgrade(config, "head")
                connection.commit()
            _fix_settings(raw, partitions)
            raw.commit()
    finally:
        engine.dispose()
    return before


def read_models_to_rebuild(url: str) -> list[str]:
    """What is to be done with read models that are of another version than this program's, a line each."""
    with psycopg.connect(url) as connection:
        return [*outdated(connection).values()]


def check(connection: psycopg.Connection, partitions: int) -> None:
    """Raise SchemaError unless the schema is this version's and its partitions are those of the settings."""
    found = _revision(connection)
    if found != HEAD:
        state = "empty" if found is None else f"at {found}"
        message = f"the database's schema is {state}, this program needs {HEAD}: run `seatledger migrate`"
        raise SchemaError(message)
    row = connection.execute("SELECT value FROM ledger.settings WHERE name = 'partitions'").fetchone()
    if row is None or int(row[0]) != partitions:
        fixed = row[0] if row else "none"
        message = f"the ledger has {fixed} partitions for ever; PARTITIONS={partitions} is refused"
        raise SchemaError(message)


def _revision(connection: psycopg.Connection) -> str | None:
    there = connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()
    ours = connection.execute("SELECT to_regclass('ledger.events')").fetchone()
    if there is None or there[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    if row is not None and (ours is None or ours[0] is None):
        message = "the database belongs to another program: name an empty one"
        raise SchemaError(message)
    return str(row[0]) if row else None


def _fix_settings(connection: psycopg.Connection, partitions: int) -> None:
    connection.execute(
        "INSERT INTO ledger.settings (name, value) VALUES ('partitions', %s), ('ledger_id', %s) ON CONFLICT DO NOTHING",
        (str(partitions), str(uuid4())),
    )
    check(connection, partitions)
    make_what_costs_nothing(connection)
