"""The events that tell an order from its cart to its receipt, in the order of the log, with who caused each and why."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.event_mapping import recorded
from adapters.log.event_log import LogRecord
from adapters.postgres.availability import reporting_unavailability
from domain.envelope import Recorded
from domain.subscription import Subscription

_EVENTS: Final = """
SELECT notification_id, partition, 0, originator_id, originator_version, topic, state, event_id, account_id,
       recorded_at, effective_at, actor_id, actor_role, on_behalf_of, correlation_id, causation_id, idempotency_key
FROM ledger.events WHERE originator_id = ANY(%s) ORDER BY notification_id
"""


async def order_history(
    pool: AsyncConnectionPool[AsyncConnection], order_id: UUID, quote_id: UUID, subscriptions: Sequence[UUID]
) -> list[Recorded]:
    """Every event of the order and of its quote, and those of the subscriptions that are about either.

    Events have no row policies: whoever asks must have been asked for the order's account.
    """
    async with reporting_unavailability(), pool.connection() as connection:
        events = await events_of(connection, order_id, quote_id, *subscriptions)
    return [each for each in events if _is_about(each, order_id, quote_id)]


async def events_of(connection: AsyncConnection, *streams: UUID) -> list[Recorded]:
    """All that is stored of these streams."""
    cursor = await connection.execute(_EVENTS, (list(streams),), prepare=True, binary=True)
    return [recorded(LogRecord(*values)) for values in await cursor.fetchall()]


def _is_about(each: Recorded, order_id: UUID, quote_id: UUID) -> bool:
    if not isinstance(each.event, Subscription.Event):
        return True
    return order_id == getattr(each.event, "order_id", None) or quote_id == getattr(each.event, "quote_id", None)
