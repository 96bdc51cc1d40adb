"""The adapters that the contracts are tried on: books in memory and in PostgreSQL."""

from collections.abc import AsyncIterator
from importlib.resources import files

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.clock import MovableClock
from adapters.log.kafka_access import KafkaAccess
from adapters.postgres.sandbox_books import PostgresBooks
from adapters.sandbox_books import MemoryBooks, SandboxBooks
from adapters.sandbox_script import Script
from tests.contracts.projection_bench import Bench, opened_bench

# Two connections for many calls at once: an adapter that needs a second one inside a block would stop here.
_CONNECTIONS = 2


@pytest.fixture
def sandbox_url(server_url: str) -> str:
    """The server with empty books."""
    statements = files("adapters.postgres.migrations").joinpath("sql", "sandbox.sql").read_bytes()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS sandbox CASCADE")
        connection.execute(statements)
    return server_url


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.system)])
async def books(request: pytest.FixtureRequest) -> AsyncIterator[SandboxBooks]:
    """Empty books of each kind."""
    if request.param == "memory":
        yield MemoryBooks()
        return
    pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
        request.getfixturevalue("sandbox_url"),
        min_size=_CONNECTIONS,
        max_size=_CONNECTIONS,
        timeout=10,
        kwargs={"autocommit": True},  # as it is harder: a block must be one transaction by itself
        open=False,
    )
    async with pool:
        yield PostgresBooks(pool)


@pytest.fixture
def clock(books: SandboxBooks) -> MovableClock:
    """A clock that keeps its offset in the same books."""
    return MovableClock(books)


@pytest.fixture
def script(books: SandboxBooks) -> Script:
    """What an operator plans from outside."""
    return Script(books)


@pytest.fixture
async def bench(ledger_url: str) -> AsyncIterator[Bench]:
    """An empty ledger, open."""
    async with opened_bench(ledger_url) as opened:
        yield opened


@pytest.fixture
async def kafka_bench(ledger_url: str, kafka: KafkaAccess) -> AsyncIterator[Bench]:
    """An empty ledger whose log is a topic on the session's broker, with its relay at work."""
    async with opened_bench(ledger_url, kafka) as opened:
        yield opened


@pytest.fixture(params=["direct", "kafka"])
def any_bench(request: pytest.FixtureRequest) -> Bench:
    """An empty ledger with a log of each kind."""
    bench: Bench = request.getfixturevalue("bench" if request.param == "direct" else "kafka_bench")
    return bench
