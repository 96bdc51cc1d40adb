"""One rebuild of a projection at a time, and no retry of parked events beside it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection


class RebuildRunning(Exception):
    """The projection is being rebuilt, or compared, at this moment."""


def _key(name: str) -> int:
    digest = hashlib.sha256(f"seatledger rebuild {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


@asynccontextmanager
async def alone(connection: AsyncConnection, name: str) -> AsyncIterator[None]:
    """Hold the projection for a rebuild until the block or the connection ends. Raises RebuildRunning."""
    await _must_get(connection, "SELECT pg_try_advisory_lock(%s)", name)
    try:
        yield
    finally:
        # The server learns of a closed connection a moment later, and whoever comes next must not be refused for that.
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_key(name),))


async def shared_with_rebuilds(connection: AsyncConnection, name: str) -> None:
    """Keep rebuilds away until the transaction ends. Raises RebuildRunning."""
    await _must_get(connection, "SELECT pg_try_advisory_xact_lock_shared(%s)", name)


async def _must_get(connection: AsyncConnection, query: str, name: str) -> None:
    row = await (await connection.execute(query.encode(), (_key(name),))).fetchone()
    if not row or not row[0]:
        message = f"{name} is being rebuilt or retried at this moment: try again after that"
        raise RebuildRunning(message)
