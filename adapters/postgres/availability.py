"""Tells a database that is away from a statement that is wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import psycopg_pool

from services.ports import StoreUnavailable

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)


@asynccontextmanager
async def reporting_unavailability() -> AsyncIterator[None]:
    """Turn a lost, refused or exhausted connection into StoreUnavailable."""
    try:
        yield
    except _AWAY as error:
        message = f"the database does not answer ({type(error).__name__})"
        raise StoreUnavailable(message) from error
