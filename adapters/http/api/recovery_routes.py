"""What is done about an order that left its straight way, and the list that says which did."""

from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from adapters.http.api.answers import PROBLEMS, Cursor, Key, Limit, answer, order_answer
from adapters.http.api.bodies import CancelOrderBody, RefundBody, ReleaseBody
from adapters.http.api.representations import CareView, Listed, OrderView
from adapters.http.callers import (
    AskedRoute,
    Command,
    Permission,
    Permitted,
    TheLedger,
    asks,
    carried_out,
    wait_for_position,
)
from adapters.ledger import Ledger
from domain.care import Care
from services.authorisation import Operation
from services.ports import CommandContext, Outcome

recovery = APIRouter(prefix="/v1", responses=PROBLEMS, route_class=AskedRoute)


async def _ordered(
    request: Request,
    ledger: Ledger,
    permission: Permission,
    key: str,
    execute: Command,
) -> Response:
    return await order_answer(ledger, await carried_out(request, ledger, permission, key, execute), 202)


@recovery.post(
    "/orders/{order_id}/pay",
    response_model=OrderView,
    status_code=202,
    tags=["orders"],
    openapi_extra=asks(Operation.PAY_ORDER),
)
async def pay_order(order_id: UUID, request: Request, ledger: TheLedger, permission: Permitted, key: Key) -> Response:
    """Try the next payment with the order's card: after a decline or a lapse, or in place of a confirmation."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.pay(order_id, context)

    return await _ordered(request, ledger, permission, key, execute)


@recovery.post(
    "/orders/{order_id}/cancel",
    response_model=OrderView,
    status_code=202,
    tags=["care"],
    openapi_extra=asks(Operation.CANCEL_ORDER),
)
async def cancel_order(
    order_id: UUID, body: CancelOrderBody, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Have nothing more provisioned: lines with seats are charged, those without are called off."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.cancel(order_id, body.reason.value, context)

    return await _ordered(request, ledger, permission, key, execute)


@recovery.post(
    "/orders/{order_id}/refund",
    response_model=OrderView,
    status_code=202,
    tags=["care"],
    openapi_extra=asks(Operation.REFUND_ORDER),
)
async def refund_order(
    order_id: UUID, body: RefundBody, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Give money back to the card, with a numbered credit note; without an amount, all that is left of the charge."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.refund(order_id, body.amount, body.reason.value, context)

    return await _ordered(request, ledger, permission, key, execute)


@recovery.post(
    "/orders/{order_id}/release",
    response_model=OrderView,
    status_code=202,
    tags=["care"],
    openapi_extra=asks(Operation.RELEASE_SEATS),
)
async def release_seats(
    order_id: UUID, body: ReleaseBody, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Give up waiting for one subscription's seats; nobody pays for them, and it takes other seats again."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.release(order_id, body.subscription_id, context)

    return await _ordered(request, ledger, permission, key, execute)


@recovery.post(
    "/orders/{order_id}/receipt/resend",
    response_model=OrderView,
    status_code=202,
    tags=["orders"],
    openapi_extra=asks(Operation.RESEND_RECEIPT),
)
async def resend_receipt(
    order_id: UUID, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Mail the receipt once more, to who is the account's billing contact now."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.resend_receipt(order_id, context)

    return await _ordered(request, ledger, permission, key, execute)


@recovery.post(
    "/orders/{order_id}/care/{care}/close",
    response_model=OrderView,
    status_code=202,
    tags=["care"],
    openapi_extra=asks(Operation.CLOSE_CARE_ENTRY),
)
async def close_care_entry(
    order_id: UUID, care: Care, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Note that the order's entry of this kind on the care list was dealt with; it leaves the list."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.close_care_entry(order_id, care.value, context)

    return await _ordered(request, ledger, permission, key, execute)


@recovery.get(
    "/care",
    response_model=Listed[CareView],
    dependencies=[Depends(wait_for_position)],
    tags=["care"],
    openapi_extra=asks(Operation.VIEW_CARE),
)
async def list_care(ledger: TheLedger, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """What Corporate Account Services has to look at, oldest first: what happened, since when, and what to do."""
    page = await ledger.queries.care(limit, cursor)
    return answer(Listed[CareView](items=tuple(CareView.of(row) for row in page.items), next=page.next))
