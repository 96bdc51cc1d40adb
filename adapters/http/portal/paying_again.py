"""After a decline: the same card once more, or another one from the gateway's form."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.cards import CARD_FIELD, entered, kept, to_the_gateway
from adapters.http.portal.forms import TheForm
from adapters.http.portal.order_page import shown
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.service_order import order_of
from adapters.http.portal.visiting import AVisit, PortalRoute, see
from domain.identifiers import command_id
from domain.order import OrderState
from services.authorisation import Operation
from services.ordering import ChangeOrderDetails
from services.ports import CommandContext, Outcome

paying_again = APIRouter(route_class=PortalRoute)

PAYABLE: Final = {OrderState.PAYMENT_DECLINED, OrderState.PAYMENT_ACTION_REQUIRED}


@paying_again.post("/orders/{order_id}/card", openapi_extra=asks(Operation.PAY_ORDER))
async def enter_another_card(order_id: UUID, visit: AVisit) -> Response:
    """To the gateway's form; nothing changes before its card is confirmed on the page that it comes back to."""
    return await to_the_gateway(visit, f"/orders/{order_id}/pay")


@paying_again.get("/orders/{order_id}/pay", openapi_extra=asks(Operation.PAY_ORDER))
async def show_paying(order_id: UUID, visit: AVisit) -> Response:
    """The amount and the card, to be confirmed."""
    order = await order_of(visit, order_id)
    if order.state not in PAYABLE:
        return see(f"/orders/{order_id}")
    card, new_card = await kept(visit, order.details.payment_method), await entered(visit)
    return visit.page(
        "pay", forms_to=visit.ledger.card_form.origin, order=order, card=card, new_card=new_card, CARD_FIELD=CARD_FIELD
    )


@paying_again.post("/orders/{order_id}/pay", openapi_extra=asks(Operation.PAY_ORDER))
async def pay_again(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Pay with the card that was just entered, or with the order's own once more."""
    token = form.text(CARD_FIELD)

    async def execute(context: CommandContext) -> Outcome:
        if token:
            # A command of its own, with a key made from the form's: the form sent again repeats both.
            key = f"{context.idempotency_key}-card"
            id = command_id(visit.account.account_id, context.actor.id, key)
            # At whatever version: beside a declined order its mails are noted, and this card is what somebody chose.
            await visit.ledger.ordering.change_details(
                ChangeOrderDetails(order_id, None, card_token=token),
                replace(context, command_id=id, idempotency_key=key),
            )
        return await visit.ledger.ordering.pay(order_id, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await shown(visit, await order_of(visit, order_id), outcome)
    return see(f"/orders/{order_id}", outcome)
