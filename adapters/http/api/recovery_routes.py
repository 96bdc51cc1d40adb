"""What is done about an order that left its straight way, and the list that says which did."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from adapters.http.api.answers import PROBLEMS, Cursor, Key, Limit, answer, order_answer
from adapters.http.api.bodies import CancelOrderBody, RefundBody, ReleaseBody
from adapters.http.api.representations import CareView, Listed, OrderView
from adapters.http.callers import TheCaller, TheLedger, carried_out, permitted_subject, wait_for_position
from adapters.ledger import Ledger
from domain.care import Care
from services.authorisation import Caller, Operation, must_be_permitted
from services.ports import CommandContext, Outcome

recovery = APIRouter(prefix="/v1", responses=PROBLEMS)


async def _ordered(
    operation: Operation,
    order_id: UUID,
    request: Request,
    ledger: Ledger,
    caller: Caller,
    key: str,
    execute: Callable[[CommandContext], Awaitable[Outcome]],
) -> Response:
    account_id = await permitted_subject(ledger, caller, operation, "ServiceOrder", order_id)
    return await order_answer(ledger, await carried_out(request, ledger, caller, account_id, key, execute), 202)


@recovery.post("/orders/{order_id}/pay", response_model=OrderView, status_code=202, tags=["orders"])
async def pay_order(order_id: UUID, request: Request, ledger: TheLedger, caller: TheCaller, key: Key) -> Response:
    """Try the next payment with the order's card: after a decline or a lapse, or in place of a confirmation."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.pay(order_id, context)

    return await _ordered(Operation.PAY_ORDER, order_id, request, ledger, caller, key, execute)


@recovery.post("/orders/{order_id}/cancel", response_model=OrderView, status_code=202, tags=["care"])
async def cancel_order(
    order_id: UUID, body: CancelOrderBody, request: Request, ledger: TheLedger, caller: TheCaller, key: Key
) -> Response:
    """Have nothing more provisioned: lines with seats are charged, those without are called off."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.cancel(order_id, body.reason.value, context)

    return await _ordered(Operation.CANCEL_ORDER, order_id, request, ledger, caller, key, execute)


@recovery.post("/orders/{order_id}/refund", response_model=OrderView, status_code=202, tags=["care"])
async def refund_order(
    order_id: UUID, body: RefundBody, request: Request, ledger: TheLedger, caller: TheCaller, key: Key
) -> Response:
    """Give money back to the card, with a numbered credit note; without an amount, all that is left of the charge."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.refund(order_id, body.amount, body.reason.value, context)

    return await _ordered(Operation.REFUND_ORDER, order_id, request, ledger, caller, key, execute)


@recovery.post("/orders/{order_id}/release", response_model=OrderView, status_code=202, tags=["care"])
async def release_seats(
    order_id: UUID, body: ReleaseBody, request: Request, ledger: TheLedger, caller: TheCaller, key: Key
) -> Response:
    """Give up waiting for one subscription's seats; nobody pays for them, and it takes other seats again."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.release(order_id, body.subscription_id, context)

    return await _ordered(Operation.RELEASE_SEATS, order_id, request, ledger, caller, key, execute)


@recovery.post("/orders/{order_id}/receipt/resend", response_model=OrderView, status_code=202, tags=["orders"])
async def resend_receipt(order_id: UUID, request: Request, ledger: TheLedger, caller: TheCaller, key: Key) -> Response:
    """Mail the receipt once more, to who is the account's billing contact now."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.resend_receipt(order_id, context)

    return await _ordered(Operation.RESEND_RECEIPT, order_id, request, ledger, caller, key, execute)


@recovery.post("/orders/{order_id}/care/{care}/close", response_model=OrderView, status_code=202, tags=["care"])
async def close_care_entry(
    order_id: UUID, care: Care, request: Request, ledger: TheLedger, caller: TheCaller, key: Key
) -> Response:
    """Note that the order's entry of this kind on the care list was dealt with; it leaves the list."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.close_care_entry(order_id, care.value, context)

    return await _ordered(Operation.CLOSE_CARE_ENTRY, order_id, request, ledger, caller, key, execute)


@recovery.get("/care", response_model=Listed[CareView], dependencies=[Depends(wait_for_position)], tags=["care"])
async def list_care(ledger: TheLedger, caller: TheCaller, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """What Corporate Account Services has to look at, oldest first: what happened, since when, and what to do."""
    must_be_permitted(caller, Operation.VIEW_CARE)
    page = await ledger.queries.care(limit, cursor)
    return answer(Listed[CareView](items=tuple(CareView.of(row) for row in page.items), next=page.next))
