"""What Corporate Account Services has to look at: the care list, oldest first, and closing an entry of it."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor
from adapters.http.portal.forms import TheForm
from adapters.http.portal.order_acts import order_of
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.visiting import AVisit, PortalRoute, see
from adapters.http.portal.words import msgid
from domain.care import Care
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

care = APIRouter(route_class=PortalRoute)

_ENTRIES_A_PAGE: Final = 50


class Matter(NamedTuple):
    """A kind of entry: its short name, what happened, and what to do."""

    label: str
    happened: str
    to_do: str


MATTERS: Final[Mapping[Care, Matter]] = {
    Care.ORDER_DELAYED: Matter(
        msgid("Slow order"),
        msgid("The order is nearly 24 hours old and not completed."),
        msgid("Look at what it waits for. Release seats that don't come, or ask the customer to pay."),
    ),
    Care.ORDER_OVERDUE: Matter(
        msgid("Late order"),
        msgid("The order is more than 24 hours old and not completed; the customer was told."),
        msgid("Find out what it waits for. Release seats that don't come, or cancel it: by itself it never is."),
    ),
    Care.PAYMENT_UNKNOWN: Matter(
        msgid("Payment unknown"),
        msgid("The payment provider did not say what became of a payment."),
        msgid("Nothing at first: the provider is asked again. Call it if that takes hours."),
    ),
    Care.NOT_PAID: Matter(
        msgid("Not paid"),
        msgid("Nobody paid in time. An order without seats is called off by itself; one with seats stays to be paid."),
        msgid("If seats are there, ask the customer for another card; the order can still be paid."),
    ),
    Care.SEATS_REJECTED: Matter(
        msgid("Seats refused"),
        msgid("The provisioning system refused seats, or they were released; nobody is charged for them."),
        msgid("Find out why, tell the customer, and close the entry. A new quote can order the seats again."),
    ),
    Care.ANSWER_NOT_UNDERSTOOD: Matter(
        msgid("Odd answer"),
        msgid("A partner's system gave an answer that doesn't fit what it was asked; nothing was booked from it."),
        msgid("Compare its books with the order's events, have it put right there, then close the entry."),
    ),
    Care.REFUND_FAILED: Matter(
        msgid("Refund failed"),
        msgid("The payment provider refused to give the money back."),
        msgid("Ask the provider why, then ask for the refund again or pay it another way and close the entry."),
    ),
    Care.RECEIPT_UNDELIVERABLE: Matter(
        msgid("Receipt came back"),
        msgid("The receipt can't be delivered to the billing contact."),
        msgid("Get the right address, change the billing contact, and have the receipt sent again."),
    ),
    Care.NOTICE_UNDELIVERABLE: Matter(
        msgid("Mail came back"),
        msgid("An email about an order or a quote can't be delivered to the billing contact."),
        msgid("Get the right address and change the billing contact; call the customer if it is urgent."),
    ),
    Care.PARKED: Matter(
        msgid("Standing still"),
        msgid("A part of this service could not take an event of the account. What it shows for it stands still."),
        msgid("Tell the operators: they can see what is wrong, and let it go on."),
    ),
}
"""What the list says of each kind; domain.care says it to programs."""


@care.get("/care", openapi_extra=asks(Operation.VIEW_CARE))
async def show_care(visit: AVisit, cursor: Cursor = None) -> Response:
    """The list."""
    page = await visit.ledger.queries.care(_ENTRIES_A_PAGE, cursor)
    now = await visit.ledger.clock.now()
    return visit.page(
        "care",
        page=page,
        first=cursor is None,
        matters=MATTERS,
        age=lambda since: visit.reader.duration(now - since),
    )


@care.get("/orders/{order_id}/care/{kind}/close", openapi_extra=asks(Operation.CLOSE_CARE_ENTRY))
async def ask_before_closing(order_id: UUID, kind: Care, visit: AVisit) -> Response:
    """What closing it means."""
    order = await order_of(visit, order_id)
    return visit.page("care_close", order=order, kind=kind, matter=MATTERS[kind])


@care.post("/orders/{order_id}/care/{kind}/close", openapi_extra=asks(Operation.CLOSE_CARE_ENTRY))
async def close(order_id: UUID, kind: Care, visit: AVisit, form: TheForm) -> Response:
    """Note that it was dealt with."""

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.ordering.close_care_entry(order_id, kind.value, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        order = await order_of(visit, order_id)
        return visit.page("care_close", 409, order=order, kind=kind, matter=MATTERS[kind], complaints=[outcome])
    return see(f"/orders/{order_id}/events", outcome)
