"""Queries on the portal's read model: single rows, lists with keyset pages, and waiting for a position."""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Generic, LiteralString, TypeVar
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.availability import reporting_unavailability
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.homes import Homes
from adapters.postgres.order_history import order_history
from adapters.postgres.row_store import RowStore
from adapters.postgres.sight import seeing
from adapters.postgres.wakeups import READ_MODELS, Wakeups
from domain.envelope import Actor, Recorded, Role
from domain.ledger import LedgerEvent
from projections.fold import Projection, RowKey, Table
from projections.portal import (
    AccountRow,
    OrderRow,
    QuoteRow,
    ReceiptRow,
    SubscriptionRow,
    TimelineRow,
    accounts,
    orders,
    portal,
    quotes,
    receipts,
    subscriptions,
    timeline,
)
from services.ports import Position

Row = TypeVar("Row")

PAGE_AT_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class CareEntry:
    """An entry of the care list with the numbers of account and order or quote."""

    entry_id: UUID
    care: str
    account_id: UUID
    subject_id: UUID
    subject_kind: str
    since: datetime
    position: int
    detail: str
    account_number: str | None
    subject_number: str | None


class CursorInvalid(Exception):
    """The page cursor is not one that this list gave."""


class NotThatFar(Exception):
    """The read model did not reach the position in time."""


@dataclass(frozen=True, slots=True)
class PageOf(Generic[Row]):
    """Rows and the cursor of the next page, None on the last."""

    items: Sequence[Row]
    next: str | None


# What is parked is no event, so it stands in no list: it is looked up where it is parked, one entry an account and
# projection. Its id is made from both, as those of the others are made from what they are about.
_PARKED: Final[LiteralString] = """
    SELECT encode(substr(sha256(convert_to('parked:' || projection || ':' || account_id, 'UTF8')), 1, 16), 'hex')::uuid
               AS entry_id,
           'parked' AS care, account_id, account_id AS subject_id, 'BillingAccount' AS subject_kind,
           parked_at AS since, position, projection || ': ' || coalesce(error, topic) AS detail
    FROM projecting.parked JOIN (
        SELECT projection, min(position) AS position FROM projecting.parked
        WHERE projection = ANY(%(projections)s) GROUP BY projection, account_id -- not of one that is being rebuilt
    ) AS first USING (projection, position)
"""
_PAST_CURSOR: Final[LiteralString] = """
WHERE (%(account)s::uuid IS NULL OR entry.account_id = %(account)s::uuid)
  AND (%(first)s::int8 IS NULL OR (entry.position, entry.entry_id) > (%(first)s::int8, %(second)s::uuid))
ORDER BY entry.position, entry.entry_id LIMIT %(limit)s
"""
_CARE: Final[LiteralString] = f"""
WITH entries AS (
    SELECT entry_id, care, account_id, subject_id, subject_kind, since, position, detail FROM care.entries
    UNION ALL {_PARKED}
)
SELECT entry.entry_id, entry.care, entry.account_id, entry.subject_id, entry.subject_kind, entry.since, entry.position,
       entry.detail, account.number, coalesce(ordered.number, quote.number)
FROM entries AS entry
LEFT JOIN portal.accounts AS account ON account.account_id = entry.account_id
LEFT JOIN portal.orders AS ordered ON ordered.order_id = entry.subject_id
LEFT JOIN portal.quotes AS quote ON quote.quote_id = entry.subject_id
{_PAST_CURSOR}
"""  # noqa: S608 -- made of our own text alone
_PARKED_IN_THE_LEDGER: Final[LiteralString] = f"""
SELECT entry.*, null::text AS account_number, null::text AS subject_number FROM ({_PARKED}) AS entry {_PAST_CURSOR}
"""  # noqa: S608 -- as above
_ACCOUNT_NUMBERS: Final = "SELECT account_id, number FROM portal.accounts WHERE account_id = ANY(%s)"

# Every list ends with its two columns of order, the second unique, so that a cursor names one place for ever.
_ACCOUNTS: Final = """
SELECT {columns} FROM portal.accounts
WHERE (%(everything)s OR account_id = ANY(%(accounts)s) OR territory = ANY(%(territories)s))
  AND (%(named)s::text IS NULL OR starts_with(number, %(named)s::text) OR vat_id = %(named)s::text)
  AND (%(territory)s::text IS NULL OR territory = %(territory)s::text)
  AND (%(first)s::text IS NULL OR (number, account_id) > (%(first)s::text, %(second)s::uuid))
ORDER BY number, account_id LIMIT %(limit)s
"""
_SUBSCRIPTIONS: Final = """
SELECT {columns} FROM portal.subscriptions
WHERE account_id = %(account)s
  AND (%(named)s::text IS NULL OR strpos(upper(number), upper(%(named)s::text)) > 0
       OR product = ANY(%(products)s::text[]))
  AND (%(first)s::text IS NULL OR (number, subscription_id) > (%(first)s::text, %(second)s::uuid))
ORDER BY number, subscription_id LIMIT %(limit)s
"""
_QUOTES: Final = """
SELECT {columns} FROM portal.quotes
WHERE account_id = %(account)s
  AND (%(first)s::timestamptz IS NULL OR (issued_at, quote_id) < (%(first)s::timestamptz, %(second)s::uuid))
ORDER BY issued_at DESC, quote_id DESC LIMIT %(limit)s
"""
_ORDERS: Final = """
SELECT {columns} FROM portal.orders
WHERE account_id = %(account)s AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
  AND (%(first)s::timestamptz IS NULL OR (prepared_at, order_id) < (%(first)s::timestamptz, %(second)s::uuid))
ORDER BY prepared_at DESC, order_id DESC LIMIT %(limit)s
"""
_TIMELINE: Final = """
SELECT {columns} FROM portal.timeline
WHERE account_id = %(account)s
  AND (%(first)s::int8 IS NULL OR (position, event_id) > (%(first)s::int8, %(second)s::uuid))
ORDER BY position, event_id LIMIT %(limit)s
"""
_NEWEST_FIRST: Final = """
SELECT {columns} FROM portal.timeline
WHERE account_id = %(account)s
  AND (%(first)s::int8 IS NULL OR (position, event_id) < (%(first)s::int8, %(second)s::uuid))
ORDER BY position DESC, event_id DESC LIMIT %(limit)s
"""
_NUMBERS: Final = """
SELECT quote_id, number FROM portal.quotes WHERE quote_id = ANY(%(ids)s)
UNION ALL SELECT order_id, number FROM portal.orders WHERE order_id = ANY(%(ids)s)
UNION ALL SELECT subscription_id, number FROM portal.subscriptions WHERE subscription_id = ANY(%(ids)s)
"""
_REACHED: Final = "SELECT position FROM projecting.checkpoints WHERE projection = %s AND partition = %s"


class _Listing(Generic[Row]):
    """One of the lists above with its rows."""

    def __init__(
        self, query: LiteralString, table: Table[Row], order: tuple[str, str], first: Callable[[Any], object]
    ) -> None:
        """`first` reads the first column of order from a cursor; raises ValueError or TypeError."""
        self._store, self._order, self._first = RowStore(portal.name, table), order, first
        self._query = sql.SQL(query).format(columns=self._store.select_list).as_bytes()  # once

    async def page(self, connection: AsyncConnection, limit: int, cursor: str | None, **filters: object) -> PageOf[Row]:
        first, second = _cursor_read(cursor, self._first)
        parameters = {**filters, "first": first, "second": second, "limit": limit + 1}
        found = await (await connection.execute(self._query, parameters, prepare=True, binary=True)).fetchall()
        rows: list[Row] = [self._store.row(values) for values in found]
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return PageOf(rows[:limit], _cursor_of(*(getattr(last, name) for name in self._order)) if last else None)


class PortalQueries:
    """What the API and the pages read."""

    def __init__(
        self, pools: Homes[AsyncConnectionPool[AsyncConnection]], wakeups: Wakeups, events: PostgresEventStore
    ) -> None:
        """Read through these pools; `events` tells what a command just wrote, before it is projected."""
        self._pools, self._pool, self._wakeups, self._events = pools, pools.of(portal.name), wakeups, events
        self._stores = {table.name: RowStore(portal.name, table) for table in portal.tables.values()}
        self._accounts = _Listing(_ACCOUNTS, accounts, ("number", "account_id"), _text)
        self._subscriptions = _Listing(_SUBSCRIPTIONS, subscriptions, ("number", "subscription_id"), _text)
        self._quotes = _Listing(_QUOTES, quotes, ("issued_at", "quote_id"), _instant)
        self._orders = _Listing(_ORDERS, orders, ("prepared_at", "order_id"), _instant)
        self._timeline = _Listing(_TIMELINE, timeline, ("position", "event_id"), _number)
        self._newest_first = _Listing(_NEWEST_FIRST, timeline, ("position", "event_id"), _number)

    async def account(self, id: UUID) -> AccountRow | None:
        """One account."""
        return await self._row(accounts, id)

    async def quote(self, id: UUID) -> QuoteRow | None:
        """One quote."""
        return await self._row(quotes, id)

    async def order(self, id: UUID) -> OrderRow | None:
        """One order."""
        return await self._row(orders, id)

    async def receipt(self, id: UUID) -> ReceiptRow | None:
        """One receipt."""
        return await self._row(receipts, id)

    async def accounts(
        self,
        visible: frozenset[UUID] | None,
        territories: frozenset[str],
        limit: int,
        cursor: str | None,
        *,
        named: str | None = None,
        territory: str | None = None,
    ) -> PageOf[AccountRow]:
        """These accounts and those of these territories, by number; `visible` None: all. Raises CursorInvalid.

        `named`: how the number begins, or the whole VAT id. `territory`: of this one alone.
        """
        async with reporting_unavailability(), seeing(self._pool) as connection:
            return await self._accounts.page(
                connection,
                limit,
                cursor,
                everything=visible is None,
                accounts=list(visible or ()),
                territories=list(territories),
                named=named,
                territory=territory,
            )

    async def subscriptions(
        self, account: UUID, limit: int, cursor: str | None, *, named: str | None = None, products: Sequence[str] = ()
    ) -> PageOf[SubscriptionRow]:
        """An account's subscriptions by number. Raises CursorInvalid.

        `named`: what the number has somewhere in it; those of the products are there, too.
        """
        filters = {"account": account, "named": named, "products": list(products)}
        async with reporting_unavailability(), seeing(self._pool) as connection:
            return await self._subscriptions.page(connection, limit, cursor, **filters)

    async def quotes(self, account: UUID, limit: int, cursor: str | None) -> PageOf[QuoteRow]:
        """An account's quotes, newest first. Raises CursorInvalid."""
        async with reporting_unavailability(), seeing(self._pool) as connection:
            return await self._quotes.page(connection, limit, cursor, account=account)

    async def orders(
        self, account: UUID, limit: int, cursor: str | None, states: Iterable[str] | None = None
    ) -> PageOf[OrderRow]:
        """An account's orders, newest first; `states` None: in whatever state. Raises CursorInvalid."""
        wanted = None if states is None else list(states)
        async with reporting_unavailability(), seeing(self._pool) as connection:
            return await self._orders.page(connection, limit, cursor, account=account, states=wanted)

    async def timeline(self, account: UUID, limit: int, cursor: str | None) -> PageOf[TimelineRow]:
        """An account's events in the order of the log. Raises CursorInvalid."""
        async with reporting_unavailability(), seeing(self._pool) as connection:
            return await self._timeline.page(connection, limit, cursor, account=account)

    async def newest_first(self, account: UUID, limit: int, cursor: str | None) -> PageOf[TimelineRow]:
        """An account's events, the last one first. Raises CursorInvalid."""
        async with reporting_unavailability(), seeing(self._pool) as connection:
            return await self._newest_first.page(connection, limit, cursor, account=account)

    async def numbers(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """What people call these quotes, orders and subscriptions; other ids have no number."""
        async with reporting_unavailability(), seeing(self._pool) as connection:
            cursor = await connection.execute(_NUMBERS, {"ids": list(set(ids))}, prepare=True, binary=True)
            return dict(await cursor.fetchall())

    async def timeline_after(self, account: UUID, position: int, limit: int) -> Sequence[TimelineRow]:
        """An account's events past a position, in order."""
        cursor = _cursor_of(position, UUID(int=2**128 - 1))
        return (await self.timeline(account, limit, cursor)).items

    async def quote_as_of(self, id: UUID, version: int) -> QuoteRow:
        """The quote's row as a stream version made it: folded from the store by the portal's own handlers."""
        return await self._as_of(quotes, id, version)

    async def account_as_of(self, id: UUID, version: int) -> AccountRow:
        """The account's row as a stream version made it."""
        return await self._as_of(accounts, id, version)

    async def subscription_as_of(self, id: UUID, version: int) -> SubscriptionRow:
        """The subscription's row as a stream version made it."""
        return await self._as_of(subscriptions, id, version)

    async def care(self, limit: int, cursor: str | None, account: UUID | None = None) -> PageOf[CareEntry]:
        """The care list, all of it or an account's, oldest first, with the numbers that people go by.

        Raises CursorInvalid.
        """
        return await care_page(self._pools, limit, cursor, account)

    async def order_history(self, order_id: UUID, quote_id: UUID, subscriptions: Sequence[UUID]) -> list[Recorded]:
        """Every event that tells the order, from its cart on. Whoever asks must have been asked for its account."""
        return await order_history(self._pools.ledger, order_id, quote_id, subscriptions)

    async def order_as_of(self, id: UUID, version: int) -> OrderRow:
        """The order's row as a stream version made it."""
        return await self._as_of(orders, id, version)

    async def reached(self, position: Position, seconds: float) -> None:
        """Return when the portal's read model is at this position; raises NotThatFar after `seconds`."""
        give_up_at = asyncio.get_running_loop().time() + seconds
        while True:
            seen = self._wakeups.count(READ_MODELS, portal.name)
            async with reporting_unavailability(), self._pool.connection() as connection:
                cursor = await connection.execute(_REACHED, (portal.name, position.partition), prepare=True)
                row = await cursor.fetchone()
            if row and row[0] >= position.position:
                return
            left = give_up_at - asyncio.get_running_loop().time()
            if left <= 0:
                raise NotThatFar
            await self._wakeups.wait(READ_MODELS, seen, min(1.0, left), portal.name)

    async def wait_for_news(self, seen: int, poll_seconds: float) -> None:
        """Return when a read model has changed since `seen` was counted, or when the poll is due."""
        await self._wakeups.wait(READ_MODELS, seen, poll_seconds, portal.name)

    def news(self) -> int:
        """The count of changes for `wait_for_news`."""
        return self._wakeups.count(READ_MODELS, portal.name)

    async def _row(self, table: Table[Row], id: UUID) -> Row | None:
        async with reporting_unavailability(), seeing(self._pool) as connection:
            found: dict[UUID, Row] = await self._stores[table.name].load(connection, [id])
        return found.get(id)

    async def _as_of(self, table: Table[Row], id: UUID, version: int) -> Row:
        one_table = Projection("as_of", 1, table)
        rows: dict[RowKey, Any] = {}
        for event in await self._events.history(id, version):
            one_table.apply(rows, _by_itself(event))
        row: Row = rows[RowKey(table.name, id)]
        return row


_NOBODY: Final = Actor("", Role.SERVICE)
_NO_ID: Final = UUID(int=0)
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)


def _by_itself(event: LedgerEvent) -> Recorded:
    """The event without its envelope: the tables that a command is answered from look at nothing else."""
    return Recorded(
        0,
        0,
        0,
        _NO_ID,
        _NO_ID,
        _NO_TIME,
        _NOBODY,
        None,
        correlation_id=_NO_ID,
        causation_id=_NO_ID,
        idempotency_key=None,
        event=event,
    )


async def care_page(
    pools: Homes[AsyncConnectionPool[AsyncConnection]], limit: int, cursor: str | None, account: UUID | None = None
) -> PageOf[CareEntry]:
    """A page of the care list, oldest first, for those who have no more than pools. Raises CursorInvalid."""
    position, entry_id = _cursor_read(cursor, _number)
    place = {"first": position, "second": entry_id, "limit": limit + 1, "account": account}
    found: list[CareEntry] = []
    for pool, projections in pools.residents():
        query = _CARE if pool is pools.read_models else _PARKED_IN_THE_LEDGER
        parameters = {**place, "projections": [each.name for each in projections]}
        async with (
            reporting_unavailability(),
            seeing(pool) as connection,
            connection.cursor(row_factory=args_row(CareEntry)) as rows,
        ):
            await rows.execute(query, parameters, prepare=True)
            found += await rows.fetchall()
    if pools.are_two:
        found = sorted(found, key=lambda entry: (entry.position, entry.entry_id))[: limit + 1]
        found = await _with_numbers(pools.read_models, found)
    last = found[limit - 1] if len(found) > limit else None
    return PageOf(found[:limit], _cursor_of(last.position, last.entry_id) if last else None)


async def _with_numbers(pool: AsyncConnectionPool[AsyncConnection], entries: Sequence[CareEntry]) -> list[CareEntry]:
    """The entries, each with its account's number: those of the ledger's own database have none."""
    accounts = [entry.account_id for entry in entries if entry.account_number is None]
    async with reporting_unavailability(), seeing(pool) as connection:
        numbers: dict[UUID, str] = dict(await (await connection.execute(_ACCOUNT_NUMBERS, (accounts,))).fetchall())
    return [replace(entry, account_number=entry.account_number or numbers.get(entry.account_id)) for entry in entries]


def _cursor_of(first: object, second: UUID) -> str:
    plain = first.isoformat() if isinstance(first, datetime) else first
    return base64.urlsafe_b64encode(json.dumps([plain, str(second)]).encode()).decode().rstrip("=")


def _text(value: object) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    value.encode()  # half a surrogate pair is a ValueError, too
    return value


def _instant(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError
    return at


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError
    return value


def _cursor_read(cursor: str | None, reading: Callable[[Any], object]) -> tuple[object, UUID | None]:
    if cursor is None:
        return None, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        first, second = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return reading(first), UUID(second)
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        raise CursorInvalid from None
