"""Alembic's entry: runs the numbered steps on the connection that adapters.postgres.schema opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table_schema="public")
with context.begin_transaction():
    context.run_migrations()
