"""The account's quotes: the open one with what it holds, those that ended, what replaced what, and declining."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor
from adapters.http.portal.cart import as_query
from adapters.http.portal.forms import TheForm
from adapters.http.portal.quote_review import quote_of
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.visiting import AVisit, PortalRoute, see
from domain.quote import QuoteState
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

quotes = APIRouter(route_class=PortalRoute)

_QUOTES_A_PAGE: Final = 25


@quotes.get("/accounts/{account_id}/quotes", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def list_quotes(visit: AVisit, cursor: Cursor = None) -> Response:
    """The quotes, newest first. The open one is the newest of all, since a new one replaces it: it is on page one."""
    page = await visit.ledger.queries.quotes(visit.account.account_id, _QUOTES_A_PAGE, cursor)
    open_quote = next((row for row in page.items if row.state == QuoteState.OPEN), None)
    related = [id for row in page.items for id in (row.superseded_by, row.supersedes and row.supersedes.quote_id) if id]
    return visit.page(
        "quotes",
        page=page,
        first=cursor is None,
        open_quote=open_quote,
        ended=[row for row in page.items if row is not open_quote],
        numbers=await visit.ledger.queries.numbers(related) if related else {},
        like=as_query,
    )


@quotes.get("/quotes/{quote_id}/decline", openapi_extra=asks(Operation.DECLINE_QUOTE))
async def ask_before_declining(quote_id: UUID, visit: AVisit) -> Response:
    """What is lost, before it is."""
    return visit.page("decline", quote=await quote_of(visit, quote_id))


@quotes.post("/quotes/{quote_id}/decline", openapi_extra=asks(Operation.DECLINE_QUOTE))
async def decline(quote_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Decline the open quote; its draft order goes with it."""

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.quoting.decline(quote_id, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return visit.page("decline", 409, quote=await quote_of(visit, quote_id), complaints=[outcome])
    return see(f"/accounts/{visit.account.account_id}/quotes", outcome)
