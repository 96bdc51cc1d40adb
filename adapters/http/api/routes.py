"""The operations of /v1, each: who, may he, the command or query, the answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from adapters.clock import MovableClock
from adapters.http.api.answers import (
    PROBLEMS,
    Cursor,
    IfMatch,
    Key,
    Limit,
    OptionalKey,
    answer,
    order_answer,
    quote_answer,
    version_of,
)
from adapters.http.api.bodies import (
    AdminContactBody,
    BillingAddressBody,
    IssueQuoteBody,
    MoveClockBody,
    PaymentMethodBody,
    PlaceOrderBody,
    PreviewBody,
    ReissueQuoteBody,
)
from adapters.http.api.representations import (
    AccountView,
    ClockView,
    LineView,
    Listed,
    Money,
    OrderView,
    PreviewView,
    QuoteView,
    ReceiptView,
    SubscriptionView,
    TimelineView,
    references_of,
)
from adapters.http.callers import (
    AskedRoute,
    Command,
    Permission,
    Permitted,
    TheLedger,
    asks,
    carried_out,
    looked_at,
    wait_for_position,
)
from adapters.http.issued_documents import html_of, pdf_of, text_of
from adapters.http.problems import problem
from adapters.ledger import Ledger
from adapters.postgres.read_models import PAGE_AT_MOST
from adapters.postgres.sight import seen, these_accounts
from domain.account import BillingAccount
from domain.envelope import Role
from domain.order import OrderState
from domain.pricing import totals
from domain.quote import QuoteOrigin
from domain.refusals import NotFound
from services.authorisation import SEES, Operation, Sight
from services.ordering import PlaceServiceOrder
from services.ports import CommandContext, Outcome
from services.quoting import IssueQuote
from services.vault_records import ReceiptDocument, RequestContext, opened

router = APIRouter(prefix="/v1", responses=PROBLEMS, route_class=AskedRoute)
_reading = [Depends(wait_for_position)]


# --- accounts ------------------------------------------------------------------------------------------------------


@router.get(
    "/accounts",
    response_model=Listed[AccountView],
    dependencies=_reading,
    tags=["accounts"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def list_accounts(ledger: TheLedger, permission: Permitted, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The accounts that the caller may see, by number."""
    caller = permission.caller
    restricted = SEES[caller.actor.role] is not Sight.ALL
    page = await ledger.queries.accounts(caller.accounts if restricted else None, caller.territories, limit, cursor)
    shown = [row.account_id for row in page.items]
    await looked_at(ledger, permission, Operation.VIEW_ACCOUNTS, "BillingAccount", zip(shown, shown, strict=True))
    seen.set(these_accounts(*shown))  # a territory names accounts, not their data
    records = await ledger.vault.read(references_of(page.items))
    items = tuple(AccountView.of(row, records) for row in page.items)
    return answer(Listed[AccountView](items=items, next=page.next))


@router.get(
    "/accounts/{account_id}",
    response_model=AccountView,
    dependencies=_reading,
    tags=["accounts"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def get_account(account_id: UUID, ledger: TheLedger, permission: Permitted) -> Response:
    """An account: eligibility, card, contact, open quote."""
    row = await ledger.queries.account(account_id)
    if row is None:
        raise NotFound(kind="BillingAccount", id=account_id)
    await looked_at(ledger, permission, Operation.VIEW_ACCOUNTS, "BillingAccount", [(account_id, account_id)])
    view = AccountView.of(row, await ledger.vault.read(AccountView.references(row)))
    return answer(view, version=row.version)


@router.get(
    "/accounts/{account_id}/subscriptions",
    response_model=Listed[SubscriptionView],
    dependencies=_reading,
    tags=["accounts"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def list_subscriptions(account_id: UUID, ledger: TheLedger, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The account's subscriptions by number."""
    page = await ledger.queries.subscriptions(account_id, limit, cursor)
    items = tuple(SubscriptionView.of(row) for row in page.items)
    return answer(Listed[SubscriptionView](items=items, next=page.next))


@router.get(
    "/accounts/{account_id}/quotes",
    response_model=Listed[QuoteView],
    dependencies=_reading,
    tags=["quotes"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def list_quotes(account_id: UUID, ledger: TheLedger, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The account's quotes, newest first."""
    page = await ledger.queries.quotes(account_id, limit, cursor)
    return answer(Listed[QuoteView](items=tuple(QuoteView.of(row) for row in page.items), next=page.next))


@router.get(
    "/accounts/{account_id}/orders",
    response_model=Listed[OrderView],
    dependencies=_reading,
    tags=["orders"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def list_orders(
    account_id: UUID, ledger: TheLedger, permission: Permitted, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The account's orders, newest first."""
    page = await ledger.queries.orders(account_id, limit, cursor)
    shown = [(row.order_id, account_id) for row in page.items]
    await looked_at(ledger, permission, Operation.VIEW_ACCOUNTS, "ServiceOrder", shown)
    records = await ledger.vault.read(ref for row in page.items for ref in OrderView.references(row))
    return answer(Listed[OrderView](items=tuple(OrderView.of(row, records) for row in page.items), next=page.next))


@router.get(
    "/accounts/{account_id}/timeline",
    response_model=Listed[TimelineView],
    dependencies=_reading,
    tags=["accounts"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def list_timeline(account_id: UUID, ledger: TheLedger, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every event of the account's history, in the order of the log."""
    page = await ledger.queries.timeline(account_id, limit, cursor)
    return answer(Listed[TimelineView](items=tuple(TimelineView.of(row) for row in page.items), next=page.next))


# --- quotes --------------------------------------------------------------------------------------------------------


@router.post(
    "/accounts/{account_id}/quotes/preview",
    response_model=PreviewView,
    tags=["quotes"],
    openapi_extra=asks(Operation.PREVIEW_QUOTE),
)
async def preview_quote(account_id: UUID, body: PreviewBody, ledger: TheLedger) -> Response:
    """Price a cart; stores nothing and needs no Idempotency-Key."""
    account = (await ledger.events.load(account_id)).require(BillingAccount, account_id)
    cart = tuple(line.line for line in body.lines)
    lines = await ledger.quoting.preview(account_id, cart, await ledger.clock.now())
    sums, currency = totals(lines), account.currency
    return answer(
        PreviewView(
            lines=tuple(LineView.of(line, currency) for line in lines),
            net=Money(amount=sums.net, currency=currency),
            tax=Money(amount=sums.tax, currency=currency),
            gross=Money(amount=sums.gross, currency=currency),
        )
    )


@router.post(
    "/accounts/{account_id}/quotes",
    response_model=QuoteView,
    status_code=201,
    tags=["quotes"],
    openapi_extra=asks(Operation.ISSUE_QUOTE, Operation.ISSUE_SALES_REP_QUOTE),
)
async def issue_quote(
    account_id: UUID, body: IssueQuoteBody, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Save Cart and Review: issue the account's one open quote. The one that it replaces expires at once."""
    by_rep = permission.caller.actor.role is Role.SALES_REP
    if not by_rep and (body.valid_until or any(line.unit_price is not None for line in body.lines)):
        return problem(422, "VALIDATION_FAILED", "Prices and validity are a sales representative's to give.")
    command = IssueQuote(
        account_id=account_id,
        lines=tuple(line.line for line in body.lines),
        replaces=body.replaces,
        acknowledge_sales_rep_quote=body.acknowledge_sales_rep_quote,
        origin=QuoteOrigin.SALES_REP if by_rep else QuoteOrigin.SELF_SERVICE,
        valid_until=body.valid_until,
    )

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.quoting.issue(command, context)

    outcome = await carried_out(request, ledger, permission, key, execute)
    return await quote_answer(ledger, outcome, 201)


@router.get(
    "/quotes/{quote_id}",
    response_model=QuoteView,
    dependencies=_reading,
    tags=["quotes"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def get_quote(quote_id: UUID, ledger: TheLedger) -> Response:
    """A quote, open or ended."""
    row = await ledger.queries.quote(quote_id)
    if row is None:
        raise NotFound(kind="Quote", id=quote_id)
    return answer(QuoteView.of(row), version=row.version)


@router.post(
    "/quotes/{quote_id}/decline", response_model=QuoteView, tags=["quotes"], openapi_extra=asks(Operation.DECLINE_QUOTE)
)
async def decline_quote(
    quote_id: UUID, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Decline the open quote."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.quoting.decline(quote_id, context)

    return await quote_answer(ledger, await carried_out(request, ledger, permission, key, execute), 200)


@router.post(
    "/quotes/{quote_id}/reissue",
    response_model=QuoteView,
    status_code=201,
    tags=["quotes"],
    openapi_extra=asks(Operation.ISSUE_QUOTE),
)
async def reissue_quote(
    quote_id: UUID, body: ReissueQuoteBody, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Issue a new quote for the same seats as this one, open or ended, at today's prices."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.quoting.issue_again(
            quote_id,
            body.replaces,
            acknowledge_sales_rep_quote=body.acknowledge_sales_rep_quote,
            context=context,
        )

    return await quote_answer(ledger, await carried_out(request, ledger, permission, key, execute), 201)


# --- orders --------------------------------------------------------------------------------------------------------


@router.post(
    "/quotes/{quote_id}/orders",
    response_model=OrderView,
    status_code=201,
    responses={200: {"model": OrderView, "description": "it had been prepared before"}},
    tags=["orders"],
    openapi_extra=asks(Operation.PREPARE_ORDER),
)
async def prepare_order(
    quote_id: UUID, request: Request, ledger: TheLedger, permission: Permitted, key: Key
) -> Response:
    """Proceed to Payment: prepare the quote's one service order, or give it back."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.prepare(quote_id, context)

    outcome = await carried_out(request, ledger, permission, key, execute)
    return await order_answer(ledger, outcome, 201 if outcome.position.position else 200)


async def _change(
    request: Request,
    ledger: Ledger,
    permission: Permission,
    key: str | None,
    execute: Command,
) -> Response:
    return await order_answer(ledger, await carried_out(request, ledger, permission, key, execute), 200)


@router.put(
    "/orders/{order_id}/admin-contact",
    response_model=OrderView,
    tags=["orders"],
    openapi_extra=asks(Operation.CHANGE_ORDER),
)
async def change_admin_contact(
    order_id: UUID,
    body: AdminContactBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Name the admin who is created or updated and gets a seat of each product on the quote."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.change_admin_contact(order_id, version_of(if_match), body.contact, context)

    return await _change(request, ledger, permission, key, execute)


@router.put(
    "/orders/{order_id}/billing-address",
    response_model=OrderView,
    tags=["orders"],
    openapi_extra=asks(Operation.CHANGE_ORDER),
)
async def change_billing_address(
    order_id: UUID,
    body: BillingAddressBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Bill this order to another address in the same country."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.change_billing_address(order_id, version_of(if_match), body.address, context)

    return await _change(request, ledger, permission, key, execute)


@router.put(
    "/orders/{order_id}/payment-method",
    response_model=OrderView,
    tags=["orders"],
    openapi_extra=asks(Operation.CHANGE_ORDER),
)
async def change_payment_method(
    order_id: UUID,
    body: PaymentMethodBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: OptionalKey = None,
) -> Response:
    """Pay this order with another card."""

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.change_payment_method(order_id, version_of(if_match), body.token, context)

    return await _change(request, ledger, permission, key, execute)


@router.post(
    "/orders/{order_id}/place",
    response_model=OrderView,
    status_code=202,
    tags=["orders"],
    openapi_extra=asks(Operation.PLACE_ORDER),
)
async def place_order(
    order_id: UUID,
    body: PlaceOrderBody,
    request: Request,
    ledger: TheLedger,
    permission: Permitted,
    if_match: IfMatch,
    key: Key,
) -> Response:
    """Place Service Order: accept the quote and place its order at once. Processing may take up to 24 hours."""
    agent = request.headers.get("user-agent")
    command = PlaceServiceOrder(
        order_id=order_id,
        version=version_of(if_match),
        terms_version=body.terms_version,
        po_number=body.po_number,
        request_context=RequestContext(
            ip=request.client.host if request.client else None, user_agent=agent and agent[:500]
        ),
    )

    async def execute(context: CommandContext) -> Outcome:
        return await ledger.ordering.place(command, context)

    return await order_answer(ledger, await carried_out(request, ledger, permission, key, execute), 202)


@router.get(
    "/orders/{order_id}",
    response_model=OrderView,
    dependencies=_reading,
    tags=["orders"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def get_order(order_id: UUID, ledger: TheLedger, permission: Permitted) -> Response:
    """A service order and how far it is."""
    row = await ledger.queries.order(order_id)
    if row is None:
        raise NotFound(kind="ServiceOrder", id=order_id)
    await looked_at(ledger, permission, Operation.VIEW_ACCOUNTS, "ServiceOrder", [(order_id, row.account_id)])
    view = OrderView.of(row, await ledger.vault.read(OrderView.references(row)))
    return answer(view, version=row.version)


@router.get(
    "/orders/{order_id}/receipt",
    response_model=ReceiptView,
    responses={200: {"content": {"text/html": {}, "text/plain": {}, "application/pdf": {}}}},
    dependencies=_reading,
    tags=["orders"],
    openapi_extra=asks(Operation.VIEW_RECEIPT),
)
async def get_receipt(
    order_id: UUID,
    ledger: TheLedger,
    permission: Permitted,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> Response:
    """The order's receipt: as JSON, or by Accept as the PDF, HTML or text that was mailed.

    Without a PDF (older ones, and names that its fonts can't show) who asks for nothing else is answered 406.
    """
    order = await ledger.queries.order(order_id)
    receipt = await ledger.queries.receipt(order.receipt_id) if order and order.receipt_id else None
    if order is None or receipt is None:
        raise NotFound(kind="Receipt", id=order_id)
    shown = [(receipt.receipt_id, order.account_id)]
    await looked_at(ledger, permission, Operation.VIEW_RECEIPT, "Receipt", shown)
    records = await ledger.vault.read((receipt.document, *OrderView.references(order)))
    if "application/pdf" in accept or "text/html" in accept or "text/plain" in accept:
        document = opened(records, receipt.document, ReceiptDocument)
        found = pdf_of(document, receipt.locale, receipt.receipt_number) if "application/pdf" in accept else None
        if found:
            return found
        if "text/html" in accept:
            return html_of(document, receipt.locale)
        if "text/plain" in accept:
            return text_of(document, receipt.locale)
        raise HTTPException(406, "This receipt was issued without a PDF. Ask for text/html.")
    return answer(
        ReceiptView(
            number=receipt.receipt_number,
            order_id=order_id,
            issued_on=receipt.issued_on,
            locale=receipt.locale,
            document_digest=receipt.document_digest,
            order=OrderView.of(order, records),
        )
    )


@router.get(
    "/orders/{order_id}/progress",
    response_class=StreamingResponse,
    dependencies=_reading,
    tags=["orders"],
    openapi_extra=asks(Operation.VIEW_ACCOUNTS),
)
async def follow_order(
    order_id: UUID,
    ledger: TheLedger,
    permission: Permitted,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$")] = None,
) -> Response:
    """Server-sent events: each event of the order's account from Last-Event-ID on, until the receipt is sent."""
    if await ledger.queries.order(order_id) is None:
        raise NotFound(kind="ServiceOrder", id=order_id)
    return StreamingResponse(
        _progress(ledger, permission.account_id, order_id, int(last_event_id or 0)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


_FOLLOW_SECONDS: Final = 3600.0
_ENDED: Final = {OrderState.CANCELLED.value}


async def _progress(ledger: Ledger, account_id: UUID, order_id: UUID, position: int) -> AsyncIterator[str]:
    """Events as `id: position`, `event: type`, `data: the timeline's item`; a comment each 15 s keeps proxies awake."""
    give_up_at = asyncio.get_running_loop().time() + _FOLLOW_SECONDS
    quiet_since = asyncio.get_running_loop().time()
    while (now := asyncio.get_running_loop().time()) < give_up_at and not ledger.ending.is_set():
        seen = ledger.queries.news()
        order = await ledger.queries.order(order_id)  # before the rows: whatever ended it is among them then
        rows = await ledger.queries.timeline_after(account_id, position, PAGE_AT_MOST)
        for row in rows:
            position = row.position
            yield f"id: {position}\nevent: {row.topic}\ndata: {TimelineView.of(row).model_dump_json()}\n\n"
        if rows:
            quiet_since = now
            continue
        if order and (order.receipt_sent or order.state in _ENDED):
            return
        if now - quiet_since > 15:  # noqa: PLR2004 -- seconds, see the docstring
            quiet_since = now
            yield ": still here\n\n"
        await ledger.queries.wait_for_news(seen, 1.0)


# --- operation -----------------------------------------------------------------------------------------------------


@router.post("/clock", response_model=ClockView, tags=["operation"], openapi_extra=asks(Operation.MOVE_CLOCK))
async def move_clock(body: MoveClockBody, ledger: TheLedger) -> Response:
    """Move business time forwards; only where the clock is movable, and never back."""
    if not isinstance(ledger.clock, MovableClock):
        raise NotFound(kind="Clock", id=UUID(int=0))
    return answer(ClockView(now=await ledger.clock.move(body.seconds)))
