"""Parked events, and the versions of the read models' tables."""

from adapters.postgres.migrations.plain_sql import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make both tables."""
    run("0005_parking.sql")
