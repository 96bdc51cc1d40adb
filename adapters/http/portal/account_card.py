"""The card that an account pays with from now on: out to the gateway's form, back with a token, saved on this page."""

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.cards import CARD_FIELD, entered, kept, to_the_gateway
from adapters.http.portal.forms import TheForm
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

account_card = APIRouter(route_class=PortalRoute)


@account_card.get("/accounts/{account_id}/payment-method", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def show_card(visit: AVisit) -> Response:
    """The account's card, and the one that was just entered, to be saved."""
    return await _page(visit)


@account_card.post("/accounts/{account_id}/payment-method", openapi_extra=asks(Operation.CHANGE_ACCOUNT))
async def save_card(visit: AVisit, form: TheForm) -> Response:
    """Save the card that was entered; without one, to the gateway's form."""
    account, token = visit.account, form.text(CARD_FIELD)
    if not token:
        return await to_the_gateway(visit, f"/accounts/{account.account_id}/payment-method")

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.accounts.select_payment_method(account.account_id, token, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, token, outcome)
    return see(f"/accounts/{account.account_id}/payment-method", outcome)


async def _page(visit: Visit, token: str | None = None, *refused: Complaint) -> Response:
    return visit.page(
        "account_card",
        422 if refused else 200,
        forms_to=visit.ledger.card_form.origin,
        card=await kept(visit, visit.account.payment_method),
        new_card=await entered(visit, token),
        complaints=refused,
        CARD_FIELD=CARD_FIELD,
    )
