"""A quote as its account sees it, and Proceed to Payment."""

from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.cart import as_query
from adapters.http.portal.forms import TheForm
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from domain.quote import QuoteState
from domain.refusals import NotFound
from projections.portal import QuoteRow
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

quote_review = APIRouter(route_class=PortalRoute)


@quote_review.get("/quotes/{quote_id}", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_quote(quote_id: UUID, visit: AVisit) -> Response:
    """The quote with its lines, open or ended, and by what it was replaced."""
    return await quote_page(visit, quote_id)


@quote_review.post("/quotes/{quote_id}/order", openapi_extra=asks(Operation.PREPARE_ORDER))
async def proceed_to_payment(quote_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Proceed to Payment: the quote's one service order, as a draft."""

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.ordering.prepare(quote_id, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await quote_page(visit, quote_id, outcome)
    return see(f"/quotes/{quote_id}/payment", outcome)


async def quote_of(visit: Visit, quote_id: UUID) -> QuoteRow:
    """The quote's row; raises NotFound."""
    row = await visit.ledger.queries.quote(quote_id)
    if row is None:
        raise NotFound(kind="Quote", id=quote_id)
    return row


async def quote_page(visit: Visit, quote_id: UUID, *refused: Complaint) -> Response:
    """The quote's page; with what its forms were refused for."""
    row = await quote_of(visit, quote_id)
    return visit.page(
        "quote",
        409 if refused else 200,
        quote=row,
        replaced_by=await visit.ledger.queries.quote(row.superseded_by) if row.superseded_by else None,
        is_open=row.state == QuoteState.OPEN and await visit.ledger.clock.now() < row.valid_until,
        same_cart=as_query(row),
        complaints=refused,
    )
