"""Who may read which rows: roles of the database, row policies, views for others, and the log of who looked."""

from adapters.postgres.migrations.plain_sql import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make roles, policies and tables."""
    run("0007_access.sql")
