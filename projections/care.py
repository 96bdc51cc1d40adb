"""The care list of Corporate Account Services: an entry comes with one event and goes with another, never by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.account import BillingAccount
from domain.care import Care
from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import ServiceOrder
from domain.quote import Quote
from projections.fold import Keys, Projection, Table


@dataclass(frozen=True, slots=True)
class CareRow:
    """Something that a person looks at. `detail` is what the event says of it, without personal data."""

    entry_id: UUID
    care: str
    account_id: UUID
    subject_id: UUID
    subject_kind: str
    since: datetime
    position: int
    detail: str


entries = Table("entries", CareRow, key="entry_id")
care = Projection("care", 1, entries)


def _care_of_stream(*cares: Care) -> Keys:
    return lambda event, _: tuple(work_id(event.originator_id, f"care:{each}") for each in cares)


def _care_of_account(_: LedgerEvent, recorded: Recorded) -> tuple[UUID]:
    return (work_id(recorded.account_id, f"care:{Care.NOTICE_UNDELIVERABLE}"),)


def _listed(care: Care, entry_id: UUID, recorded: Recorded, detail: str) -> CareRow:
    event = recorded.event
    return CareRow(
        entry_id=entry_id,
        care=care,
        account_id=recorded.account_id,
        subject_id=event.originator_id,
        subject_kind=type(event).__qualname__.partition(".")[0],
        since=event.timestamp,
        position=recorded.position,
        detail=detail,
    )


def _comes_with(care: Care, event_class: type[Any], detail: Callable[[Any], str]) -> None:
    def listed(row: CareRow | None, event: LedgerEvent, recorded: Recorded) -> CareRow:
        return row or _listed(care, work_id(event.originator_id, f"care:{care}"), recorded, detail(event))

    entries.on(event_class, keys=_care_of_stream(care))(listed)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


_comes_with(Care.ORDER_DELAYED, ServiceOrder.OrderDelayed, lambda event: f"due at {_instant(event.due_at)}")
_comes_with(Care.ORDER_OVERDUE, ServiceOrder.OrderOverdue, lambda event: f"due at {_instant(event.due_at)}")
_comes_with(
    Care.PAYMENT_UNKNOWN, ServiceOrder.PaymentOutcomeUnknown, lambda event: f"{event.intent_id}: {event.reason}"
)
_comes_with(Care.NOT_PAID, ServiceOrder.PaymentDeadlinePassed, lambda event: f"until {_instant(event.pay_until)}")
_comes_with(Care.SEATS_REJECTED, ServiceOrder.OrderLineRejected, lambda event: str(event.reason))
_comes_with(
    Care.ANSWER_NOT_UNDERSTOOD, ServiceOrder.AnswerNotUnderstood, lambda event: f"{event.counterparty}: {event.answer}"
)
_comes_with(
    Care.REFUND_FAILED, ServiceOrder.PaymentRefundFailed, lambda event: f"refund {event.number}: {event.reason}"
)
_comes_with(Care.RECEIPT_UNDELIVERABLE, ServiceOrder.ReceiptUndeliverable, lambda event: str(event.receipt_number))


@entries.on(ServiceOrder.OrderNoticeUndeliverable, Quote.QuoteNoticeUndeliverable, keys=_care_of_account)
def _undeliverable(
    row: CareRow | None,
    event: ServiceOrder.OrderNoticeUndeliverable | Quote.QuoteNoticeUndeliverable,
    recorded: Recorded,
) -> CareRow:
    (entry_id,) = _care_of_account(event, recorded)
    return row or _listed(Care.NOTICE_UNDELIVERABLE, entry_id, recorded, event.reason)


@entries.on(ServiceOrder.OrderOverdue, keys=_care_of_stream(Care.ORDER_DELAYED))
@entries.on(
    ServiceOrder.PaymentAuthorised,
    ServiceOrder.PaymentDeclined,
    ServiceOrder.PaymentActionRequired,
    keys=_care_of_stream(Care.PAYMENT_UNKNOWN),
)
@entries.on(ServiceOrder.PaymentCaptured, keys=_care_of_stream(Care.NOT_PAID))
@entries.on(ServiceOrder.OrderCompleted, keys=_care_of_stream(Care.ORDER_DELAYED, Care.ORDER_OVERDUE))
@entries.on(
    ServiceOrder.OrderCancelled,
    keys=_care_of_stream(Care.ORDER_DELAYED, Care.ORDER_OVERDUE, Care.PAYMENT_UNKNOWN, Care.NOT_PAID),
)
@entries.on(ServiceOrder.RefundRequested, keys=_care_of_stream(Care.REFUND_FAILED))
@entries.on(ServiceOrder.ReceiptResendRequested, keys=_care_of_stream(Care.RECEIPT_UNDELIVERABLE))
@entries.on(BillingAccount.BillingContactChanged, keys=_care_of_account)
@entries.on(
    ServiceOrder.CareEntryClosed,
    keys=lambda event, _: (work_id(event.originator_id, f"care:{event.care}"),),
)
def _dealt_with(_: CareRow | None, __: LedgerEvent, ___: Recorded) -> None:
    return None
