"""A database that is away is told from a statement that is wrong, and no connection waits for ever."""

import asyncio
import gc
import os
import signal
import time
import warnings
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests

from adapters.postgres import availability
from adapters.postgres.availability import BoundedConnection, opened, reporting_unavailability, still_there, why_away
from services.ports import StoreUnavailable


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("08006", "connection"),
        ("25006", "read-only"),
        ("25P03", "too long"),
        ("40001", "because of others"),
        ("40P01", "because of others"),
        ("53100", "disk is full"),
        ("53200", "out of memory"),
        ("53300", "no connection left"),
        ("53400", "out of resources"),
        ("55P03", "locked"),
        ("57014", "gave a statement up"),
        ("57P01", "starting or stopping"),
        ("57P03", "starting or stopping"),
        ("58030", "machine"),
        ("XX000", "an error of its own"),
    ],
)
def test_what_would_do_later_on_is_the_database_s_trouble_with_its_plain_reason(code: str, reason: str) -> None:
    assert reason in str(why_away(errors.lookup(code)("said by the server")))


@pytest.mark.parametrize(
    "code", ["22P02", "23505", "23514", "25001", "42501", "42601", "42P01", "54000", "0A000", "P0001"]
)
def test_what_would_fail_again_is_the_statement_s_fault(code: str) -> None:
    assert why_away(errors.lookup(code)("said by the server")) is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PoolTimeout("late"), "no connection"),
        (TooManyRequests("many"), "too many wait"),
        (psycopg.OperationalError("server closed the connection"), "does not answer"),
        (psycopg.InterfaceError("the connection is closed"), "does not answer"),
    ],
)
def test_what_the_driver_itself_says_is_the_database_s_trouble(error: psycopg.Error, reason: str) -> None:
    assert reason in str(why_away(error))


def test_a_statement_that_the_driver_refuses_is_the_statement_s_fault() -> None:
    assert why_away(psycopg.ProgrammingError("one parameter is missing")) is None
    assert why_away(psycopg.DataError("a string with NUL")) is None


async def test_the_reason_is_reported_and_a_fault_is_passed_on_as_it_is() -> None:
    with pytest.raises(StoreUnavailable, match="the database's disk is full"):
        async with reporting_unavailability():
            raise errors.DiskFull
    with pytest.raises(errors.UniqueViolation):
        async with reporting_unavailability():
            raise errors.UniqueViolation


@pytest.fixture
async def connection(server_url: str) -> AsyncIterator[BoundedConnection]:
    async with await opened(server_url, within=5) as connection:
        yield connection


@pytest.mark.system
async def test_who_is_cancelled_while_a_connection_opens_leaves_none_behind(server_url: str) -> None:
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        ends = []
        for milliseconds in range(60):
            opening = asyncio.create_task(opened(server_url, within=5))
            await asyncio.sleep(milliseconds / 2_000)
            opening.cancel()
            (end,) = await asyncio.gather(opening, return_exceptions=True)
            ends.append(type(end))
            if isinstance(end, BoundedConnection):
                await end.close()
            del opening, end
        gc.collect()
    assert set(ends) == {asyncio.CancelledError, BoundedConnection}, "some too early, some too late"
    assert [str(warning.message) for warning in left_open] == []


@pytest.mark.system
async def test_a_frozen_server_is_given_up_after_a_time(
    connection: BoundedConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "ANSWER_SECONDS", 0.3)
    process = connection.info.backend_pid
    os.kill(process, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            await connection.execute("SELECT 1")
        assert 0.3 <= time.monotonic() - began < 3
    finally:
        os.kill(process, signal.SIGCONT)
    assert connection.closed


@pytest.mark.system
async def test_who_waits_for_news_names_a_time_of_its_own(
    connection: BoundedConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "ANSWER_SECONDS", 0.1)
    await connection.execute("LISTEN news")
    began = time.monotonic()
    assert [notice async for notice in connection.notifies(timeout=0.5)] == []
    assert time.monotonic() - began >= 0.5
    assert not connection.closed


@pytest.mark.system
async def test_the_server_gives_up_before_this_end_does(connection: BoundedConnection) -> None:
    row = await (await connection.execute("SHOW statement_timeout")).fetchone()
    assert row == ("5s",)
    assert availability.STATEMENT_SECONDS < availability.ANSWER_SECONDS


@pytest.mark.system
async def test_a_session_that_may_only_read_is_not_used_again(connection: BoundedConnection) -> None:
    await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(errors.ReadOnlySqlTransaction):
        await connection.execute("CREATE TABLE public.never (n int)")
    assert connection.closed


@pytest.mark.system
async def test_a_connection_that_the_server_closed_is_noticed_without_a_round_trip(
    connection: BoundedConnection, server_url: str
) -> None:
    await still_there(connection)
    async with await BoundedConnection.connect(server_url, autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        await still_there(connection)
