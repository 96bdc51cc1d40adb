"""What people, quotes, partners, workers and the clock can do to an order; each is done in every situation."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from domain.care import Care
from domain.notices import Notice
from domain.order import DELAY_WARNING, OrderCommand, ServiceOrder
from domain.quote import CartLine, Quote
from domain.subscription import Subscription
from domain.timers import Timer
from services.ports import Claim
from services.quoting import IssueQuote
from tests.domain.examples import reference
from tests.reference.situations import CARE
from tests.world import ACCOUNT, ADDRESS, JONAS, MEETING, World, kept

Do = Callable[[World, ServiceOrder], Awaitable[object]]
Tell = Callable[[ServiceOrder, "Answer"], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a result is about: the last payment, the first line that is not settled, the first mail that is due."""

    intent_id: str
    subscription_id: UUID
    notice: Notice
    at: datetime

    @property
    def pay_until(self) -> datetime:
        return self.at + timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Command:
    """What a person or the end of a quote does, through the services. `governed_by`: the domain's name for it."""

    name: str
    do: Do
    governed_by: OrderCommand | None = None


# --- what people do ------------------------------------------------------------------------------------------------


def line_waited_for(order: ServiceOrder) -> UUID:
    """The subscription of the first line that is not settled."""
    return (order.unsettled_lines or order.lines)[0].subscription_id


async def _supersede(world: World, order: ServiceOrder) -> None:
    await world.quoting.issue(IssueQuote(ACCOUNT, (CartLine(MEETING, 5),), order.quote_id), world.context())


async def _expire(world: World, order: ServiceOrder) -> None:
    """Ring the quote's timer, late if the quote was over long ago."""
    quote = await world.the(Quote, order.quote_id)
    world.clock.at = max(world.clock.at, quote.valid_until)
    await world.timers.carry_on(_claim(order.quote_id, Timer.EXPIRE_QUOTE), kept)


async def _renew(world: World, _: ServiceOrder) -> None:
    term = (await world.the(Subscription, MEETING)).term
    await world.renewing.renew(MEETING, term.end + timedelta(days=365), None, world.context())


def _claim(subject_id: UUID, work: str) -> Claim:
    return Claim(UUID(int=90), subject_id, ACCOUNT, UUID(int=91), UUID(int=92), 1, 1, work)


BY_BILLING_ADMIN: Final = (
    Command("prepare", lambda w, o: w.ordering.prepare(o.quote_id, w.context())),
    Command(
        "change admin",
        lambda w, o: w.ordering.change_admin_contact(o.id, o.version, JONAS, w.context()),
        OrderCommand.CHANGE_DETAILS,
    ),
    Command(
        "change address",
        lambda w, o: w.ordering.change_billing_address(o.id, o.version, ADDRESS, w.context()),
        OrderCommand.CHANGE_DETAILS,
    ),
    Command(
        "change card",
        lambda w, o: w.ordering.change_payment_method(o.id, o.version, "tok_mastercard", w.context()),
        OrderCommand.CHANGE_DETAILS,
    ),
    Command("place", lambda w, o: w.ordering.place(w.placing(o.id, o.version), w.context()), OrderCommand.PLACE),
    Command("pay", lambda w, o: w.ordering.pay(o.id, w.context()), OrderCommand.PAY),
)
BY_CARE: Final = (
    Command("cancel", lambda w, o: w.ordering.cancel(o.id, "asked", w.context(CARE)), OrderCommand.CANCEL),
    Command(
        "release", lambda w, o: w.ordering.release(o.id, line_waited_for(o), w.context(CARE)), OrderCommand.RELEASE
    ),
    Command("refund", lambda w, o: w.ordering.refund(o.id, None, "goodwill", w.context(CARE)), OrderCommand.REFUND),
    Command(
        "send receipt again",
        lambda w, o: w.ordering.resend_receipt(o.id, w.context(CARE)),
        OrderCommand.RESEND_RECEIPT,
    ),
    Command("close care entry", lambda w, o: w.ordering.close_care_entry(o.id, Care.ORDER_DELAYED, w.context(CARE))),
)
OF_THE_QUOTE: Final = (
    Command("quote declined", lambda w, o: w.quoting.decline(o.quote_id, w.context()), OrderCommand.DECLINE_QUOTE),
    Command("quote superseded", _supersede),
    Command("quote expires", _expire),
    Command("subscription renewed", _renew),
)
COMMANDS: Final[Mapping[str, Sequence[Command]]] = {
    "The billing admin": BY_BILLING_ADMIN,
    "Corporate Account Services": BY_CARE,
    "The quote": OF_THE_QUOTE,
}

# --- what the outside says -----------------------------------------------------------------------------------------


def _tell_notice(order: ServiceOrder, answer: Answer, *, sent: bool) -> None:
    if sent:
        order.notice_sent(answer.notice, "<1@x>", reference(72), answer.at)
    else:
        order.notice_was_undeliverable(answer.notice, "<1@x>", "no such mailbox", answer.at)


def _due(order: ServiceOrder, answer: Answer, early: timedelta) -> datetime:
    return max(answer.at, order.due_at - early) if order.due_at else answer.at


RESULTS: Final[Mapping[str, Mapping[str, Tell]]] = {
    "The payment gateway: holding money": {
        "authorised": lambda o, a: o.payment_authorised(a.intent_id, o.amount_due, a.pay_until, a.at),
        "declined": lambda o, a: o.payment_declined(a.intent_id, "card_declined", a.pay_until, a.at),
        "action required": lambda o, a: o.payment_action_required(a.intent_id, reference(80), a.pay_until, a.at),
        "outcome unknown": lambda o, a: o.payment_outcome_unknown(a.intent_id, "no answer", a.at),
        "payment refused": lambda o, a: o.payment_refused("refused", a.pay_until, a.at),
        "of another payment": lambda o, a: o.payment_authorised("pi_of_another", 1, a.pay_until, a.at),
    },
    "The payment gateway: the hold, the charge, money back": {
        "hold lapsed": lambda o, a: o.payment_lapsed(a.intent_id, a.pay_until, a.at),
        "hold near its end": lambda o, a: o.hold_given_up(a.intent_id, a.at),
        "captured": lambda o, a: o.payment_captured(a.intent_id, o.amount_due, a.at),
        "capture failed": lambda o, a: o.payment_capture_failed(a.intent_id, "refused", a.pay_until, a.at),
        "refunded": lambda o, a: o.payment_refunded("re_1", "SL-DE-CN-2026-000001", reference(78), a.at),
        "refund failed": lambda o, a: o.refund_failed("refused", a.at),
    },
    "Admin Center and seat provisioning": {
        "admin there": lambda o, a: o.admin_assigned("admin-1", created=True, at=a.at),
        "seats there": lambda o, a: o.line_provisioned(a.subscription_id, a.at),
        "seats rejected": lambda o, a: o.line_rejected(a.subscription_id, "no room", a.at),
        "admin has seats": lambda o, a: o.admin_seats_assigned(("goto_meeting",), a.at),
        "wrong answer": lambda o, a: o.answer_not_understood("provisioning", "99 seats for 12", a.at),
    },
    "The workers' own ends, and the clock": {
        "order ended": lambda o, a: o.cancelled(o.authorised_amount, a.at),
        "receipt issued": lambda o, a: o.complete(UUID(int=8), "SL-DE-2026-000009", reference(77), a.at),
        "20 h": lambda o, a: o.be_delayed(_due(o, a, DELAY_WARNING)),
        "24 h": lambda o, a: o.become_overdue(_due(o, a, timedelta())),
        "payment deadline": lambda o, a: o.payment_deadline_passed(a.at + timedelta(days=30)),
    },
    "Mail": {
        "receipt sent": lambda o, a: o.receipt_was_sent("<1@x>", reference(72), 1, a.at),
        "receipt undeliverable": lambda o, a: o.receipt_was_undeliverable("<1@x>", "no such mailbox", a.at),
        "notice sent": partial(_tell_notice, sent=True),
        "notice undeliverable": partial(_tell_notice, sent=False),
    },
}

# --- what partners do wrong ----------------------------------------------------------------------------------------

FAULTS: Final = {
    "does not answer, did nothing": ("before", "timeout"),
    "does not answer, did it": ("after", "timeout"),
    "is away": ("before", "unavailable"),
    "refuses": ("before", "reject"),
    "takes its time": ("before", "pending"),
    "tells other numbers": ("before", "wrong"),
}
_ALWAYS: Final = ("does not answer, did nothing", "does not answer, did it", "is away")
_REFUSES: Final = (*_ALWAYS, "refuses")
_MISSTATES: Final = (*_REFUSES, "tells other numbers")
CALLS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "payments.create_intent": ("Placed", _REFUSES),
    "payments.retrieve": ("Placed, payment made", _MISSTATES),
    "payments.confirm": ("Placed, payment made", _MISSTATES),
    "payments.void": ("Authorised, called off", _REFUSES),
    "payments.capture": ("Provisioned", _MISSTATES),
    "payments.refund": ("Completed, refund under way", _REFUSES),
    "admin_directory.ensure_admin": ("Authorised", _REFUSES),
    "admin_directory.ensure_seats": ("Provisioned", _REFUSES),
    "provisioning.set_seats": ("Authorised", tuple(FAULTS)),
    "provisioning.answer_to": ("Authorised, called off", _ALWAYS),
}
"""Each call of a worker: in which situation it is made, and what the sandbox partner can do wrong with it."""
