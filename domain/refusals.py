"""Every way a command is refused: the facts as fields, the docstring as the message, nothing of HTTP."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import ClassVar
from uuid import UUID


@dataclass(eq=False)
class Refusal(Exception):
    """A command was refused; nothing was stored."""

    code: ClassVar[str] = ""
    ends_self_service: ClassVar[bool] = False

    def __str__(self) -> str:
        """The class's docstring with the facts filled in."""
        facts = {
            name: ", ".join(value) or "nothing" if isinstance(value, tuple) else value
            for name, value in self.facts.items()
        }
        return (self.__doc__ or "").format(**facts)

    @property
    def facts(self) -> dict[str, object]:
        """The refusal's fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(eq=False)
class NotFound(Refusal):
    """There is no {kind} with the id {id}."""

    code: ClassVar[str] = "NOT_FOUND"
    kind: str
    id: UUID


@dataclass(eq=False)
class NotPermitted(Refusal):
    """The role {role} may not do this ({operation})."""

    code: ClassVar[str] = "NOT_PERMITTED"
    operation: str
    role: str


@dataclass(eq=False)
class NotBillingAdmin(Refusal):
    """Only a billing admin of this account may do this."""

    code: ClassVar[str] = "NOT_BILLING_ADMIN"
    account_id: UUID


@dataclass(eq=False)
class NotEligibleForSelfService(Refusal):
    """This account can't add seats by itself ({reason}). Corporate Account Services will help."""

    code: ClassVar[str] = "NOT_ELIGIBLE_SELF_SERVICE"
    ends_self_service: ClassVar[bool] = True
    account_id: UUID
    reason: str


@dataclass(eq=False)
class NoAutomaticPaymentMethod(Refusal):
    """The account has no valid credit or debit card ({reason}). Add one, then try again."""

    code: ClassVar[str] = "NO_AUTOMATIC_PAYMENT_METHOD"
    account_id: UUID
    reason: str


@dataclass(eq=False)
class OpenQuoteChanged(Refusal):
    """The open quote is not the one this cart would replace. Look at the open quote, then send its id as `replaces`."""

    code: ClassVar[str] = "OPEN_QUOTE_CHANGED"
    account_id: UUID
    open_quote_id: UUID | None
    replaces: UUID | None


@dataclass(eq=False)
class SalesRepQuoteUnacknowledged(Refusal):
    """The open quote was made by a sales representative. Send `acknowledge_sales_rep_quote` to replace it."""

    code: ClassVar[str] = "SALES_REP_QUOTE_UNACKNOWLEDGED"
    open_quote_id: UUID


@dataclass(eq=False)
class QuoteNotOpen(Refusal):
    """The quote is {state}; only an open quote can be accepted, declined or ordered."""

    code: ClassVar[str] = "QUOTE_NOT_OPEN"
    quote_id: UUID
    state: str


@dataclass(eq=False)
class QuoteExpired(Refusal):
    """The quote was valid until {valid_until}. Save the cart again for a new quote."""

    code: ClassVar[str] = "QUOTE_EXPIRED"
    quote_id: UUID
    valid_until: datetime


@dataclass(eq=False)
class ValidityInvalid(Refusal):
    """A quote can't be valid until {valid_until}, which is past."""

    code: ClassVar[str] = "VALIDITY_INVALID"
    valid_until: datetime


@dataclass(eq=False)
class QuoteChanged(Refusal):
    """The quote would cost more, or be taxed otherwise, than when it was issued ({reason}). Save the cart again."""

    code: ClassVar[str] = "QUOTE_CHANGED"
    quote_id: UUID
    reason: str


@dataclass(eq=False)
class SeatChangePending(Refusal):
    """Seats are on order for this subscription; wait until they are there."""

    code: ClassVar[str] = "SEAT_CHANGE_PENDING"
    subscription_id: UUID
    order_id: UUID


@dataclass(eq=False)
class SubscriptionEnding(Refusal):
    """The subscription is {state} and ends on {ends_on}; no seats can be added."""

    code: ClassVar[str] = "SUBSCRIPTION_ENDING"
    ends_self_service: ClassVar[bool] = True
    subscription_id: UUID
    state: str
    ends_on: date


@dataclass(eq=False)
class OrderNotPayable(Refusal):
    """The order is {state}; to be paid, it must be {needed}. Possible now: {possible}."""

    code: ClassVar[str] = "ORDER_NOT_PAYABLE"
    order_id: UUID
    state: str
    needed: str
    possible: tuple[str, ...]


@dataclass(eq=False)
class OrderNotInState(Refusal):
    """The order is {state}; this needs an order that is {needed}. Possible now: {possible}."""

    code: ClassVar[str] = "ORDER_STATE"
    order_id: UUID
    state: str
    needed: str
    possible: tuple[str, ...]


@dataclass(eq=False)
class RefundTooLarge(Refusal):
    """At most {at_most} can be refunded, in minor units, and at least 1; not {amount}."""

    code: ClassVar[str] = "REFUND_AMOUNT"
    order_id: UUID
    amount: int
    at_most: int


@dataclass(eq=False)
class TermInvalid(Refusal):
    """The term must begin on {begins_on} and have at least one day."""

    code: ClassVar[str] = "TERM_INVALID"
    subscription_id: UUID
    begins_on: date


@dataclass(eq=False)
class ProductUnsupported(Refusal):
    """Seats can't be added to {product}; only to GoTo Meeting, Webinar, Training and GoToAssist v4 and v5."""

    code: ClassVar[str] = "PRODUCT_UNSUPPORTED"
    product: str


@dataclass(eq=False)
class QuantityInvalid(Refusal):
    """New Seat Qty is the number of seats to add: a whole number from 1 to {at_most}."""

    code: ClassVar[str] = "QUANTITY_INVALID"
    seats_to_add: int
    at_most: int


@dataclass(eq=False)
class CartInvalid(Refusal):
    """The cart can't be quoted: {reason}."""

    code: ClassVar[str] = "CART_INVALID"
    reason: str


@dataclass(eq=False)
class CardNumberRefused(Refusal):
    """The field {field} holds what looks like a card number; card numbers are entered at the payment provider only."""

    code: ClassVar[str] = "CARD_NUMBER_REFUSED"
    field: str


@dataclass(eq=False)
class TermsVersionUnknown(Refusal):
    """These terms are not the current ones ({current}); review the order again."""

    code: ClassVar[str] = "TERMS_VERSION"
    current: str


@dataclass(eq=False)
class StaleVersion(Refusal):
    """The resource is at version {actual}, not {expected}; read it again, then repeat."""

    code: ClassVar[str] = "PRECONDITION_FAILED"
    expected: int
    actual: int


@dataclass(eq=False)
class Conflict(Refusal):
    """Others changed the same account at the same moment, three times in a row. Try again."""

    code: ClassVar[str] = "CONFLICT"


@dataclass(eq=False)
class IdempotencyKeyReused(Refusal):
    """This Idempotency-Key was used for another request. Use a new key."""

    code: ClassVar[str] = "IDEMPOTENCY_KEY_REUSED"


@dataclass(eq=False)
class CommandInProgress(Refusal):
    """The first request with this Idempotency-Key is still running. Ask again in a moment."""

    code: ClassVar[str] = "COMMAND_IN_PROGRESS"
