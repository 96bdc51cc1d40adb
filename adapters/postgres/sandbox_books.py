"""The sandbox counterparties' books in PostgreSQL: shared by every process, and whole whatever is killed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.availability import reporting_unavailability
from adapters.sandbox_books import LONGEST_WAIT, Document, Entries, stored_form

# The time-out holds until the transaction ends, so it bounds the two statements' wait for others' locks as well; set
# here, it costs no round trip of its own.
_MAKE: Final = """
INSERT INTO sandbox.books (book, key, document)
SELECT %(book)s, %(key)s, '{}' FROM set_config('lock_timeout', %(wait)s, true)
ON CONFLICT (book, key) DO NOTHING
"""
_LOCK: Final = "SELECT document FROM sandbox.books WHERE book = %(book)s AND key = %(key)s FOR UPDATE"
_STORE: Final = "UPDATE sandbox.books SET document = %(document)s::jsonb WHERE book = %(book)s AND key = %(key)s"
_READ: Final = "SELECT document FROM sandbox.books WHERE book = %s AND key = %s AND document <> '{}'"
_LIST: Final = "SELECT key, document FROM sandbox.books WHERE book = %s AND document <> '{}' ORDER BY inserted"


class PostgresBooks:
    """adapters.sandbox_books.SandboxBooks over the table sandbox.books."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], longest_wait: float = LONGEST_WAIT) -> None:
        """Work through this pool; each block holds one of its connections."""
        self._pool, self._longest_wait = pool, longest_wait

    @asynccontextmanager
    async def entry(self, book: str, key: str) -> AsyncIterator[Document]:
        """See SandboxBooks."""
        place = {"book": book, "key": key, "wait": f"{self._longest_wait * 1000:.0f}ms"}
        async with reporting_unavailability(), self._pool.connection() as connection, connection.transaction():
            await connection.execute(_MAKE, place)
            cursor = await connection.execute(_LOCK, place)
            (document,) = (await cursor.fetchall())[0]
            before = stored_form(document)
            yield document
            after = stored_form(document)
            if after != before:
                await connection.execute(_STORE, {**place, "document": after})

    async def read(self, book: str, key: str) -> Document | None:
        """See SandboxBooks."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            cursor = await connection.execute(_READ, (book, key))
            row = await cursor.fetchone()
        return row[0] if row else None

    async def list(self, book: str) -> Entries:
        """See SandboxBooks."""
        async with reporting_unavailability(), self._pool.connection() as connection:
            cursor = await connection.execute(_LIST, (book,))
            return await cursor.fetchall()
