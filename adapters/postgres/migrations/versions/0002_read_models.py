"""The read models of the first release."""

from adapters.postgres.migrations.plain_sql import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the schemas."""
    run("0002_read_models.sql")
