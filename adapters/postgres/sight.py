"""Which accounts the statements of whoever is served now may see: told to the database with each transaction.

Whatever runs in the process by itself (workers, commands of the command line) sees every account. Whoever comes from
outside sees nothing until he is known: adapters.http.unknown_at_first sees to that.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

API_ROLE: Final = "seatledger_api"


class Seen(NamedTuple):
    """A setting that the row policies go by (adapters.postgres.row_policies), and its value."""

    setting: str
    value: str


def these_accounts(*ids: UUID) -> Seen:
    """These alone."""
    return Seen("seatledger.accounts", f"{{{','.join(map(str, ids))}}}")


def these_territories(names: Iterable[str]) -> Seen:
    r"""The accounts of these territories, but nothing that belongs to them.

    >>> these_territories(['north "and" south']).value
    '{"north \\"and\\" south"}'
    """
    quoted = ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    return Seen("seatledger.territories", f"{{{','.join(quoted)}}}")


EVERY_ACCOUNT: Final = Seen("seatledger.every_account", "on")
NO_ACCOUNT: Final = these_accounts()

seen: Final[ContextVar[Seen]] = ContextVar("seen", default=EVERY_ACCOUNT)

_SEE: Final = "SELECT set_config(%s, %s, true)"


@asynccontextmanager
async def seeing(pool: AsyncConnectionPool[AsyncConnection]) -> AsyncIterator[AsyncConnection]:
    """A connection whose statements, until the block ends, are one transaction that sees what is to be seen now.

    They go to the server together (a pipeline), so that the setting costs no round trip of its own.
    """
    async with pool.connection() as connection, connection.pipeline():
        await connection.execute(_SEE, seen.get(), prepare=True)
        yield connection


async def become_api(connection: AsyncConnection[Any]) -> None:
    """Give up what only the application may, for as long as the connection lasts."""
    await connection.execute(f"SET ROLE {API_ROLE}".encode())
