"""To-do entries with their work and time, notices, the care list."""

from adapters.postgres.migrations.plain_sql import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change the read models; they are built again at the next start."""
    run("0004_every_way.sql")
