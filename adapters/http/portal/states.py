"""Every state and code of the ledger in human words: what it is called, what it means for the reader, and its tone."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from adapters.http.portal.words import msgid
from domain.account import RestrictionReason
from domain.order import LineOutcome, OrderState
from domain.quote import QuoteOrigin, QuoteState
from domain.subscription import SubscriptionState
from projections.portal import OrderRow


class Told(NamedTuple):
    """`tone`: well, busy, wait, ill or quiet; how the badge is coloured, never its only meaning."""

    label: str
    tone: str
    text: str = ""


SUBSCRIPTIONS: Final[Mapping[str, Told]] = {
    SubscriptionState.ACTIVE: Told(msgid("Active"), "well"),
    SubscriptionState.PENDING_CANCELLATION: Told(msgid("Ends with its term"), "wait"),
    SubscriptionState.ENDED: Told(msgid("Ended"), "quiet"),
}

QUOTES: Final[Mapping[str, Told]] = {
    QuoteState.OPEN: Told(msgid("Open"), "busy", msgid("This quote waits for your decision.")),
    QuoteState.ACCEPTED: Told(msgid("Accepted"), "well", msgid("A service order was placed on this quote.")),
    QuoteState.DECLINED: Told(msgid("Declined"), "quiet", msgid("This quote was declined.")),
    QuoteState.EXPIRED: Told(
        msgid("Expired"), "quiet", msgid("Its time ran out, or a subscription on it was renewed or cancelled.")
    ),
    QuoteState.EXPIRED_BY_SUPERSESSION: Told(
        msgid("Replaced"), "quiet", msgid("A newer quote took its place; this one can't be accepted any more.")
    ),
}

ORIGINS: Final[Mapping[str, Told]] = {
    QuoteOrigin.SELF_SERVICE: Told(msgid("Made in this portal"), "quiet"),
    QuoteOrigin.SALES_REP: Told(msgid("Made by your sales representative"), "quiet"),
}

ORDERS: Final[Mapping[str, Told]] = {
    OrderState.PREPARED: Told(
        msgid("Draft"), "quiet", msgid("The service order is prepared and not placed yet. Nothing is charged.")
    ),
    OrderState.PLACED: Told(
        msgid("Placed"), "busy", msgid("Your order is in. We are reserving the money on your card.")
    ),
    OrderState.AUTHORISED: Told(
        msgid("Being provisioned"), "busy", msgid("The money is reserved on your card. Your seats are being set up.")
    ),
    OrderState.PROVISIONED: Told(
        msgid("Seats are ready"), "busy", msgid("All seats are there. Your card is being charged.")
    ),
    OrderState.CAPTURED: Told(msgid("Paid"), "busy", msgid("Your card was charged. The receipt is being written.")),
    OrderState.COMPLETED: Told(msgid("Completed"), "well", msgid("Your seats are ready to use.")),
    OrderState.PAYMENT_DECLINED: Told(
        msgid("Card declined"),
        "ill",
        msgid("Your bank did not accept the payment. The order is waiting for another card."),
    ),
    OrderState.PAYMENT_ACTION_REQUIRED: Told(
        msgid("Confirm the payment"), "wait", msgid("Your bank wants to be sure that it is you. Please confirm there.")
    ),
    OrderState.PAYMENT_UNKNOWN: Told(
        msgid("Payment being checked"),
        "wait",
        msgid("The payment provider has not told us the result yet. We keep asking; you need not do anything."),
    ),
    OrderState.PARTLY_PROVISIONED: Told(
        msgid("Some seats are ready"),
        "wait",
        msgid("Some seats could not be set up. You are charged only for those that are there."),
    ),
    OrderState.CANCELLED: Told(msgid("Cancelled"), "quiet", msgid("This order was called off.")),
}

COMPLETED_IN_PART: Final = Told(
    msgid("Completed in part"),
    "wait",
    msgid("Some seats are ready to use. The others could not be set up, and you were not charged for them."),
)

DECLINES: Final[Mapping[str, str]] = {
    "card_declined": msgid("The bank gave no reason."),
    "insufficient_funds": msgid("The card does not have enough funds."),
    "expired_card": msgid("The card has expired."),
}
DECLINED_OTHERWISE: Final = msgid("The bank gave a reason that we can't explain here.")

RESTRICTIONS: Final[Mapping[str, str]] = {
    RestrictionReason.PRODUCT_NEEDS_ASSISTANCE: msgid("its products need our assistance."),
    RestrictionReason.INVOICE_BILLING: msgid("it is billed by invoice."),
    RestrictionReason.PAYMENT_DISPUTE: msgid("a payment is being disputed."),
    RestrictionReason.CONTRACT_UNDER_NEGOTIATION: msgid("its contract is being negotiated."),
}

CALLED_OFF: Final[Mapping[str, str]] = {
    "quote superseded": msgid("Its quote was replaced by another."),
    "quote declined": msgid("Its quote was declined."),
    "quote expired": msgid("Its quote expired."),
    "not paid in time": msgid("It was not paid in time."),
    "customer_request": msgid("You asked for it."),
    "duplicate": msgid("It was placed twice."),
    "fraud_suspected": msgid("The payment could not be verified."),
    "contract_change": msgid("The contract changed."),
}
CALLED_OFF_OTHERWISE: Final = msgid("Corporate Account Services can tell you why.")

_KINDS: Final[Mapping[str, Mapping[str, Told]]] = {
    "subscription": SUBSCRIPTIONS,
    "quote": QUOTES,
    "order": ORDERS,
    "origin": ORIGINS,
}


def told_of(order: OrderRow) -> Told:
    """What is said of an order: of a completed one, whether all of it is there."""
    if order.state == OrderState.COMPLETED and LineOutcome.REJECTED in order.outcomes.values():
        return COMPLETED_IN_PART
    return ORDERS[order.state]


def told(kind: str, code: str) -> Told:
    """What is said of a state; `kind` is subscription, quote, order or origin."""
    return _KINDS[kind][code]
