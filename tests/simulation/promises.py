"""What must hold of a ledger whatever happened: each promise broken is a sentence."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final
from uuid import UUID

from adapters.payments.sandbox import Movement, MovementKind
from domain.care import Care
from domain.credit_notes import CreditNoteSeries
from domain.order import OrderState, ServiceOrder
from domain.pricing import totals
from domain.quote import Quote
from domain.receipts import ReceiptSeries
from domain.subscription import Subscription
from projections.care import care
from projections.fold import RowKey
from projections.portal import OrderRow, portal
from tests.simulation.saga import Saga
from tests.world import ASSIST, MEETING, folded

_RESTING: Final = {OrderState.PREPARED, OrderState.COMPLETED, OrderState.CANCELLED}
_QUOTE_ENDS: Final = (
    Quote.QuoteAccepted,
    Quote.QuoteDeclined,
    Quote.QuoteExpired,
    Quote.QuoteExpiredBySupersession,
)


async def broken_promises(saga: Saga) -> list[str]:
    """Every promise that does not hold, the gateway's and the provisioning system's own books being the judges."""
    world, log = saga.world, [each.event for each in saga.world.events.recorded]
    misunderstood = {event.originator_id for event in log if isinstance(event, ServiceOrder.AnswerNotUnderstood)}
    movements = await world.payments.movements()
    listed = folded(care, world.events)
    waiting = {entry.subject_id for work_list, _ in saga.work for entry in work_list.entries()}
    rows: dict[RowKey, Any] = {}
    for recorded in world.events.recorded:
        portal.apply(rows, recorded)
    broken = [*_numbering(log), *_open_quotes(log)]
    for order in await saga.orders():
        moved = [each for each in movements if each.order_id == order.id]
        broken += _charged(order, moved, misunderstood=order.id in misunderstood)
        broken += _given_back(order, moved, log)
        broken += _goes_on(order, waiting, waiting | {row.subject_id for row in listed})
        broken += _shown(order, rows[RowKey("orders", order.id)])
    for row in listed:
        if row.care == Care.PAYMENT_UNKNOWN and row.subject_id not in waiting:
            broken.append(f"{row.subject_id} is unknown for ever")
    return broken + [each async for each in _seats(saga, misunderstood)]


def _charged(order: ServiceOrder, moved: list[Movement], *, misunderstood: bool) -> Iterator[str]:
    name, due = order.number, totals(order.provisioned_lines).gross
    charges = [each.amount for each in moved if each.kind is MovementKind.CAPTURED]
    charged, given_back = sum(charges), sum(each.amount for each in moved if each.kind is MovementKind.REFUNDED)
    if len(charges) > 1:
        yield f"{name} was charged {len(charges)} times"
    if order.state is OrderState.COMPLETED and charged != due:
        yield f"{name} was charged {charged} for {due}"
    if order.state is OrderState.COMPLETED and order.captured_amount != charged - given_back:
        yield f"{name} says {order.captured_amount} of {charged} less {given_back}"
    if order.state is OrderState.CANCELLED and (charged or order.provisioned_lines):
        yield f"{name} is cancelled, charged {charged}, with {len(order.provisioned_lines)} lines"
    if charged and order.receipt_number is None and not misunderstood:
        yield f"{name} is {order.state} and charged {charged}: no receipt"


def _given_back(order: ServiceOrder, moved: list[Movement], log: list[Any]) -> Iterator[str]:
    """Once an order is cancelled the gateway holds nothing for it, without waiting for the hold's own end."""
    for event in log:
        if isinstance(event, ServiceOrder.OrderCancelled) and event.originator_id == order.id:
            before = [each for each in moved if each.at <= event.timestamp]
            held = sum(each.amount for each in before if each.kind is MovementKind.AUTHORISED)
            held -= sum(each.amount for each in before if each.kind is not MovementKind.AUTHORISED)
            if held:
                yield f"{order.number} was cancelled while the gateway held {held}"


def _goes_on(order: ServiceOrder, waiting: set[UUID], looked_at: set[UUID]) -> Iterator[str]:
    if order.next_step and order.id not in waiting:
        yield f"{order.number} is {order.state} and no worker will {order.next_step}"
    if order.state not in _RESTING and order.id not in looked_at:
        yield f"{order.number} is {order.state} and nobody's turn"
    if order.notices_due and order.id not in waiting:
        yield f"{order.number} has notices that nobody sends: {order.notices_due}"


def _shown(order: ServiceOrder, row: OrderRow) -> Iterator[str]:
    if row.state != order.state:
        yield f"{order.number} is {order.state} and the portal says {row.state}"
    if row.captured != order.captured_amount:
        yield f"{order.number} has {order.captured_amount} captured and the portal says {row.captured}"


async def _seats(saga: Saga, misunderstood: set[UUID]) -> AsyncIterator[str]:
    """As the log says, unless an answer is still awaited or was not understood, which a person settles."""
    known = {each.subscription_id: each.seats for each in await saga.world.provisioning.subscriptions()}
    a_persons = {
        line.subscription_id for order in await saga.orders() if order.id in misunderstood for line in order.lines
    }
    for id in {MEETING, ASSIST} - a_persons:
        subscription = await saga.world.the(Subscription, id)
        if subscription.seat_change is None and known.get(id) not in {None, subscription.seats}:
            yield f"{id} has {known[id]} seats at the provisioning system and {subscription.seats} in the log"


def _numbering(log: list[Any]) -> Iterator[str]:
    """Without a gap and from 1 on in each year's series."""
    for what, kind in (("receipt", ReceiptSeries.ReceiptIssued), ("credit note", CreditNoteSeries.CreditNoteIssued)):
        series: dict[UUID, list[int]] = {}
        for event in log:
            if isinstance(event, kind):
                series.setdefault(event.originator_id, []).append(event.number)
        for numbers in series.values():
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"{what}s are numbered {numbers}"


def _open_quotes(log: list[Any]) -> Iterator[str]:
    still_open: set[UUID] = set()
    for event in log:
        if isinstance(event, Quote.QuoteIssued):
            still_open.add(event.originator_id)
        elif isinstance(event, _QUOTE_ENDS):
            still_open.discard(event.originator_id)
        if len(still_open) > 1:
            yield f"two quotes are open after {event.originator_id}"
