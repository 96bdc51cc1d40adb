"""Runs a step's SQL file as it is written."""

from importlib.resources import files

from alembic import op


def run(name: str) -> None:
    """Run the file as one simple query, so that it may hold many statements and any character."""
    text = files("adapters.postgres.migrations").joinpath("sql", name).read_text(encoding="utf-8")
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        message = "the migration's connection is closed"
        raise RuntimeError(message)
    connection.execute(text)
