"""The ledger: events, commands, vault, claims, checkpoints."""

from adapters.postgres.migrations.plain_sql import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the schema."""
    run("0001_ledger.sql")
