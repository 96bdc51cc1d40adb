"""Business time: the wall clock's, or one that an operator moves forwards."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.sandbox_books import SandboxBooks

_BOOK: Final = "clock"
_KEY: Final = "offset"
_FURTHEST: Final = timedelta(days=365 * 1000)


class SystemClock:
    """services.ports.Clock: the wall clock."""

    async def now(self) -> datetime:
        """See services.ports.Clock."""
        return datetime.now(UTC)


class MovableClock:
    """services.ports.Clock: the wall clock and an offset, the same in every process that shares the books."""

    def __init__(self, books: SandboxBooks) -> None:
        """Keep the offset in these books."""
        self._books = books

    async def now(self) -> datetime:
        """See services.ports.Clock."""
        document = await self._books.read(_BOOK, _KEY)
        return datetime.now(UTC) + timedelta(microseconds=document["microseconds"] if document else 0)

    async def move(self, seconds: float) -> datetime:
        """Move business time on and give the new time.

        Raises ValueError for less than 0 seconds: what was recorded at a later time can't be followed by an earlier.
        """
        if not math.isfinite(seconds) or seconds < 0:
            message = f"the clock moves forwards only, not by {seconds} seconds"
            raise ValueError(message)
        async with self._books.entry(_BOOK, _KEY) as document:
            microseconds = document.get("microseconds", 0) + round(seconds * 1_000_000)
            if microseconds > _FURTHEST / timedelta(microseconds=1):
                message = f"the clock can't be moved further than {_FURTHEST.days} days in all"
                raise ValueError(message)
            document["microseconds"] = microseconds
        return await self.now()
