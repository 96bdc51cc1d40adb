"""The account's subscriptions: seats today, seats on order, renewal, price, state, and the way to more seats."""

from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor, Sought
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
async def list_subscriptions(visit: AVisit, cursor: Cursor = None, named: Sought = "") -> Response:
    """The subscriptions, all or those of a number or product, and the open quote if there is one."""
    account, queries = visit.account, visit.ledger.queries
    named = named.strip()
    products = [product for product in Product if named and named.casefold() in product.title.casefold()]
    page = await queries.subscriptions(
        account.account_id, _SUBSCRIPTIONS_A_PAGE, cursor, named=named or None, products=products
    )
    open_quote = await queries.quote(account.open_quote_id) if account.open_quote_id else None
    query = f"?{urlencode({'named': named})}" if named else ""
    return visit.page(
        "subscriptions",
        page=page,
        first=cursor is None,
        named=named,
        here=f"/portal/accounts/{account.account_id}/subscriptions{query}",
        takes_seats=takes_seats,
        open_quote=open_quote,
    )
