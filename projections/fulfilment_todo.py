"""The orders that a worker must carry on with; one that waits for its customer, or is done, is not on the list."""

from typing import Final
from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import ServiceOrder
from projections.fold import Projection, Table
from projections.todo import TodoRow, entry

FULFIL: Final = "fulfil"

entries = Table("entries", TodoRow, key="entry_id")
fulfilment_todo = Projection("fulfilment_todo", 2, entries)


def _of_order(event: LedgerEvent, _: Recorded) -> tuple[UUID]:
    return (work_id(event.originator_id, FULFIL),)


@entries.on(
    ServiceOrder.OrderPlaced,
    ServiceOrder.PaymentAttemptStarted,
    ServiceOrder.PaymentActionRequired,
    ServiceOrder.PaymentAuthorised,
    ServiceOrder.PaymentOutcomeUnknown,
    ServiceOrder.OrderCancellationRequested,
    ServiceOrder.RefundRequested,
    keys=_of_order,
)
def _goes_on(row: TodoRow | None, _: LedgerEvent, recorded: Recorded) -> TodoRow:
    return row or entry(FULFIL, recorded)


@entries.on(
    ServiceOrder.PaymentDeclined,
    ServiceOrder.PaymentAuthorisationLapsed,
    ServiceOrder.PaymentCaptureFailed,
    ServiceOrder.OrderCompleted,
    ServiceOrder.OrderCancelled,
    ServiceOrder.PaymentRefunded,
    ServiceOrder.PaymentRefundFailed,
    keys=_of_order,
)
def _is_nobodys_turn(_: TodoRow | None, __: LedgerEvent, ___: Recorded) -> None:
    return None
