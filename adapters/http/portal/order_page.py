"""The order's page: live progress, what waits for its customer, and the receipt."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from adapters.http.callers import asks
from adapters.http.issued_documents import html_of, pdf_of
from adapters.http.portal.cards import kept
from adapters.http.portal.forms import TheForm
from adapters.http.portal.progress import STANDINGS, is_late, is_over, steps_of
from adapters.http.portal.refusals import Complaint
from adapters.http.portal.service_order import details_of, order_of, people_of
from adapters.http.portal.states import CALLED_OFF, CALLED_OFF_OTHERWISE
from adapters.http.portal.viewing import rendered
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from domain.refusals import NotFound
from projections.portal import OrderRow, ReceiptRow
from services.authorisation import Operation
from services.ports import CommandContext, Outcome
from services.vault_records import ActionLink, PurchaseOrder, ReceiptDocument, opened

order_page = APIRouter(route_class=PortalRoute)

_FOLLOW_SECONDS: Final = 3600.0
_QUIET_SECONDS: Final = 15.0


@order_page.get("/orders/{order_id}", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_order(order_id: UUID, visit: AVisit) -> Response:
    """The order as it is now."""
    return await shown(visit, await order_of(visit, order_id))


@order_page.get("/orders/{order_id}/progress", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def follow_order(order_id: UUID, visit: AVisit) -> Response:
    """Server-sent events for the page's script: the part that lives, each time that it is another."""
    await order_of(visit, order_id)
    return StreamingResponse(
        _news(visit, order_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@order_page.get("/orders/{order_id}/receipt", openapi_extra=asks(Operation.VIEW_RECEIPT))
async def show_receipt(order_id: UUID, visit: AVisit) -> Response:
    """The receipt as it was issued and mailed."""
    receipt, document = await _receipt(visit, order_id)
    return html_of(document, receipt.locale)


@order_page.get("/orders/{order_id}/receipt.pdf", openapi_extra=asks(Operation.VIEW_RECEIPT))
async def save_receipt(order_id: UUID, visit: AVisit) -> Response:
    """The receipt as a PDF; one that was issued without is shown as it is."""
    receipt, document = await _receipt(visit, order_id)
    return pdf_of(document, receipt.locale, receipt.receipt_number) or see(f"/orders/{order_id}/receipt")


async def _receipt(visit: Visit, order_id: UUID) -> tuple[ReceiptRow, ReceiptDocument]:
    order = await order_of(visit, order_id)
    receipt = await visit.ledger.queries.receipt(order.receipt_id) if order.receipt_id else None
    if receipt is None:
        raise NotFound(kind="Receipt", id=order_id)
    await visit.looked(Operation.VIEW_RECEIPT, "Receipt", receipt.receipt_id)
    return receipt, opened(await visit.ledger.vault.read([receipt.document]), receipt.document, ReceiptDocument)


@order_page.post("/orders/{order_id}/receipt", openapi_extra=asks(Operation.RESEND_RECEIPT))
async def send_receipt_again(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Mail the receipt once more."""

    async def execute(context: CommandContext) -> Outcome:
        return await visit.ledger.ordering.resend_receipt(order_id, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await shown(visit, await order_of(visit, order_id), outcome)
    return see(f"/orders/{order_id}", outcome)


async def shown(visit: Visit, order: OrderRow, *refused: Complaint) -> Response:
    """The order's page, with what its forms were refused for."""
    await visit.looked(Operation.VIEW_ACCOUNTS, "ServiceOrder", order.order_id)
    details = order.details
    wanted = (details.legal_name, details.billing_contact, details.billing_address, details.admin_contact)
    also = (order.purchase_order, order.action)
    records = await visit.ledger.vault.read(each for each in (*wanted, *also) if each)
    number = records.get(order.purchase_order) if order.purchase_order else None
    link = records.get(order.action) if order.action else None
    return visit.page(
        "order",
        409 if refused else 200,
        people=people_of(visit, details_of(records, wanted)),
        card=await kept(visit, details.payment_method),
        po_number=number.number if isinstance(number, PurchaseOrder) else "",
        complaints=refused,
        **await _progress(visit, order, link.url if isinstance(link, ActionLink) else None),
    )


async def _progress(visit: Visit, order: OrderRow, action_url: str | None) -> dict[str, Any]:
    """What `progress.html.j2` is made of."""
    now = await visit.ledger.clock.now()
    called_off = ""
    if order.cancelling:
        called_off = CALLED_OFF.get(order.cancelling.partition(":")[0], CALLED_OFF_OTHERWISE)
    return {
        "order": order,
        "action_url": action_url,
        "late": is_late(order, now),
        "over": is_over(order),
        "steps": steps_of(order),
        "standings": STANDINGS,
        "called_off": called_off,
        "left": visit.reader.duration(order.due_at - now) if order.due_at and order.due_at > now else "",
    }


async def _news(visit: Visit, order_id: UUID) -> AsyncIterator[str]:
    """Each event is the part's HTML; a comment each 15 s keeps proxies awake, and the last event says that it ends."""
    clock, queries = asyncio.get_running_loop().time, visit.ledger.queries
    give_up_at, quiet_since, version = clock() + _FOLLOW_SECONDS, clock(), None
    while clock() < give_up_at and not visit.ledger.ending.is_set():
        seen = queries.news()
        order = await queries.order(order_id)
        if order and order.version != version:
            version, quiet_since = order.version, clock()
            html = rendered("progress.html.j2", visit.reader, **await _live(visit, order))
            yield f"id: {version}\nevent: progress\n{_data(html)}\n\n"
            if is_over(order):
                yield "event: over\ndata:\n\n"
                return
        elif clock() - quiet_since > _QUIET_SECONDS:
            quiet_since = clock()
            yield ": still here\n\n"
        await queries.wait_for_news(seen, 1.0)


async def _live(visit: Visit, order: OrderRow) -> dict[str, Any]:
    records = await visit.ledger.vault.read([order.action]) if order.action else {}
    link = records.get(order.action) if order.action else None
    progress = await _progress(visit, order, link.url if isinstance(link, ActionLink) else None)
    return {**progress, "csrf_token": visit.session.csrf_token, "may": visit.may, "account": visit.account}


def _data(text: str) -> str:
    return "\n".join(f"data: {line}" for line in text.splitlines())
