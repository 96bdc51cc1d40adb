"""Tells a database that is away from a statement that is wrong, and waits for no answer for ever."""

from typing import Any, Final

import psycopg
import psycopg_pool

from services.ports import StoreUnavailable

STATEMENT_SECONDS: Final = 5.0
"""After this the server gives a statement up, so that nobody waits behind a lock for ever."""

ANSWER_SECONDS: Final = 6.0
"""After this the connection is given up: the server is frozen, or the network is gone."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html, the longest beginning that fits counts. What is not
# here is the statement's fault or ours: it would fail again. psycopg's own classes do not tell the two apart: its
# OperationalError has program limits (54), and a read-only database is an InternalError.
_REASONS: Final = {
    "08": "the connection to the database was lost",
    "25006": "the database is read-only",
    "25P": "the database ended a transaction that took too long",
    "40": "the database undid a transaction because of others",
    "53": "the database is out of resources",
    "53100": "the database's disk is full",
    "53200": "the database is out of memory",
    "53300": "the database has no connection left",
    "55P03": "the database is too slow: something else is locked for long",
    "57014": "the database is too slow: it gave a statement up",
    "57P": "the database is starting or stopping",
    "58": "the database's machine has an error",
    "XX": "the database has an error of its own",  # a file system's quota and a limit on files are among these
}


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """A connection on which no answer is waited for longer than ANSWER_SECONDS, unless the caller names a time."""

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109 -- psycopg's
        """See psycopg.AsyncConnection; raises OperationalError and closes when the time is over."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, ANSWER_SECONDS)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 -- "callers should convert it", and there is no other name
            self.pgconn.finish()
            message = f"no answer within {ANSWER_SECONDS:g} s"
            raise psycopg.OperationalError(message) from None
        except psycopg.errors.ReadOnlySqlTransaction:
            self.pgconn.finish()  # this session may stay so for ever; the next one finds the server that writes
            raise


async def tune(connection: psycopg.AsyncConnection[Any]) -> None:
    """Make a new connection one of the application's."""
    await connection.set_autocommit(True)
    connection.prepare_threshold = 1
    await connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000:.0f}".encode())


async def opened(url: str, within: int) -> BoundedConnection:
    """A connection for one alone, whose it is to close; raises psycopg.Error, after `within` seconds at the latest."""
    connection = await BoundedConnection.connect(url, connect_timeout=within)
    try:
        await tune(connection)
    except BaseException:  # a cancellation, too: nobody else has it to close
        await connection.close()
        raise
    return connection


async def still_there(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raise OperationalError if the server closed the connection while it was idle.

    Asks this end's socket only, a few microseconds: a round trip would be a tenth of a query.
    """
    connection.pgconn.consume_input()  # a last message of the server ...
    connection.pgconn.consume_input()  # ... and the end behind it


def why_away(error: psycopg.Error) -> str | None:
    """Why the database can't work at present, in plain words; None if it is the statement that is wrong."""
    if isinstance(error, psycopg_pool.TooManyRequests):
        return "too many wait for the database already"
    if isinstance(error, psycopg_pool.PoolTimeout):
        return "no connection to the database was to be had in time"
    if error.sqlstate is not None:
        fitting = [begin for begin in _REASONS if error.sqlstate.startswith(begin)]
        return _REASONS[max(fitting, key=len)] if fitting else None
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):  # said by the driver, not by a server
        return "the database does not answer"
    return None


class reporting_unavailability:  # noqa: N801 -- used as a function would be, and a third of what a generator costs
    """Turns what is no fault of the statement into StoreUnavailable, with its plain reason."""

    async def __aenter__(self) -> None:
        """Nothing to open."""

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise StoreUnavailable in place of the driver's error."""
        if isinstance(error, psycopg.Error):
            reason = why_away(error)
            if reason is not None:
                raise StoreUnavailable(reason) from error
