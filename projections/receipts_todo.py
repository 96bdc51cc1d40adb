"""The receipts that are to be mailed: once when they are issued, and again when somebody asks for it."""

from typing import Final
from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.ledger import LedgerEvent
from domain.order import ServiceOrder
from projections.fold import Projection, Table
from projections.todo import TodoRow, entry

SEND_RECEIPT: Final = "send_receipt"

entries = Table("entries", TodoRow, key="entry_id")
receipts_todo = Projection("receipts_todo", 2, entries)


def _of_receipt(event: LedgerEvent, _: Recorded) -> tuple[UUID]:
    return (work_id(event.originator_id, SEND_RECEIPT),)


@entries.on(ServiceOrder.OrderCompleted, ServiceOrder.ReceiptResendRequested, keys=_of_receipt)
def _to_send(_: None, __: LedgerEvent, recorded: Recorded) -> TodoRow:
    return entry(SEND_RECEIPT, recorded)


@entries.on(ServiceOrder.ReceiptSent, ServiceOrder.ReceiptUndeliverable, keys=_of_receipt)
def _sent(_: TodoRow | None, __: LedgerEvent, ___: Recorded) -> None:
    return None
