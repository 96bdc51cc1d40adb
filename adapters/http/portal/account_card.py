"""The card that an account pays with from now on: out to the gateway's form, back with a token, saved on this page."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.cards import CARD_FIELD, entered, kept, to_the_gateway
from adapters.http.portal.cart import fields_of, typed_in
from adapters.http.portal.forms import TheForm
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

account_card = APIRouter(route_class=PortalRoute)

_QUERY_AT_MOST: Final = 3_500


@account_card.get("/accounts/{account_id}/payment-method", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def show_card(visit: AVisit) -> Response:
    """The account's card, and the one that was just entered, to be saved."""
    return await _page(visit, _cart(visit.request.query_params))


@account_card.post("/accounts/{account_id}/payment-method", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def save_card(visit: AVisit, form: TheForm) -> Response:
    """Save the card that was entered; without one, to the gateway's form. A cart on whose way this was goes along."""
    account, token, cart = visit.account, form.text(CARD_FIELD), _cart(form.fields)
    here = f"/accounts/{account.account_id}/payment-method?{urlencode(cart)}".removesuffix("?")
    if not token:
        return await to_the_gateway(visit, here)

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.accounts.select_payment_method(account.account_id, token, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, cart, token, outcome)
    return see(here, outcome)


def _cart(fields: Mapping[str, str]) -> dict[str, str]:
    """The cart's fields among these, as long as an address with them is none that gateways refuse."""
    cart = fields_of(typed_in(fields))
    return cart if len(urlencode(cart)) <= _QUERY_AT_MOST else {}


async def _page(visit: Visit, cart: Mapping[str, str], token: str | None = None, *refused: Complaint) -> Response:
    return visit.page(
        "account_card",
        422 if refused else 200,
        forms_to=visit.ledger.card_form.origin,
        card=await kept(visit, visit.account.payment_method),
        new_card=await entered(visit, token),
        complaints=refused,
        cart=cart,
        CARD_FIELD=CARD_FIELD,
    )
