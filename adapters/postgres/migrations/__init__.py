"""The database schema, as plain SQL in numbered steps."""
