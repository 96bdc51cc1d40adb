"""One writer a process: all appends that wait go to the database in one call, and each succeeds or fails alone."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from adapters.appending import Append
from adapters.postgres.availability import why_away
from services.background import ended
from services.ports import Position, StoreUnavailable, VersionConflict

_CALL: Final = (
    "SELECT base, recorded, refused FROM ledger.append("
    "%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::uuid[], %b::text[], %b::bytea[], "
    "%b::text[], %b::uuid[], %b::int4[], %b::uuid[], %b::int4[], "
    "%b::int4[], %b::uuid[], %b::int4[], "
    "%b::int4[], %b::uuid[], %b::int4[], %b::text[], %b::bytea[], %b::uuid[], %b::timestamptz[], %b::uuid[], "
    "%b::int2[], "
    "%b::int4[], %b::uuid[], %b::int4[], %b::uuid[], %b::text[], %b::bytea[], %b::bytea[])"
)

_OWN: Final = """
SELECT event_id, notification_id, partition FROM ledger.events
WHERE originator_id = %s AND originator_version = %s
"""

_BATCH_AT_MOST: Final = 500
_BYTES_AT_MOST: Final = 4 * 1024 * 1024
_TROUBLE_SECONDS: Final = 10.0


class Stored(NamedTuple):
    """Where an append's last event is, and whether this very call stored it.

    It may have been another call of the same command, in another process or before its answer was lost: then the
    events have these ids, and what they say need not be what was decided here.
    """

    position: Position
    here: bool


class WriterStopped(StoreUnavailable):
    """The writer has ended; the process must be restarted."""


class GroupCommit:
    """Drains what waits into one call of ledger.append; `on_commit` is called after each that stored something.

    `connect` opens an autocommit connection of the application's role. At most `queue_at_most` appends wait; one
    more is StoreUnavailable, and so is one that has waited `patience` seconds, as while the database is away.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        on_commit: Callable[[int], None],
        queue_at_most: int = 10_000,
        patience: float = 5.0,
        on_call: Callable[[float, Sequence[object]], None] = lambda *_: None,
    ) -> None:
        """Nothing is opened before `run`. `on_call` gets each call's begin, by time.perf_counter, and its results."""
        self._on_call = on_call
        self._connect, self._on_commit = connect, on_commit
        self._queue_at_most, self._patience = queue_at_most, patience
        self._waiting: deque[tuple[Append, asyncio.Future[Stored]]] = deque()
        self._filled = asyncio.Event()
        self._connection: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed: tuple[float, str] | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written; None once something was, and when the last who tried is some time ago.

        For only a write tells whether a full disk has room again: somebody has to try.
        """
        if not self.alive:
            return "the writer has ended: restart this process"
        return self._failed[1] if self._failed and time.monotonic() < self._failed[0] + _TROUBLE_SECONDS else None

    @property
    def waiting(self) -> int:
        """How many appends wait."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether appends are being written."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="group commit")

    async def stop(self) -> None:
        """Write what waits, if that is possible now, then end."""
        give_up_at = time.monotonic() + self._patience
        if self._task:
            while self._waiting and self.alive and time.monotonic() < give_up_at:  # noqa: ASYNC110 -- once in a life
                await asyncio.sleep(0.005)
            await ended(self._task)
        if self._connection:
            await self._connection.close()

    async def append(self, append: Append) -> Stored:
        """Store the append; raises VersionConflict or StoreUnavailable. A caller that goes away cancels nothing."""
        if not self.alive:
            message = "the writer has ended"
            raise WriterStopped(message)
        if len(self._waiting) >= self._queue_at_most:
            message = f"{self._queue_at_most} appends wait already"
            raise StoreUnavailable(message)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Stored] = loop.create_future()
        self._waiting.append((append, future))
        self._filled.set()
        patience = loop.call_later(self._patience, self._lose_patience, future)  # a third of what asyncio.timeout costs
        try:
            return await asyncio.shield(future)
        finally:
            patience.cancel()

    def _lose_patience(self, future: asyncio.Future[Stored]) -> None:
        """Tell who waits: what was not yet handed over is never written; of what was, nobody knows."""
        reason = self._failed[1] if self._failed else f"it took longer than {self._patience:g} s to write"
        if not future.done():
            future.set_exception(StoreUnavailable(reason))

    async def _run(self) -> None:
        batch: list[tuple[Append, asyncio.Future[Stored]]] = []
        try:
            while True:
                await self._filled.wait()
                await asyncio.sleep(0)  # let all that became ready in this turn of the loop join
                batch = self._drained()
                if batch:
                    await self._write(batch)
                batch = []
        finally:
            for _, future in (*batch, *self._waiting):
                if not future.done():
                    future.set_exception(WriterStopped("the writer has ended"))

    def _drained(self) -> list[tuple[Append, asyncio.Future[Stored]]]:
        """What goes into the next call: the first to touch a stream wins, all after it wait in their order."""
        batch: list[tuple[Append, asyncio.Future[Stored]]] = []
        kept: list[tuple[Append, asyncio.Future[Stored]]] = []
        touched: set[UUID] = set()
        size = 0
        while self._waiting and len(batch) < _BATCH_AT_MOST and size < _BYTES_AT_MOST:
            append, future = self._waiting.popleft()
            if future.done():
                continue
            touches = append.touches
            if touched.isdisjoint(touches):
                batch.append((append, future))
                size += append.size
            else:
                kept.append((append, future))
            touched |= touches
        self._waiting.extendleft(reversed(kept))
        if not self._waiting:
            self._filled.clear()
        return batch

    async def _write(self, batch: Sequence[tuple[Append, asyncio.Future[Stored]]]) -> None:
        began = time.perf_counter()
        try:
            results = await self._call_patiently(batch)
        except StoreUnavailable as error:
            self._on_call(began, [error] * len(batch))
            _settle(batch, [error] * len(batch))
            return
        except psycopg.Error as error:
            if len(batch) == 1:
                self._on_call(began, [error])
                _settle(batch, [error])
                return
            for each in batch:  # one of them is at fault; the others must not suffer
                await self._write([each])
            return
        self._on_call(began, results)
        _settle(batch, results)
        stored = [result.position.position for result in results if isinstance(result, Stored)]
        if stored:
            self._on_commit(max(stored))

    async def _call_patiently(self, batch: Sequence[tuple[Append, asyncio.Future[Stored]]]) -> list[Stored | Exception]:
        """Call; while the database is away call again with the same ids, until the patience is over."""
        give_up_at = time.monotonic() + self._patience
        pause = 0.02
        while True:
            try:
                results = await self._call([append for append, _ in batch])
            except psycopg.Error as error:
                reason = why_away(error)
                if reason is None:
                    raise
                self._failed = time.monotonic(), reason
                connection, self._connection = self._connection, None
                if connection:
                    await connection.close()
                # Who waits has been told by now; who went away himself left a future that nobody looks at.
                if all(future.done() for _, future in batch) or time.monotonic() > give_up_at:
                    raise StoreUnavailable(reason) from error
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.5)
            else:
                self._failed = None
                return results

    async def _call(self, appends: Sequence[Append]) -> list[Stored | Exception]:
        if self._connection is None:
            self._connection = await self._connect()
        cursor = await self._connection.execute(_CALL, _columns(appends), prepare=True, binary=True)
        row = await cursor.fetchone()
        assert row is not None
        position, _, refused = row
        results: list[Stored | Exception] = []
        for number, append in enumerate(appends, start=1):
            if number in refused:
                results.append(await self._explained(append))
            else:
                position += len(append.events)
                results.append(Stored(Position(position, append.events[-1].partition), here=True))
        return results

    async def _explained(self, append: Append) -> Stored | Exception:
        """A refused append is a conflict, unless its own events are there: then an earlier call's answer was lost."""
        assert self._connection is not None
        last = append.events[-1]
        cursor = await self._connection.execute(_OWN, (last.stream, last.version), binary=True)
        row = await cursor.fetchone()
        if row and row[0] == last.id:
            return Stored(Position(row[1], row[2]), here=False)
        return VersionConflict()


def _settle(batch: Sequence[tuple[Append, asyncio.Future[Stored]]], results: Sequence[Stored | Exception]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Stored):
            future.set_result(result)
        else:
            future.set_exception(result)


def _columns(appends: Sequence[Append]) -> list[list[Any]]:
    """The arrays of ledger.append, in its order."""
    commands = [
        (
            append.context.command_id,
            append.events[0].account_id,
            append.context.actor.id,
            append.context.actor.role.value,
            append.context.on_behalf_of,
            append.context.correlation_id,
            append.context.causation_id,
            append.context.idempotency_key,
            append.context.fingerprint,
            append.result_kind,
            append.result_id,
            append.result_version,
            append.events[-1].stream,
            append.events[-1].version,
        )
        for append in appends
    ]
    guards = [(number, *guard) for number, append in enumerate(appends, 1) for guard in append.guards]
    events = [(number, *event) for number, append in enumerate(appends, 1) for event in append.events]
    vault = [
        (number, r.reference.id, r.reference.version, r.account_id, r.kind, r.salt, r.canonical)
        for number, append in enumerate(appends, 1)
        for r in append.vault
    ]
    return [*_turned(commands, 14), *_turned(guards, 3), *_turned(events, 9), *_turned(vault, 7)]


def _turned(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]
