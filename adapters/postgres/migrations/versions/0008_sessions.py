"""Sessions of people who signed in to pages, and sign-ins under way."""

from adapters.postgres.migrations.plain_sql import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make both tables."""
    run("0008_sessions.sql")
