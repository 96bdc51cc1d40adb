"""The receipts that were issued and not yet mailed."""

from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import ServiceOrder
from projections.fold import Projection, Table
from projections.todo import TodoRow, entry

entries = Table("entries", TodoRow, key="entry_id")
receipts_todo = Projection("receipts_todo", 1, entries)


def _of_receipt(event: LedgerEvent, _: Recorded) -> tuple[UUID]:
    return (work_id(event.originator_id, "send_receipt"),)


@entries.on(ServiceOrder.OrderCompleted, keys=_of_receipt)
def _to_send(_: None, event: ServiceOrder.OrderCompleted, recorded: Recorded) -> TodoRow:
    return entry(work_id(event.originator_id, "send_receipt"), recorded)


@entries.on(ServiceOrder.ReceiptSent, ServiceOrder.ReceiptUndeliverable, keys=_of_receipt)
def _sent(_: TodoRow | None, __: LedgerEvent, ___: Recorded) -> None:
    return None
