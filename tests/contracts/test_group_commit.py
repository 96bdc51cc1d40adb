"""The group commit when things go wrong: answers lost, the database away, the writer dead, too many waiting."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from adapters.appending import Append, EventRow
from adapters.postgres.availability import BoundedConnection
from adapters.postgres.group_commit import GroupCommit, Stored, WriterStopped
from domain.envelope import Actor, Role
from services.ports import CommandContext, StoreUnavailable, VersionConflict

pytestmark = pytest.mark.system

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


def an_append(stream: UUID | None = None, version: int = 1, state: bytes = b"{}", partition: int = 3) -> Append:
    """One event of one stream."""
    stream, command = stream or uuid4(), uuid4()
    context = CommandContext(command, Actor("p", Role.OPERATOR), NOON, command, command)
    row = EventRow(stream, version, "SelfServiceAllowed.v1", state, uuid4(), NOON, UUID(int=1), partition)
    return Append(context, ((stream, version - 1),), (row,), (), "BillingAccount", stream, version)


@asynccontextmanager
async def writing(url: str, **options: Any) -> AsyncIterator[GroupCommit]:
    """A writer at work."""
    writer = GroupCommit(lambda: AsyncConnection.connect(url, autocommit=True), lambda _: None, **options)
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


def count(url: str) -> int:
    """How many events there are."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.events").fetchone()
    assert row is not None
    return int(row[0])


async def test_a_commit_whose_answer_is_lost_is_found_and_not_done_twice(ledger_url: str) -> None:
    class LosesTheAnswer(GroupCommit):
        """A writer whose connection is cut right after COMMIT."""

        cuts = 0

        async def _call(self, appends: Any) -> Any:
            results = await super()._call(appends)
            if self.cuts < 1:
                self.cuts += 1
                message = "cut"
                raise psycopg.OperationalError(message)
            return results

    writer = LosesTheAnswer(lambda: AsyncConnection.connect(ledger_url, autocommit=True), lambda _: None)
    writer.start()
    stored = await asyncio.gather(*(writer.append(an_append()) for _ in range(10)))
    await writer.stop()
    assert sorted(each.position.position for each in stored) == list(range(1, 11))
    assert not any(each.here for each in stored), "another call stored them, as far as this one can know"
    assert count(ledger_url) == 10
    assert writer.cuts == 1


async def test_a_backend_that_is_killed_under_load_costs_nothing(ledger_url: str) -> None:
    owner = ledger_url.replace("seatledger_app@", "postgres@", 1)
    async with writing(ledger_url) as writer:

        async def kill() -> None:
            async with await AsyncConnection.connect(owner, autocommit=True) as connection:
                for _ in range(20):
                    await asyncio.sleep(0.01)
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE usename = 'seatledger_app' AND datname = current_database()"
                    )

        killing = asyncio.create_task(kill())
        done: list[Stored] = []
        while not killing.done():
            done += await asyncio.gather(*(writer.append(an_append()) for _ in range(50)))
        await killing
    assert count(ledger_url) == len(done)
    assert len({each.position.position for each in done}) == len(done)


async def test_an_event_that_the_database_refuses_fails_alone(ledger_url: str) -> None:
    async with writing(ledger_url) as writer:
        appends = [an_append(partition=99_999 if number == 5 else 3) for number in range(10)]
        appends[5] = an_append(state=b"x" * 300_000)
        results = await asyncio.gather(*map(writer.append, appends), return_exceptions=True)
    assert [isinstance(each, Stored) for each in results] == [number != 5 for number in range(10)]
    assert isinstance(results[5], psycopg.errors.CheckViolation)


async def test_the_second_of_two_on_one_stream_waits_for_the_next_call_and_is_in_conflict(ledger_url: str) -> None:
    stream = uuid4()
    async with writing(ledger_url) as writer:
        results = await asyncio.gather(
            *(writer.append(an_append(stream)) for _ in range(5)), writer.append(an_append()), return_exceptions=True
        )
        after = await asyncio.gather(writer.append(an_append(stream, 2)), writer.append(an_append(stream, 3)))
    assert [type(each) for each in results] == [Stored, *[VersionConflict] * 4, Stored]
    assert [each.position.position for each in after] == [3, 4]


async def test_a_caller_that_goes_away_before_its_turn_is_skipped_and_others_are_not(ledger_url: str) -> None:
    async with writing(ledger_url) as writer:
        gone = asyncio.create_task(writer.append(an_append()))
        stays = asyncio.create_task(writer.append(an_append()))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
    assert count(ledger_url) == 2, "what was handed over is written all the same"


async def test_while_the_database_is_away_appends_wait_and_then_say_so(ledger_url: str) -> None:
    async def nobody_there() -> AsyncConnection:
        message = "away"
        raise psycopg.OperationalError(message)

    writer = GroupCommit(nobody_there, lambda _: None, patience=0.05)
    writer.start()
    with pytest.raises(StoreUnavailable):
        await writer.append(an_append())
    assert writer.alive
    await writer.stop()
    assert count(ledger_url) == 0


async def test_who_waits_behind_a_call_that_does_not_end_waits_no_longer_than_its_own_patience(ledger_url: str) -> None:
    owner = ledger_url.replace("seatledger_app@", "postgres@", 1)
    async with writing(ledger_url, patience=0.3) as writer:
        await writer.append(an_append())
        with psycopg.connect(owner) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(7238902345)")
            first = asyncio.create_task(writer.append(an_append()))
            await asyncio.sleep(0.15)
            second = asyncio.create_task(writer.append(an_append()))
            began = time.monotonic()
            results = await asyncio.gather(first, second, return_exceptions=True)
            assert time.monotonic() - began < 3
        assert [type(each) for each in results] == [StoreUnavailable] * 2
        await writer.append(an_append())
    assert count(ledger_url) == 3, "the first was handed over, and is written all the same; the second never is"


async def test_the_trouble_is_said_until_something_is_written(ledger_url: str) -> None:
    owner = ledger_url.replace("seatledger_app@", "postgres@", 1)
    name = ledger_url.partition("/ledger_")[2].partition("?")[0]
    turn = f"ALTER DATABASE ledger_{name} SET default_transaction_read_only = "

    def connect() -> Any:
        return BoundedConnection.connect(ledger_url, autocommit=True)

    writer = GroupCommit(connect, lambda _: None, patience=0.2)
    writer.start()
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"{turn} on".encode())
        with pytest.raises(StoreUnavailable, match="read-only"):
            await writer.append(an_append())
        said = [writer.trouble]
        connection.execute(f"{turn} off".encode())
    await writer.append(an_append())
    said.append(writer.trouble)
    await writer.stop()
    said.append(writer.trouble)
    assert said == ["the database is read-only", None, "the writer has ended: restart this process"]


async def test_too_many_waiting_are_refused_at_once(ledger_url: str) -> None:
    async with writing(ledger_url, queue_at_most=3) as writer:
        results = await asyncio.gather(*(writer.append(an_append()) for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in results].count(StoreUnavailable) == 2
    assert count(ledger_url) == 3


async def test_a_dead_writer_fails_all_who_wait_and_all_who_come(ledger_url: str) -> None:
    async with writing(ledger_url) as writer:
        waiting = asyncio.create_task(writer.append(an_append()))
        await asyncio.sleep(0)
        assert writer._task is not None
        writer._task.cancel()
        with pytest.raises(WriterStopped):
            await waiting
        assert not writer.alive
        with pytest.raises(WriterStopped):
            await writer.append(an_append())
