"""The account's orders, newest first, as many as there are: by state, with their receipts."""

from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Query, Response

from adapters.http.callers import asks
from adapters.http.portal.accounts import Cursor
from adapters.http.portal.visiting import AVisit, PortalRoute
from adapters.http.portal.words import msgid
from domain.order import OrderState
from services.authorisation import Operation

orders = APIRouter(route_class=PortalRoute)

_ORDERS_A_PAGE: Final = 25


class Group(NamedTuple):
    """Orders that somebody looks for together; `states` None: all of them."""

    label: str
    states: frozenset[OrderState] | None


GROUPS: Final[Mapping[str, Group]] = {
    "": Group(msgid("All"), None),
    "yours": Group(
        msgid("Waiting for you"), frozenset({OrderState.PAYMENT_DECLINED, OrderState.PAYMENT_ACTION_REQUIRED})
    ),
    "underway": Group(
        msgid("Under way"),
        frozenset(
            {
                OrderState.PLACED,
                OrderState.AUTHORISED,
                OrderState.PROVISIONED,
                OrderState.CAPTURED,
                OrderState.PARTLY_PROVISIONED,
                OrderState.PAYMENT_UNKNOWN,
            }
        ),
    ),
    "completed": Group(msgid("Completed"), frozenset({OrderState.COMPLETED})),
    "drafts": Group(msgid("Drafts"), frozenset({OrderState.PREPARED})),
    "cancelled": Group(msgid("Cancelled"), frozenset({OrderState.CANCELLED})),
}
"""By what stands in the address; each state is in one beside "All"."""


@orders.get("/accounts/{account_id}/orders", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def list_orders(
    visit: AVisit, cursor: Cursor = None, show: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """The orders of a group; an unknown group is all."""
    shown = show if show in GROUPS else ""
    page = await visit.ledger.queries.orders(visit.account.account_id, _ORDERS_A_PAGE, cursor, GROUPS[shown].states)
    return visit.page("orders", page=page, first=cursor is None, shown=shown, groups=GROUPS)
