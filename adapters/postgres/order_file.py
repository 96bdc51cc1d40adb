"""All that the ledger has on one order: its events, what workers are to do, what a person should look at."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

from adapters.postgres.homes import Homes
from adapters.postgres.order_history import events_of
from adapters.postgres.wakeups import READ_MODELS
from domain.envelope import Recorded
from domain.history import replayed
from domain.order import ServiceOrder
from domain.refusals import NotFound
from projections.care import CareRow

_BY_NUMBER: Final = "SELECT order_id FROM portal.orders WHERE number = %s"
_ACCOUNT: Final = "SELECT number FROM portal.accounts WHERE account_id = %s"
_CARE: Final = """
SELECT entry_id, care, account_id, subject_id, subject_kind, since, position, detail
FROM care.entries WHERE subject_id = %s ORDER BY position, entry_id
"""
_LEAST: Final = "SELECT COALESCE(min(position), 0) FROM projecting.checkpoints WHERE partition = %s"
_BEHIND: Final = "SELECT count(*) FROM ledger.events WHERE partition = %s AND notification_id > %s"
_ENTRIES: Final[LiteralString] = """
SELECT list, entry_id, work, since, due_at, position FROM (
    SELECT 'fulfilment_todo' AS list, * FROM fulfilment_todo.entries
    UNION ALL SELECT 'receipts_todo', * FROM receipts_todo.entries
    UNION ALL SELECT 'notices_todo', * FROM notices_todo.entries
    UNION ALL SELECT 'timers', * FROM timers.entries
) AS every_list WHERE subject_id = %(order)s
"""
_WORK: Final[LiteralString] = f"""
SELECT entry.list, entry.work, entry.since, entry.due_at, COALESCE(claim.owner, ''), COALESCE(claim.tries, 0),
       COALESCE(GREATEST(extract(epoch FROM claim.expires_at - clock_timestamp()), 0), 0)::float8
FROM ({_ENTRIES}) AS entry
LEFT JOIN ledger.work_claims AS claim ON claim.list = entry.list AND claim.entry_id = entry.entry_id
ORDER BY entry.position, entry.list, entry.work
"""  # noqa: S608 -- made of our own text alone
# A worker that claims at the same moment waits for the row and then sees what it came for: a pause that is over.
_WAKE: Final[LiteralString] = f"""
UPDATE ledger.work_claims AS claim SET expires_at = clock_timestamp() FROM ({_ENTRIES}) AS entry
WHERE claim.list = entry.list AND claim.entry_id = entry.entry_id
  AND claim.owner = '' AND claim.expires_at > clock_timestamp()
"""  # noqa: S608 -- as above


class Hands(StrEnum):
    """Who has an entry: a worker, nobody while it rests after a try, or whoever takes it first."""

    WORKED_ON = "worked on"
    RESTING = "resting"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class WorkInHand:
    """An entry of a to-do list about the order. `seconds_left`: of the worker's claim, or of the entry's rest.

    `owner` is the worker's name, empty for nobody; `due_at` the business time before which nobody takes it.
    """

    list: str
    work: str
    since: datetime
    due_at: datetime | None
    owner: str
    tries: int
    seconds_left: float

    @property
    def hands(self) -> Hands:
        """Who has it."""
        if self.seconds_left <= 0:
            return Hands.FREE
        return Hands.WORKED_ON if self.owner else Hands.RESTING


@dataclass(frozen=True, slots=True)
class OrderFile:
    """One look at an order. `events_behind`: how many events of its partition the lists have not seen yet."""

    order: ServiceOrder
    history: tuple[Recorded, ...]
    account_number: str | None
    care: tuple[CareRow, ...]
    work: tuple[WorkInHand, ...]
    events_behind: int


async def order_numbered(connection: AsyncConnection, number: str) -> UUID | None:
    """The id of the order with this number."""
    row = await (await connection.execute(_BY_NUMBER, (number,))).fetchone()
    return row[0] if row else None


async def opened_file(homes: Homes[AsyncConnection], id: UUID) -> OrderFile:
    """The order's file, read in one transaction of each database; raises NotFound for an id that no order has."""
    connection = homes.ledger
    async with AsyncExitStack() as stack:
        for way, _ in homes.residents():
            await stack.enter_async_context(way.transaction())
            await way.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        history = tuple(await events_of(connection, id))
        try:
            order = replayed(ServiceOrder, (each.event for each in history))
        except TypeError:
            order = None
        if order is None:
            raise NotFound(kind="ServiceOrder", id=id)
        account = await (await homes.read_models.execute(_ACCOUNT, (order.account_id,))).fetchone()
        partition, least = history[0].partition, list[int]()
        for way, _ in homes.residents():
            least += await (await way.execute(_LEAST, (partition,))).fetchone() or ()
        behind = await (await connection.execute(_BEHIND, (partition, min(least)))).fetchone()
        async with homes.read_models.cursor(row_factory=args_row(CareRow)) as rows:
            await rows.execute(_CARE, (id,))
            listed = tuple(await rows.fetchall())
        return OrderFile(
            order=order,
            history=history,
            account_number=account[0] if account else None,
            care=listed,
            work=await _work(connection, id),
            events_behind=behind[0] if behind else 0,
        )


async def rest_ended(connection: AsyncConnection, id: UUID) -> tuple[WorkInHand, ...]:
    """End the rest of the order's entries and wake the workers; returns the entries as they were before.

    An entry that a worker has stays the worker's.
    """
    async with connection.transaction():
        before = await _work(connection, id)
        woken = await connection.execute(_WAKE, {"order": id})
        if woken.rowcount:
            await connection.execute("SELECT pg_notify(%s, '')", (READ_MODELS,))
    return before


async def _work(connection: AsyncConnection, id: UUID) -> tuple[WorkInHand, ...]:
    async with connection.cursor(row_factory=args_row(WorkInHand)) as rows:
        await rows.execute(_WORK, {"order": id})
        return tuple(await rows.fetchall())
