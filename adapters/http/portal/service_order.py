"""The service order's review, kept as it was shown, and Place Service Order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.documents.postal_addresses import address_lines
from adapters.http.api.bodies import PlaceOrderBody
from adapters.http.callers import asks
from adapters.http.portal.forms import Sent, TheForm
from adapters.http.portal.refusals import Complaint, ReviewOutdated, complaint_about, taken
from adapters.http.portal.viewing import rendered
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from domain.order import OrderState
from domain.personal_data import VaultReference
from domain.pricing import totals
from domain.refusals import NotFound, Refusal
from projections.portal import OrderRow
from services.authorisation import Operation
from services.ordering import PlaceServiceOrder
from services.ports import CommandContext, Outcome
from services.vault_records import Address, RequestContext, ReviewedPage, VaultRecord

service_order = APIRouter(route_class=PortalRoute)

_AGENT_AT_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Review:
    """What the admin is shown before he places the order at `version`: the same bytes for the same order and day."""

    version: int
    terms_version: str
    page: ReviewedPage


@service_order.get("/orders/{order_id}/review", openapi_extra=asks(Operation.PLACE_ORDER))
async def show_review(order_id: UUID, visit: AVisit) -> Response:
    """The order with the very lines, card, contact and address that it would have."""
    return await _page(visit, await order_of(visit, order_id), "")


@service_order.post("/orders/{order_id}/place", openapi_extra=asks(Operation.PLACE_ORDER))
async def place_order(order_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Place Service Order, if the review is still what would be ordered; its bytes are kept with the order."""
    order = await order_of(visit, order_id)
    typed = {"terms_version": form.text("terms_version") or "none", "po_number": form.text("po_number") or None}
    body = taken(lambda: PlaceOrderBody.model_validate(typed), visit.reader)
    if isinstance(body, list):
        return await _page(visit, order, form.text("po_number"), *body)

    async def execute(context: CommandContext) -> Outcome:
        page = await _still_shown(visit, order, form, context.now)
        agent = visit.request.headers.get("user-agent")
        command = PlaceServiceOrder(
            order_id=order_id,
            version=form.version,
            terms_version=body.terms_version,
            po_number=body.po_number,
            request_context=RequestContext(
                ip=visit.request.client.host if visit.request.client else None,
                user_agent=agent and agent[:_AGENT_AT_MOST],
            ),
            page=page,
        )
        return await visit.ledger.ordering.place(command, context)

    outcome = await visit.attempted(form, execute)
    if isinstance(outcome, Complaint):
        return await _page(visit, order, form.text("po_number"), outcome)
    return see(f"/orders/{order_id}", outcome)


async def _still_shown(visit: Visit, order: OrderRow, form: Sent, at: datetime) -> ReviewedPage | None:
    """The page that the form was on, made again; raises ReviewOutdated if it comes out otherwise now.

    None where there is nothing to review any more: then placing says why, or what came of the first click.
    """
    try:
        review = await _review(visit, order, at)
    except Refusal:
        return None
    if review.page.digest != form.text("page_digest"):
        raise ReviewOutdated
    return review.page


async def _page(visit: Visit, order: OrderRow, po_number: str, *refused: Complaint) -> Response:
    if order.state != OrderState.PREPARED:
        return see(f"/orders/{order.order_id}")
    await visit.looked(Operation.PLACE_ORDER, "ServiceOrder", order.order_id)
    review, complaints = None, list(refused)
    try:
        review = await _review(visit, order, await visit.ledger.clock.now())
    except Refusal as error:
        complaints = complaints or [complaint_about(error, visit.reader)]
    return visit.page(
        "review",
        409 if complaints else 200,
        order=order,
        review=review,
        po_number=po_number,
        complaints=complaints,
    )


async def _review(visit: Visit, order: OrderRow, at: datetime) -> Review:
    reviewed = await visit.ledger.ordering.review(order.order_id, at)
    details = reviewed.details
    wanted = (details.legal_name, details.billing_contact, details.billing_address, details.admin_contact)
    records = await visit.ledger.vault.read(each for each in wanted if each)
    html = rendered(
        "reviewed_order.html.j2",
        visit.reader,
        order=order,
        lines=reviewed.lines,
        sums=totals(reviewed.lines),
        card=reviewed.payment_method,
        people=people_of(visit, details_of(records, wanted)),
        terms_version=reviewed.terms_version,
    )
    return Review(reviewed.version, reviewed.terms_version, ReviewedPage(locale=visit.reader.language.code, html=html))


Details = Mapping[str, VaultRecord | None]


def details_of(
    records: Mapping[VaultReference, VaultRecord], wanted: tuple[VaultReference | None, ...]
) -> dict[str, VaultRecord | None]:
    """The records of an order's details by name; None for what is not there, or was erased."""
    names = ("legal_name", "billing_contact", "billing_address", "admin_contact")
    return {name: records.get(each) if each else None for name, each in zip(names, wanted, strict=True)}


def people_of(visit: Visit, details: Details) -> dict[str, object]:
    """Names, and the address in lines as its country writes them."""
    address = details["billing_address"]
    lines: tuple[str, ...] = ()
    if isinstance(address, Address):
        lines = address_lines(address, visit.reader.language.country(address.country))
    return {**details, "address_lines": lines}


async def order_of(visit: Visit, order_id: UUID) -> OrderRow:
    """The order's row; raises NotFound."""
    row = await visit.ledger.queries.order(order_id)
    if row is None:
        raise NotFound(kind="ServiceOrder", id=order_id)
    return row
