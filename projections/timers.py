"""What becomes due by the clock alone: quotes that expire, orders that run late, payments nobody made."""

from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import DELAY_WARNING, ServiceOrder
from domain.quote import Quote
from domain.subscription import Subscription
from domain.timers import Timer
from projections.fold import Keys, Projection, Table
from projections.todo import TodoRow, entry

QUOTE_WARNING: Final = timedelta(days=3)
"""How long before its end the owner of an open quote is told."""

entries = Table("entries", TodoRow, key="entry_id")
timers = Projection("timers", 2, entries)


def _timers(*timers: Timer) -> Keys:
    return lambda event, _: tuple(work_id(event.originator_id, timer) for timer in timers)


def _expires_soon(event: Quote.QuoteIssued, _: Recorded) -> tuple[UUID, ...]:
    tells = event.valid_until - event.timestamp > QUOTE_WARNING  # or it would be told with the quote itself
    return (work_id(event.originator_id, Timer.QUOTE_EXPIRES_SOON),) if tells else ()


@entries.on(Quote.QuoteIssued, keys=_timers(Timer.EXPIRE_QUOTE))
def _expires(_: None, event: Quote.QuoteIssued, recorded: Recorded) -> TodoRow:
    return entry(Timer.EXPIRE_QUOTE, recorded, event.valid_until)


@entries.on(Quote.QuoteIssued, keys=_expires_soon)
def _is_said_to_expire(_: None, event: Quote.QuoteIssued, recorded: Recorded) -> TodoRow:
    return entry(Timer.QUOTE_EXPIRES_SOON, recorded, event.valid_until - QUOTE_WARNING)


@entries.on(
    Quote.QuoteAccepted,
    Quote.QuoteDeclined,
    Quote.QuoteExpired,
    Quote.QuoteExpiredBySupersession,
    keys=_timers(Timer.EXPIRE_QUOTE, Timer.QUOTE_EXPIRES_SOON),
)
@entries.on(Quote.QuoteExpiresSoon, keys=_timers(Timer.QUOTE_EXPIRES_SOON))
@entries.on(
    ServiceOrder.PaymentAttemptStarted,
    ServiceOrder.PaymentAuthorised,
    ServiceOrder.PaymentDeadlinePassed,
    keys=_timers(Timer.PAYMENT_DEADLINE),
)
@entries.on(ServiceOrder.OrderDelayed, keys=_timers(Timer.ORDER_DELAYED))
@entries.on(ServiceOrder.OrderOverdue, keys=_timers(Timer.ORDER_OVERDUE, Timer.ORDER_DELAYED))
@entries.on(
    ServiceOrder.OrderCompleted,
    ServiceOrder.OrderCancelled,
    keys=_timers(Timer.ORDER_OVERDUE, Timer.ORDER_DELAYED, Timer.PAYMENT_DEADLINE),
)
@entries.on(Subscription.SubscriptionEnded, keys=_timers(Timer.END_SUBSCRIPTION))
def _stopped(_: TodoRow | None, __: LedgerEvent, ___: Recorded) -> None:
    return None


@entries.on(ServiceOrder.OrderPlaced, keys=_timers(Timer.ORDER_OVERDUE))
def _is_promised(_: None, event: ServiceOrder.OrderPlaced, recorded: Recorded) -> TodoRow:
    return entry(Timer.ORDER_OVERDUE, recorded, event.due_at)


@entries.on(ServiceOrder.OrderPlaced, keys=_timers(Timer.ORDER_DELAYED))
def _may_be_delayed(_: None, event: ServiceOrder.OrderPlaced, recorded: Recorded) -> TodoRow:
    return entry(Timer.ORDER_DELAYED, recorded, event.due_at - DELAY_WARNING)


WaitsForPayment = (
    ServiceOrder.PaymentDeclined
    | ServiceOrder.PaymentActionRequired
    | ServiceOrder.PaymentAuthorisationLapsed
    | ServiceOrder.PaymentCaptureFailed
)


@entries.on(
    ServiceOrder.PaymentDeclined,
    ServiceOrder.PaymentActionRequired,
    ServiceOrder.PaymentAuthorisationLapsed,
    ServiceOrder.PaymentCaptureFailed,
    keys=_timers(Timer.PAYMENT_DEADLINE),
)
def _waits_for_payment(_: TodoRow | None, event: WaitsForPayment, recorded: Recorded) -> TodoRow | None:
    return entry(Timer.PAYMENT_DEADLINE, recorded, event.pay_until) if event.pay_until else None


@entries.on(Subscription.SubscriptionCancellationScheduled, keys=_timers(Timer.END_SUBSCRIPTION))
def _will_end(_: None, event: Subscription.SubscriptionCancellationScheduled, recorded: Recorded) -> TodoRow:
    midnight: datetime = datetime.combine(event.ends_on, time(), UTC)  # the worker knows the account's time zone
    return entry(Timer.END_SUBSCRIPTION, recorded, midnight)
