"""Where the relay to Kafka is, and messages that could not be read."""

from adapters.postgres.migrations.plain_sql import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make both tables."""
    run("0006_relay.sql")
