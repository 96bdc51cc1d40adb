"""What staff can do about an order: call it off, release seats, give money back, send the receipt again.

Each is first a page that says what will happen, from the order itself, and then a form that does it.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.api.bodies import CancellationReason, RefundReason
from adapters.http.callers import Command, asks
from adapters.http.portal.amounts import minor_units, suggested
from adapters.http.portal.forms import Sent, TheForm
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from adapters.http.portal.words import msgid
from domain.order import OrderCommand, ServiceOrder
from domain.pricing import totals
from services.authorisation import Operation
from services.ports import CommandContext, Outcome
from services.vault_records import Contact

order_acts = APIRouter(route_class=PortalRoute)

CANCELLATIONS: Final[Mapping[str, str]] = {
    CancellationReason.CUSTOMER_REQUEST: msgid("The customer wants it"),
    CancellationReason.DUPLICATE: msgid("It was made twice"),
    CancellationReason.FRAUD_SUSPECTED: msgid("Fraud is suspected"),
    CancellationReason.CONTRACT_CHANGE: msgid("The contract changes"),
}
REFUNDS: Final[Mapping[str, str]] = {
    RefundReason.CUSTOMER_REQUEST: msgid("The customer wants it"),
    RefundReason.DUPLICATE: msgid("It was made twice"),
    RefundReason.SEATS_UNUSABLE: msgid("The seats can't be used"),
    RefundReason.GOODWILL: msgid("Goodwill"),
}
_NO_REASON: Final = msgid("Choose a reason.")
_NO_LINE: Final = msgid("Choose whose seats are released.")
_NO_AMOUNT: Final = msgid("Enter an amount from %(least)s to %(most)s.")

PAGES: Final = {
    OrderCommand.CANCEL: "cancel",
    OrderCommand.RELEASE: "release",
    OrderCommand.REFUND: "refund",
    OrderCommand.RESEND_RECEIPT: "resend",
}
"""The address of each, after the order's."""


async def order_of(visit: Visit, id: UUID) -> ServiceOrder:
    """The order itself, as the commands see it; raises NotFound."""
    return (await visit.ledger.events.load(id)).require(ServiceOrder, id)


@order_acts.get("/orders/{order_id}/cancel", openapi_extra=asks(Operation.CANCEL_ORDER))
async def ask_before_cancelling(order_id: UUID, visit: AVisit) -> Response:
    """What is called off, what is charged, what is given back."""
    return await _page(visit, order_id, OrderCommand.CANCEL)


@order_acts.post("/orders/{order_id}/cancel", openapi_extra=asks(Operation.CANCEL_ORDER))
async def cancel(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Have nothing more provisioned."""
    reason = form.text("reason")
    wrong = [] if reason in CANCELLATIONS else [Complaint(visit.reader.said(_NO_REASON), "reason")]

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.ordering.cancel(order_id, reason, context)

    return await _done(visit, order_id, OrderCommand.CANCEL, form, wrong, execute)


@order_acts.get("/orders/{order_id}/release", openapi_extra=asks(Operation.RELEASE_SEATS))
async def ask_before_releasing(order_id: UUID, visit: AVisit) -> Response:
    """Which seats nobody has to wait for, and what that means."""
    return await _page(visit, order_id, OrderCommand.RELEASE)


@order_acts.post("/orders/{order_id}/release", openapi_extra=asks(Operation.RELEASE_SEATS))
async def release(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Give up waiting for one subscription's seats."""
    order = await order_of(visit, order_id)
    line = next((each for each in order.lines if str(each.subscription_id) == form.text("line")), None)
    wrong = [] if line else [Complaint(visit.reader.said(_NO_LINE), "line")]

    async def execute(context: CommandContext) -> Outcome:
        assert line is not None
        return await visit.ledger.ordering.release(order_id, line.subscription_id, context)

    return await _done(visit, order_id, OrderCommand.RELEASE, form, wrong, execute)


@order_acts.get("/orders/{order_id}/refund", openapi_extra=asks(Operation.REFUND_ORDER))
async def ask_before_refunding(order_id: UUID, visit: AVisit) -> Response:
    """How much, and why."""
    return await _page(visit, order_id, OrderCommand.REFUND)


@order_acts.post("/orders/{order_id}/refund", openapi_extra=asks(Operation.REFUND_ORDER))
async def refund(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """First what will happen with this amount, then give it back."""
    order, reason = await order_of(visit, order_id), form.text("reason")
    amount = minor_units(form.text("amount"), order.currency, visit.reader.language.locale)
    wrong = [] if reason in REFUNDS else [Complaint(visit.reader.said(_NO_REASON), "reason")]
    if amount is None or not 0 < amount <= order.captured_amount:
        said = visit.reader.language.money
        least, most = said(1, order.currency), said(max(order.captured_amount, 1), order.currency)
        wrong.append(Complaint(visit.reader.said(_NO_AMOUNT, least=least, most=most), "amount"))
    if form.text("action") != "do" and not wrong:
        return await _page(visit, order_id, OrderCommand.REFUND, form, reviewed=amount)

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.ordering.refund(order_id, amount, reason, context)

    return await _done(visit, order_id, OrderCommand.REFUND, form, wrong, execute)


@order_acts.get("/orders/{order_id}/resend", openapi_extra=asks(Operation.RESEND_RECEIPT))
async def ask_before_resending(order_id: UUID, visit: AVisit) -> Response:
    """To whom the receipt would go."""
    return await _page(visit, order_id, OrderCommand.RESEND_RECEIPT)


@order_acts.post("/orders/{order_id}/resend", openapi_extra=asks(Operation.RESEND_RECEIPT))
async def resend(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Mail the receipt once more."""

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.ordering.resend_receipt(order_id, context)

    return await _done(visit, order_id, OrderCommand.RESEND_RECEIPT, form, [], execute)


async def _done(
    visit: Visit, order_id: UUID, act: OrderCommand, form: Sent, wrong: list[Complaint], execute: Command
) -> Response:
    """To the order, which shows it; or what is wrong, and what was typed."""
    if wrong:
        return await _page(visit, order_id, act, form, *wrong)
    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, order_id, act, form, outcome)
    staff = Operation.VIEW_CARE in visit.may or Operation.REFUND_ORDER in visit.may
    return see(f"/orders/{order_id}{'/events' if staff else ''}", outcome)


async def _page(
    visit: Visit,
    order_id: UUID,
    act: OrderCommand,
    form: Sent | None = None,
    *complaints: Complaint,
    reviewed: int | None = None,
) -> Response:
    order = await order_of(visit, order_id)
    reasons = REFUNDS if act is OrderCommand.REFUND else CANCELLATIONS
    return visit.page(
        "order_act",
        422 if complaints else 200,
        order=order,
        act=act.value,
        page=PAGES[act],
        possible=act in order.possible,
        charged=totals(order.provisioned_lines).gross,
        reasons=[(code, visit.reader.said(text)) for code, text in reasons.items()],
        suggested=suggested(order.captured_amount, order.currency, visit.reader.language.locale),
        typed={name: form.text(name) if form else "" for name in ("reason", "amount", "line")},
        reviewed=reviewed,
        complaints=list(complaints),
        recipient=await _recipient(visit) if act is OrderCommand.RESEND_RECEIPT else None,
    )


async def _recipient(visit: Visit) -> Contact | None:
    """Who is the account's billing contact now."""
    await visit.looked(Operation.RESEND_RECEIPT, "BillingAccount", visit.account.account_id)
    records = await visit.ledger.vault.read((visit.account.billing_contact,))
    contact = records.get(visit.account.billing_contact)
    return contact if isinstance(contact, Contact) else None
