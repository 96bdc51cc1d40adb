"""The books of the sandbox counterparties, apart from the ledger as a real counterparty's would be."""

from alembic import op

from adapters.postgres.migrations.plain_sql import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the schema."""
    op.execute("SET LOCAL ROLE seatledger_owner")
    run("sandbox.sql")
    op.execute("GRANT USAGE ON SCHEMA sandbox TO seatledger_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sandbox.books TO seatledger_app")
    op.execute("RESET ROLE")
