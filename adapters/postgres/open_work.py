"""What is open: entries of the to-do lists that could be worked on now, and what people have to look at."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import AsyncConnection

# An entry waits since it was asked for, or since it may be taken, in business time.
_OF_LIST: Final[LiteralString] = """
SELECT '{0}', count(*),
       COALESCE(extract(epoch FROM %(now)s::timestamptz - min(COALESCE(due_at, since))), 0)::float8
FROM {0}.entries WHERE due_at IS NULL OR due_at <= %(now)s::timestamptz
"""
_OPEN: Final = " UNION ALL ".join(
    _OF_LIST.replace("{0}", name) for name in ("fulfilment_todo", "receipts_todo", "notices_todo", "timers")
).encode()
_CARE: Final = "SELECT care, count(*) FROM care.entries GROUP BY care"


@dataclass(frozen=True, slots=True)
class OpenWork:
    """A to-do list: entries that could be worked on now, and for how many seconds the oldest could be."""

    list: str
    entries: int
    oldest_seconds: float


async def open_work(connection: AsyncConnection, now: datetime) -> list[OpenWork]:
    """Every list of the workers; `now` is business time."""
    return [OpenWork(*row) async for row in await connection.execute(_OPEN, {"now": now})]


async def open_care(connection: AsyncConnection) -> dict[str, int]:
    """The care list's entries by kind; what is parked is no entry of it."""
    return dict(await (await connection.execute(_CARE)).fetchall())
