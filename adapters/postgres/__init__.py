"""PostgreSQL: the event store, the read models, leases and claims, and the embedded server."""
