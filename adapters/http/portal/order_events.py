"""An order with every event that made it what it is, and what caused each."""

from datetime import date, datetime
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Response

from adapters.http.callers import asks
from adapters.http.portal.happenings import happened, who
from adapters.http.portal.order_acts import PAGES, order_of
from adapters.http.portal.visiting import AVisit, PortalRoute
from domain.envelope import Recorded
from domain.history import topic_of
from domain.ledger import LedgerEvent
from domain.order import OrderCommand
from services.authorisation import Operation

order_events = APIRouter(route_class=PortalRoute)

ACTS: Final = {
    OrderCommand.CANCEL: Operation.CANCEL_ORDER,
    OrderCommand.RELEASE: Operation.RELEASE_SEATS,
    OrderCommand.REFUND: Operation.REFUND_ORDER,
    OrderCommand.RESEND_RECEIPT: Operation.RESEND_RECEIPT,
}
"""What staff can do about an order, and who may."""

_ENVELOPE: Final = {"originator_id", "originator_version", "timestamp", "originator_topic"}


class Shown(NamedTuple):
    """An event with its stored name, what it says in plain values, and what caused it: the event before, if one did."""

    recorded: Recorded
    topic: str
    content: list[tuple[str, str]]
    cause: Recorded | None


@order_events.get("/orders/{order_id}/events", openapi_extra=asks(Operation.VIEW_ACCOUNTS))
async def show_events(order_id: UUID, visit: AVisit) -> Response:
    """The events of the order, its quote and their seats, in the order of the log."""
    order = await order_of(visit, order_id)
    subscriptions = [line.subscription_id for line in order.lines]
    history = await visit.ledger.queries.order_history(order_id, order.quote_id, subscriptions)
    by_id = {each.event_id: each for each in history}
    acts = [PAGES[act] for act, needed in ACTS.items() if act in order.possible and needed in visit.may]
    return visit.page(
        "order_events",
        order=order,
        shown=[Shown(each, topic_of(each.event), plain(each.event), by_id.get(each.causation_id)) for each in history],
        acts=acts,
        happened=happened,
        who=who,
        me=visit.session.caller.actor.id,
    )


def plain(event: LedgerEvent) -> list[tuple[str, str]]:
    """The event's own fields that are one value each: without lines, and without references to the vault."""
    values = ((name, value) for name, value in vars(event).items() if name not in _ENVELOPE)
    return [(name, _said(value)) for name, value in values if isinstance(value, str | int | UUID | date | Enum)]


def _said(value: object) -> str:
    match value:
        case datetime():
            return value.isoformat(timespec="seconds")
        case Enum():
            return str(value.value)
        case _:
            return str(value)
