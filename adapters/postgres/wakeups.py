"""Wakes who waits for events or read models, in this process at once and in others by NOTIFY after the commit."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final

import psycopg
from psycopg import sql

from adapters.postgres.availability import why_away
from services.background import ended

_log = logging.getLogger(__name__)

EVENTS: Final = "seatledger_events"
READ_MODELS: Final = "seatledger_read_models"
_CHANNELS: Final = (EVENTS, READ_MODELS)
_QUIET_SECONDS: Final = 30.0


_NOTIFY: Final = "SELECT pg_notify(c, n) FROM unnest(%s::text[], %s::text[]) AS bell (c, n)"


class Wakeups:
    """Counts rings for each channel; a waiter sleeps until the count passes the one it saw, or the poll is due.

    `of` names one read model on its channel, and "" any of them: a to-do list is not woken by what the portal shows.
    A ring may be lost with the connection; therefore every waiter also polls.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        """`connect` opens an autocommit connection of the application's role."""
        self._connect = connect
        self._counts: dict[tuple[str, str], int] = {}
        self._rung: dict[tuple[str, str], asyncio.Event] = {}
        self._to_notify: set[tuple[str, str]] = set()
        self._has_to_notify = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen and to notify."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._notify())]

    async def stop(self) -> None:
        """End."""
        await ended(*self._tasks)

    def count(self, channel: str, of: str = "") -> int:
        """How often it rang; read it before looking for what one would wait for."""
        return self._counts.setdefault((channel, of), 0)

    def ring(self, channel: str, of: str = "") -> None:
        """Wake this process now and the others soon."""
        self.ring_here(channel, of)
        self._to_notify.add((channel, of))
        self._has_to_notify.set()

    async def wait(self, channel: str, seen: int, poll_seconds: float, of: str = "") -> None:
        """Return when it has rung since `seen` was read, or when the poll is due."""
        if self.count(channel, of) == seen:
            rung = self._rung.setdefault((channel, of), asyncio.Event())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll_seconds):
                    await rung.wait()

    def ring_here(self, channel: str, of: str = "") -> None:
        """Wake this process only; without `of` whoever waits on this channel."""
        for bell in list(self._counts):
            if bell[0] == channel and (not of or bell[1] in {"", of}):
                self._counts[bell] += 1
                if rung := self._rung.pop(bell, None):
                    rung.set()

    async def _listen(self) -> None:
        async def listen(connection: psycopg.AsyncConnection) -> None:
            for channel in _CHANNELS:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            while True:
                async for notice in connection.notifies(timeout=_QUIET_SECONDS):
                    if notice.pid != self._own_pid:
                        self.ring_here(notice.channel, notice.payload)
                await connection.execute("")  # is anybody there at all?

        await self._reconnecting(listen)

    async def _notify(self) -> None:
        async def notify(connection: psycopg.AsyncConnection) -> None:
            self._own_pid = connection.info.backend_pid
            # A notice is a transaction with a place in the log, but nothing that must outlive a crash.
            await connection.execute("SET synchronous_commit = off")
            while True:
                await self._has_to_notify.wait()
                self._has_to_notify.clear()
                bells, self._to_notify = self._to_notify, set()
                channels, names = zip(*bells, strict=True)
                await connection.execute(_NOTIFY, (list(channels), list(names)))
                await asyncio.sleep(0.002)  # many commits, one notice

        await self._reconnecting(notify)

    _own_pid = 0

    async def _reconnecting(self, work: Callable[[Any], Any]) -> None:
        said = ""
        while True:
            try:
                async with await self._connect() as connection:
                    said = ""
                    await work(connection)
            except psycopg.Error as error:  # whatever it is: who waits also polls
                reason = why_away(error) or type(error).__name__
                if reason != said:
                    _log.warning("wake-ups pause: %s", reason)
                said = reason
                await asyncio.sleep(0.5)
