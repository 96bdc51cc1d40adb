"""Proceed to Payment: the admin contact, the payment method and the billing address of a draft order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.api.bodies import AdminContactBody, BillingAddressBody
from adapters.http.callers import asks
from adapters.http.portal.cards import CARD_FIELD, entered, kept, to_the_gateway
from adapters.http.portal.forms import Sent, TheForm
from adapters.http.portal.refusals import Complaint, taken
from adapters.http.portal.visiting import AVisit, PortalRoute, Visit, see
from adapters.http.portal.words import msgid
from domain.identifiers import order_id
from domain.order import OrderState
from projections.portal import OrderRow
from services.authorisation import Operation
from services.ordering import ChangeOrderDetails
from services.ports import CommandContext, Outcome
from services.vault_records import Address, Contact

payment = APIRouter(route_class=PortalRoute)

_CONTACT: Final = ("name", "email", "phone")
_ADDRESS: Final = ("street", "postal_code", "city", "region")
_NO_CARD: Final = msgid("Choose a payment method: the order is charged to a credit or debit card.")


@dataclass(frozen=True, slots=True)
class Saved:
    """What the order has now."""

    order: OrderRow
    contact: Contact | None
    address: Address | None

    @property
    def fields(self) -> dict[str, str]:
        """As the form's inputs hold it."""
        records = [each.model_dump() for each in (self.contact, self.address) if each]
        return {name: value or "" for record in records for name, value in record.items()}


@payment.get("/quotes/{quote_id}/payment", openapi_extra=asks(Operation.CHANGE_ORDER))
async def show_payment(quote_id: UUID, visit: AVisit) -> Response:
    """The draft's details; a card that was just entered at the gateway stands there to be saved."""
    saved = await _saved(visit, quote_id)
    if saved is None:
        return see(f"/quotes/{quote_id}")
    if saved.order.state != OrderState.PREPARED:
        return see(f"/orders/{saved.order.order_id}")
    return await _page(visit, saved, saved.fields)


@payment.post("/quotes/{quote_id}/payment", openapi_extra=asks(Operation.CHANGE_ORDER))
async def save_payment(quote_id: UUID, visit: AVisit, form: TheForm) -> Response:
    """Save and Proceed to Service Order, or save what is there and enter another card at the gateway first."""
    saved = await _saved(visit, quote_id)
    if saved is None:
        return see(f"/quotes/{quote_id}")
    for_a_card = form.text("action") == "card"
    contact, address, complaints = _read(visit, saved, form)
    token = form.text(CARD_FIELD) or None
    if not (token or saved.order.details.payment_method or for_a_card):
        complaints.append(Complaint(visit.reader.said(_NO_CARD), "card-entry"))
    if complaints:
        return await _page(visit, saved, form.fields, form, *complaints)
    command = ChangeOrderDetails(
        saved.order.order_id,
        form.version,
        contact if contact != saved.contact else None,
        address if address != saved.address else None,
        token,
    )
    outcome: Outcome | None = None
    if command.admin_contact or command.billing_address or command.card_token:

        async def execute(context: CommandContext) -> Outcome:
            return await visit.ledger.ordering.change_details(command, context)

        attempted = await visit.attempted(form, execute)
        if isinstance(attempted, Complaint):
            return await _page(visit, saved, form.fields, form, attempted)
        outcome = attempted
    if for_a_card:
        return await to_the_gateway(visit, f"/quotes/{quote_id}/payment", outcome)
    return see(f"/orders/{saved.order.order_id}/review", outcome)


def _read(visit: Visit, saved: Saved, form: Sent) -> tuple[Contact | None, Address | None, list[Complaint]]:
    """What was typed, None for a contact that nobody wants; and what is wrong with it, at its field."""
    typed = {name: form.text(name) or None for name in (*_CONTACT, *_ADDRESS)}
    complaints: list[Complaint] = []
    contact = None
    if saved.contact or any(typed[name] for name in _CONTACT):
        fields = {name: typed[name] or ("" if name != "phone" else None) for name in _CONTACT}
        contact = taken(lambda: AdminContactBody.model_validate(fields).contact, visit.reader)
    country = saved.order.lines[0].tax_country
    place = {name: typed[name] or ("" if name != "region" else None) for name in _ADDRESS} | {"country": country}
    address = taken(lambda: BillingAddressBody.model_validate(place).address, visit.reader)
    for each in (contact, address):
        if isinstance(each, list):
            complaints += each
    return (
        contact if isinstance(contact, Contact) else None,
        address if isinstance(address, Address) else None,
        complaints,
    )


async def _saved(visit: Visit, quote_id: UUID) -> Saved | None:
    """The quote's order with its personal data; None before Proceed to Payment."""
    order = await visit.ledger.queries.order(order_id(quote_id))
    if order is None:
        return None
    await visit.looked(Operation.CHANGE_ORDER, "ServiceOrder", order.order_id)
    details = order.details
    wanted = [each for each in (details.admin_contact, details.billing_address) if each]
    records = await visit.ledger.vault.read(wanted)
    contact = records.get(details.admin_contact) if details.admin_contact else None
    address = records.get(details.billing_address)
    return Saved(
        order, contact if isinstance(contact, Contact) else None, address if isinstance(address, Address) else None
    )


async def _page(
    visit: Visit, saved: Saved, fields: Mapping[str, str], form: Sent | None = None, *complaints: Complaint
) -> Response:
    order = saved.order
    return visit.page(
        "payment",
        422 if complaints else 200,
        forms_to=visit.ledger.card_form.origin,
        order=order,
        country=order.lines[0].tax_country,
        typed={name: fields.get(name, "") for name in (*_CONTACT, *_ADDRESS)},
        card=await kept(visit, order.details.payment_method),
        new_card=await entered(visit, form.text(CARD_FIELD) if form else None),
        complaints=list(complaints),
        CARD_FIELD=CARD_FIELD,
    )
