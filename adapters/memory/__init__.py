"""The ledger in memory: the same contracts without a server, for unit tests and for trying things out."""
