"""The books of the sandbox counterparties, apart from the ledger as a real counterparty's would be."""

from adapters.postgres.migrations.plain_sql import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the schema."""
    run("sandbox.sql")
