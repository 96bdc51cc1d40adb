"""The account's subscriptions: seats today, seats on order, renewal, price, state, and the way to more seats."""

from typing import Final

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor
from adapters.http.portal.visiting import AVisit, PortalRoute
from domain.products import Product
from domain.subscription import SubscriptionState
from projections.portal import SubscriptionRow
from services.authorisation import Operation

subscriptions = APIRouter(route_class=PortalRoute)

_SUBSCRIPTIONS_A_PAGE: Final = 50


def takes_seats(row: SubscriptionRow) -> bool:
    """Whether "Add Seats" is offered; the command itself looks again."""
    return row.product in set(Product) and row.state == SubscriptionState.ACTIVE and row.order_id is None


@subscriptions.get("/accounts/{account_id}/subscriptions", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def list_subscriptions(visit: AVisit, cursor: Cursor = None) -> Response:
    """The subscriptions, and the open quote if there is one."""
    account, queries = visit.account, visit.ledger.queries
    page = await queries.subscriptions(account.account_id, _SUBSCRIPTIONS_A_PAGE, cursor)
    open_quote = await queries.quote(account.open_quote_id) if account.open_quote_id else None
    return visit.page("subscriptions", page=page, first=cursor is None, takes_seats=takes_seats, open_quote=open_quote)
