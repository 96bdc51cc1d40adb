"""What becomes due by the clock alone: quotes that expire, orders that run late, payments nobody made."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import ServiceOrder
from domain.quote import Quote
from projections.fold import Keys, Projection, Table


class TimerKind(StrEnum):
    """What is to be done when the time has come."""

    EXPIRE_QUOTE = "expire_quote"
    ORDER_OVERDUE = "order_overdue"
    PAYMENT_DEADLINE = "payment_deadline"
    HOLD_ENDS = "hold_ends"


@dataclass(frozen=True, slots=True)
class TimerRow:
    """A moment of business time, and the stream it concerns."""

    timer_id: UUID
    kind: TimerKind
    subject_id: UUID
    account_id: UUID
    due_at: datetime
    correlation_id: UUID
    causation_id: UUID


due = Table("due", TimerRow, key="timer_id")
timers = Projection("timers", 1, due)


def _set(kind: TimerKind, due_at: datetime, recorded: Recorded) -> TimerRow:
    subject = recorded.event.originator_id
    return TimerRow(
        timer_id=work_id(subject, kind),
        kind=kind,
        subject_id=subject,
        account_id=recorded.account_id,
        due_at=due_at,
        correlation_id=recorded.correlation_id,
        causation_id=recorded.event_id,
    )


def _timers(*kinds: TimerKind) -> Keys:
    return lambda event, _: tuple(work_id(event.originator_id, kind) for kind in kinds)


@due.on(Quote.QuoteIssued, keys=_timers(TimerKind.EXPIRE_QUOTE))
def _quote_issued(_: None, event: Quote.QuoteIssued, recorded: Recorded) -> TimerRow:
    return _set(TimerKind.EXPIRE_QUOTE, event.valid_until, recorded)


@due.on(
    Quote.QuoteAccepted,
    Quote.QuoteDeclined,
    Quote.QuoteExpired,
    Quote.QuoteExpiredBySupersession,
    keys=_timers(TimerKind.EXPIRE_QUOTE),
)
@due.on(
    ServiceOrder.PaymentAttemptStarted,
    ServiceOrder.PaymentAuthorised,
    keys=_timers(TimerKind.PAYMENT_DEADLINE),
)
@due.on(
    ServiceOrder.PaymentCaptured,
    ServiceOrder.PaymentVoided,
    ServiceOrder.PaymentCaptureFailed,
    ServiceOrder.PaymentAuthorisationLapsed,
    keys=_timers(TimerKind.HOLD_ENDS),
)
@due.on(ServiceOrder.OrderOverdue, keys=_timers(TimerKind.ORDER_OVERDUE))
@due.on(
    ServiceOrder.OrderCompleted,
    ServiceOrder.OrderCancelled,
    keys=_timers(TimerKind.ORDER_OVERDUE, TimerKind.PAYMENT_DEADLINE, TimerKind.HOLD_ENDS),
)
def _stopped(_: TimerRow | None, __: LedgerEvent, ___: Recorded) -> None:
    return None


@due.on(ServiceOrder.OrderPlaced, keys=_timers(TimerKind.ORDER_OVERDUE))
def _order_placed(_: None, event: ServiceOrder.OrderPlaced, recorded: Recorded) -> TimerRow:
    return _set(TimerKind.ORDER_OVERDUE, event.due_at, recorded)


@due.on(ServiceOrder.PaymentDeclined, keys=_timers(TimerKind.PAYMENT_DEADLINE))
def _payment_declined(_: None, event: ServiceOrder.PaymentDeclined, recorded: Recorded) -> TimerRow:
    return _set(TimerKind.PAYMENT_DEADLINE, event.pay_until, recorded)


@due.on(ServiceOrder.PaymentAuthorised, keys=_timers(TimerKind.HOLD_ENDS))
def _hold_taken(_: None, event: ServiceOrder.PaymentAuthorised, recorded: Recorded) -> TimerRow:
    return _set(TimerKind.HOLD_ENDS, event.hold_expires_at, recorded)
