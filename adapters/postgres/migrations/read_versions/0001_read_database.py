"""A database for read models alone: checkpoints, parked events, roles, and which ledger it belongs to."""

from adapters.postgres.migrations.plain_sql import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make what the read models' own tables stand on."""
    run("read_0001.sql")
