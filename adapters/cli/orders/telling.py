"""What an order's file says in words: whose turn it is, what came of each payment, what an event tells."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from adapters.documents.languages import Language
from adapters.postgres.order_file import OrderFile, WorkInHand
from domain.care import Care
from domain.envelope import Recorded
from domain.history import topic_of
from domain.order import FulfilmentStep, OrderState, ServiceOrder
from domain.pricing import QuoteLine

money: Final = Language("en").money

WORKERS: Final = "the workers"
NOBODY: Final = "nobody"

_STEPS: Final = {
    FulfilmentStep.AUTHORISE: "hold the money on the card",
    FulfilmentStep.ASSIGN_ADMIN: "name the admin in the Admin Center",
    FulfilmentStep.PROVISION: "get the seats from the provisioning system",
    FulfilmentStep.ASSIGN_ADMIN_SEATS: "give the admin a seat of each product",
    FulfilmentStep.RELEASE: "give up the lines without seats; those with seats are charged",
    FulfilmentStep.CAPTURE: "charge the card for what was provisioned",
    FulfilmentStep.CANCEL: "call the order off and give the hold back",
    FulfilmentStep.ISSUE_RECEIPT: "issue the receipt",
    FulfilmentStep.REFUND: "give money back to the card",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """Who acts next, and what there is to do."""

    who: str
    what: str

    def __str__(self) -> str:
        """In one line."""
        return self.what if self.who == NOBODY else f"{self.who}: {self.what}"


def next_turn(order: ServiceOrder) -> Turn:
    """Whose turn it is by the order's events alone."""
    step = order.next_step
    if step is FulfilmentStep.AWAIT_ACTION:
        return Turn("the card's holder", f"confirm the payment at the bank{_until(order.pay_until)}")
    if step is FulfilmentStep.AUTHORISE and order.state is OrderState.PAYMENT_UNKNOWN:
        return Turn(WORKERS, "ask the gateway what became of the payment")
    if step:
        return Turn(WORKERS, _STEPS[step])
    if order.state is OrderState.PREPARED:
        return Turn("the billing admin", "place the order")
    if order.state is OrderState.PAYMENT_DECLINED:
        return Turn("the customer", f"pay, with this card or another{_until(order.pay_until)}")
    return _turn_once_over(order)


def _turn_once_over(order: ServiceOrder) -> Turn:
    if order.receipt_undeliverable:
        return Turn("Corporate Account Services", "get the right address and have the receipt sent again")
    if order.receipt_number and not order.receipt_sent:
        return Turn(WORKERS, "mail the receipt")
    if order.notices_due:
        return Turn(WORKERS, f"mail: {', '.join(_words(notice.kind) for notice in order.notices_due)}")
    return Turn(NOBODY, "all is done")


def _until(at: datetime | None) -> str:
    return f", until {instant(at)}" if at else ""


def instant(at: datetime) -> str:
    """Date and time of day.

    >>> instant(datetime(2026, 3, 31, 12, tzinfo=UTC))
    '2026-03-31 12:00 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def seats_of(line: QuoteLine) -> str:
    """The line's seats, product and subscription."""
    return f"{line.seats_to_add} {line.product.title} seats on {line.subscription_number}"


def _words(code: str) -> str:
    return code.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try to get the money and what came of it last; `amount` in minor units, None where no intent was made."""

    number: int
    intent_id: str
    amount: int | None
    card: str
    came_of_it: str
    at: datetime


def attempts(history: tuple[Recorded, ...]) -> tuple[Attempt, ...]:
    """Every payment attempt of the order, in order."""
    known: dict[int, Attempt] = {}
    for each in history:
        event: Any = each.event
        number = getattr(event, "attempt", None)
        if number is None:
            continue
        if isinstance(event, ServiceOrder.PaymentAttemptStarted):
            card = f"{event.payment_method.brand} {event.payment_method.last_four}"
            known[number] = Attempt(number, event.intent_id, event.amount, card, "started", event.timestamp)
            continue
        before = known.get(number) or Attempt(number, event.intent_id, None, "", "", event.timestamp)
        known[number] = replace(before, came_of_it=_came_of_it(event), at=event.timestamp)
    return tuple(known.values())


def _came_of_it(event: Any) -> str:
    if isinstance(event, ServiceOrder.PaymentDeclined):
        return f"declined: {_words(event.decline_code)}"
    return {
        ServiceOrder.PaymentActionRequired: "the card's holder must confirm",
        ServiceOrder.PaymentAuthorised: "held",
        ServiceOrder.PaymentOutcomeUnknown: "the gateway did not say",
        ServiceOrder.PaymentAuthorisationLapsed: "the hold lapsed",
        ServiceOrder.PaymentCaptured: "charged",
        ServiceOrder.PaymentCaptureFailed: "the charge was refused",
        ServiceOrder.PaymentVoided: "given back",
    }[type(event)]


_TOLD: Final = {
    "attempt": "attempt {}",
    "amount": "{}",
    "decline_code": "{}",
    "subscription_id": "{}",
    "seats_added": "{} seats added",
    "reason": "{}",
    "counterparty": "{}",
    "answer": "{}",
    "care": "{}",
    "kind": "{}",
    "receipt_number": "{}",
    "credit_note_number": "{}",
    "hold_expires_at": "held until {}",
    "pay_until": "to be paid until {}",
    "due_at": "due {}",
}
"""What an event tells, in this order: codes, numbers and times. Who a person is stands in the vault, not here."""


def told(each: Recorded, order: ServiceOrder) -> str:
    """What the event says beside its name."""
    said = []
    for name, words in _TOLD.items():
        value = getattr(each.event, name, None)
        if value is not None and value != "":
            said.append(words.format(_shown(name, value, order)))
    return ", ".join(said)


def _shown(name: str, value: Any, order: ServiceOrder) -> str:
    if name == "amount":
        return money(value, order.currency)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, UUID):
        return next((line.subscription_number for line in order.lines if line.subscription_id == value), str(value))
    return str(value)


def cause(each: Recorded, history: tuple[Recorded, ...]) -> str:
    """What led to the event: an earlier one of the order by its number, else a command."""
    numbers = (other.event.originator_version for other in history if other.event_id == each.causation_id)
    number = next(numbers, None)
    return "command" if number is None else f"from {number}"


def document(file: OrderFile) -> dict[str, Any]:
    """The file for programs; amounts in minor units of `currency`, times as RFC 3339."""
    order, turn = file.order, next_turn(file.order)
    return {
        "id": order.id,
        "number": order.number,
        "account_id": order.account_id,
        "account_number": file.account_number,
        "quote_id": order.quote_id,
        "state": order.state,
        "version": order.version,
        "possible": order.possible,
        "next": {"who": turn.who, "what": turn.what},
        "currency": order.currency,
        "net": order.totals.net,
        "tax": order.totals.tax,
        "gross": order.totals.gross,
        "held": order.authorised_amount if order.holds_money else 0,
        "charged": order.captured_amount,
        "cancelling": order.cancelling,
        "overdue": order.overdue,
        "deadlines": _deadlines(order),
        "lines": [
            {
                "subscription_id": line.subscription_id,
                "subscription_number": line.subscription_number,
                "product": line.product,
                "seats_to_add": line.seats_to_add,
                "gross": line.gross,
                "outcome": order.outcomes.get(line.subscription_id),
            }
            for line in order.lines
        ],
        "attempts": attempts(file.history),
        "receipt": {
            "number": order.receipt_number,
            "sent": order.receipt_sent,
            "undeliverable": order.receipt_undeliverable,
        },
        "credit_notes": list(order.credit_notes),
        "care": [
            {
                "care": row.care,
                "since": row.since,
                "happened": Care(row.care).happened,
                "to_do": Care(row.care).to_do,
                "detail": row.detail,
            }
            for row in file.care
        ],
        "work": [work_document(each) for each in file.work],
        "events_behind": file.events_behind,
        "events": [
            {
                "number": each.event.originator_version,
                "position": each.position,
                "type": topic_of(each.event),
                "effective_at": each.event.timestamp,
                "recorded_at": each.recorded_at,
                "actor_id": each.actor.id,
                "actor_role": each.actor.role,
                "cause": cause(each, file.history),
                "causation_id": each.causation_id,
                "correlation_id": each.correlation_id,
                "told": told(each, order),
            }
            for each in file.history
        ],
    }


def work_document(work: WorkInHand) -> dict[str, Any]:
    """An entry of a to-do list for programs."""
    return {
        "list": work.list,
        "work": work.work,
        "since": work.since,
        "due_at": work.due_at,
        "hands": work.hands,
        "worker": work.owner or None,
        "tries": work.tries,
        "seconds_left": round(work.seconds_left, 1),
    }


def _deadlines(order: ServiceOrder) -> dict[str, datetime | None]:
    return {
        "due_at": order.due_at,
        "pay_until": order.pay_until,
        "hold_expires_at": order.hold_expires_at if order.holds_money else None,
    }
