"""What `chaos store` loads a ledger with: writers of right and wrong appends, VACUUM, and a reader at the log's end."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.log.direct import DirectLog
from adapters.postgres.group_commit import GroupCommit
from adapters.postgres.wakeups import EVENTS, Wakeups
from benchmarks.store_writer import Answer, Writer

PROCESSES: Final = 2
WRITERS: Final = 8
"""In each process, all behind its one group commit."""
PATIENCE: Final = 240.0
"""Seconds until the writers end, whether they are done or not."""

_PAGE: Final = 1000
"""As large as those that projections read."""

_STORED: Final = """
SELECT notification_id, event_id, originator_id, originator_version, recorded_at FROM ledger.events
ORDER BY notification_id
"""
_VACUUM: Final = "VACUUM (ANALYZE) ledger.events, ledger.commands, ledger.vault"


class Stored(NamedTuple):
    """An event as the table has it in the end."""

    position: int
    event_id: UUID
    stream: UUID
    version: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """What the writers were told, what the reader saw (position and event id, in its order), and what is there."""

    answers: Sequence[Answer]
    seen: Sequence[tuple[int, UUID]]
    stored: Sequence[Stored]
    vacuums: int
    seconds: float


def under_load(
    url: str,
    owner_url: str,
    events: int,
    told: Callable[[int], None],
    log: type[DirectLog] = DirectLog,
    writer: type[GroupCommit] = GroupCommit,
) -> Books:
    """Write about so many events into an empty ledger while a third process reads them and VACUUM runs.

    `told` gets the last position now and then. `log` and `writer` are those of the product unless a fault is planted.
    """
    began = time.monotonic()
    spawning = multiprocessing.get_context("spawn")
    pipe, theirs = spawning.Pipe()
    reader = spawning.Process(target=_read_until_told, args=(url, log, theirs), daemon=True)
    reader.start()
    theirs.close()  # so that the end of a reader that fails is noticed here
    vacuums = 0
    try:
        _received(pipe)  # it stands at the log's end before there is anything
        with ProcessPoolExecutor(PROCESSES, spawning) as processes, psycopg.connect(owner_url) as connection:
            connection.autocommit = True
            share = -(-events // (PROCESSES * WRITERS))
            writing = [processes.submit(_written, url, writer, number, share) for number in range(PROCESSES)]
            while not all(each.done() for each in writing):
                connection.execute(_VACUUM)
                vacuums += 1
                told(_last(connection))
            answers = [answer for each in writing for answer in each.result()]
            seconds = time.monotonic() - began
            pipe.send(_last(connection))
            seen = _received(pipe)
            stored = [Stored(*row) for row in connection.execute(_STORED)]
    finally:
        reader.kill()
        reader.join()
    return Books(answers, seen, stored, vacuums, seconds)


def _received(pipe: Connection) -> Any:
    """What the reader sends next."""
    if not pipe.poll(60):
        message = "the reader did not answer within 60 s"
        raise TimeoutError(message)
    return pipe.recv()


def _last(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT COALESCE(max(notification_id), 0) FROM ledger.events").fetchone()
    return int(row[0]) if row else 0


def _read_until_told(url: str, log: type[DirectLog], pipe: Connection) -> None:
    """Read from the log's start as projections do, until a position that the pipe names; send back what was seen."""

    async def read() -> list[tuple[int, UUID]]:
        seen: list[tuple[int, UUID]] = []
        until: int | None = None
        wakeups = Wakeups(lambda: AsyncConnection.connect(url, autocommit=True))
        wakeups.start()
        async with AsyncConnectionPool(url, open=False, kwargs={"autocommit": True}) as pool:
            tailing = log(pool, wakeups)
            reached = dict.fromkeys(await tailing.ends(), 0)
            pipe.send("ready")
            while until is None or min(reached.values()) < until:
                page = await tailing.read(reached, _PAGE)
                reached = dict(page.reached)
                seen += [(record.position, record.event_id) for record in page.records]
                if until is None and pipe.poll():
                    until = pipe.recv()
                if not page.records:
                    await tailing.wait(0.2)
        await wakeups.stop()
        return seen

    pipe.send(asyncio.run(read()))


def _written(url: str, writer: type[GroupCommit], number: int, share: int) -> list[Answer]:
    """What one process's writers were told, each until it has written its share of events."""

    async def write() -> list[Answer]:
        wakeups = Wakeups(lambda: AsyncConnection.connect(url, autocommit=True))
        wakeups.start()
        group = writer(
            lambda: AsyncConnection.connect(url, autocommit=True, prepare_threshold=1), lambda _: wakeups.ring(EVENTS)
        )
        group.start()
        ends_at = time.monotonic() + PATIENCE
        writers = [Writer(group, number * WRITERS + each) for each in range(WRITERS)]
        await asyncio.gather(*(each.write(share, ends_at) for each in writers))
        await group.stop()
        await wakeups.stop()
        return [answer for each in writers for answer in each.answers]

    return asyncio.run(write())
