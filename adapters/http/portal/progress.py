"""How far an order is, step by step and line by line, in the order in which it goes. Pure: rows in, words out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from adapters.http.portal.states import DECLINED_OTHERWISE, DECLINES
from adapters.http.portal.viewing import product_title
from adapters.http.portal.words import msgid
from domain.order import LineOutcome, OrderState
from domain.pricing import QuoteLine
from projections.portal import OrderRow


class Standing(StrEnum):
    """Where a step is; the value names its class in the style sheet."""

    DONE = "is-done"
    NOW = "is-now"
    AHEAD = "is-ahead"
    ILL = "is-ill"
    OFF = "is-off"


STANDINGS: Final = {
    Standing.DONE: msgid("done"),
    Standing.NOW: msgid("in progress"),
    Standing.AHEAD: msgid("to come"),
    Standing.ILL: msgid("not done"),
    Standing.OFF: msgid("called off"),
}


class Step(NamedTuple):
    """A step: what it is (a msgid with its facts), where it stands, and a word more."""

    label: str
    standing: Standing
    facts: Mapping[str, Any] = MappingProxyType({})
    more: str = ""


_HELD: Final = {
    OrderState.AUTHORISED,
    OrderState.PROVISIONED,
    OrderState.PARTLY_PROVISIONED,
    OrderState.CAPTURED,
    OrderState.COMPLETED,
}
_CHARGED: Final = {OrderState.CAPTURED, OrderState.COMPLETED}
_SETTLED: Final = {OrderState.PROVISIONED, OrderState.PARTLY_PROVISIONED}


def is_over(order: OrderRow) -> bool:
    """Whether nothing more will be seen to happen: called off, or its receipt is sent."""
    return order.state == OrderState.CANCELLED or order.receipt_sent


def is_late(order: OrderRow, now: datetime) -> bool:
    """Whether the promised 24 hours are over and the order is neither done nor called off."""
    if order.completed_at is not None or order.state == OrderState.CANCELLED:
        return False
    return order.due_at is not None and (order.overdue or now >= order.due_at)


def steps_of(order: OrderRow) -> Sequence[Step]:
    """From placing to the receipt, which an order that was called off has none of."""
    lines = [_line(order, line) for line in order.lines]
    steps = [Step(msgid("Order placed"), Standing.DONE), _payment(order), *lines, _charge(order)]
    return steps if order.state == OrderState.CANCELLED else [*steps, _receipt(order)]


def decline_reason(order: OrderRow) -> str:
    """Why the bank said no, as a msgid; empty if it did not."""
    return DECLINES.get(order.decline_code, DECLINED_OTHERWISE) if order.decline_code else ""


def _payment(order: OrderRow) -> Step:
    if order.state in _HELD:
        return Step(msgid("Money reserved on your card"), Standing.DONE)
    if order.state == OrderState.PAYMENT_DECLINED:
        return Step(msgid("Money could not be reserved on your card"), Standing.ILL, more=decline_reason(order))
    if order.state == OrderState.CANCELLED:
        return Step(msgid("No money is reserved on your card"), Standing.OFF)
    label = msgid("Reservation on your card")
    if order.state == OrderState.PAYMENT_ACTION_REQUIRED:
        return Step(label, Standing.NOW, more=msgid("waiting for your confirmation"))
    if order.state == OrderState.PAYMENT_UNKNOWN:
        return Step(label, Standing.NOW, more=msgid("waiting for your bank"))
    return Step(label, Standing.NOW)


def _line(order: OrderRow, line: QuoteLine) -> Step:
    facts = {"seats": line.seats_to_add, "product": product_title(line.product), "number": line.subscription_number}
    label = msgid("%(seats)s new seats of %(product)s (%(number)s)")
    if line.seats_to_add == 1:
        label = msgid("%(seats)s new seat of %(product)s (%(number)s)")
    outcome = order.outcomes.get(line.subscription_id)
    if outcome == LineOutcome.PROVISIONED:
        return Step(label, Standing.DONE, facts, msgid("ready to use"))
    if outcome == LineOutcome.REJECTED:
        return Step(label, Standing.ILL, facts, msgid("could not be set up and is not charged"))
    if order.state == OrderState.CANCELLED:
        return Step(label, Standing.OFF, facts, msgid("called off"))
    return Step(label, Standing.NOW if order.state in _HELD else Standing.AHEAD, facts)


def _charge(order: OrderRow) -> Step:
    if order.state in _CHARGED:
        return Step(msgid("Card charged"), Standing.DONE)
    if order.state == OrderState.CANCELLED:
        return Step(msgid("Card not charged"), Standing.OFF)
    return Step(msgid("Charge to your card"), Standing.NOW if order.state in _SETTLED else Standing.AHEAD)


def _receipt(order: OrderRow) -> Step:
    if order.receipt_sent:
        return Step(msgid("Receipt sent to your billing contact"), Standing.DONE)
    return Step(msgid("Receipt to your billing contact"), Standing.NOW if order.state in _CHARGED else Standing.AHEAD)
