"""What requests carry: strict types, bounded text, and no card number anywhere."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
)

from adapters.written_forms import (
    COUNTRY,
    DAY,
    EMAIL,
    EMAIL_AT_MOST,
    PHONE,
    TEXT_AT_MOST,
    has_control_characters,
    known_time_zones,
)
from domain.account import RestrictionReason
from domain.card_numbers import contains_card_number
from domain.quote import CartLine
from domain.refusals import CardNumberRefused
from services.vault_records import Address, Contact


def _harmless(text: str, info: ValidationInfo) -> str:
    if contains_card_number(text):
        raise CardNumberRefused(field=info.field_name or "")
    if has_control_characters(text):
        message = "control characters are not allowed"
        raise ValueError(message)
    return text


_Harmless: Final = AfterValidator(_harmless)
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_AT_MOST), _Harmless]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=EMAIL_AT_MOST, pattern=EMAIL),
    _Harmless,
]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=PHONE), _Harmless]


def _written_out(value: object) -> object:
    if isinstance(value, str) and "T" in value:
        return value
    message = "an instant is written with date, time and zone"
    raise ValueError(message)


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]


def _day(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(DAY, value):
        return value
    message = "a day is written as YYYY-MM-DD"
    raise ValueError(message)


Day = Annotated[date, BeforeValidator(_day)]


def _known_time_zone(name: str) -> str:
    if name not in known_time_zones():
        message = "is no time zone of the IANA"
        raise ValueError(message)
    return name


TimeZone = Annotated[str, StringConstraints(max_length=TEXT_AT_MOST), AfterValidator(_known_time_zone)]
Country = Annotated[str, StringConstraints(pattern=COUNTRY)]
MinorUnits = Annotated[StrictInt, Field(ge=0, le=10**12)]


class Body(BaseModel):
    """A request's body; a member that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CartLineBody(Body):
    """New Seat Qty: seats to ADD. `unit_price`, in minor units per seat and term, is a sales rep's to give."""

    subscription_id: UUID
    seats_to_add: StrictInt = Field(examples=[3])
    unit_price: MinorUnits | None = None

    @property
    def line(self) -> CartLine:
        """For the domain."""
        return CartLine(self.subscription_id, self.seats_to_add, self.unit_price)


class PreviewBody(Body):
    """A cart to be priced."""

    lines: Annotated[tuple[CartLineBody, ...], Field(max_length=500)]


class IssueQuoteBody(PreviewBody):
    """A cart to be saved. `replaces` is required: the open quote's id, or null if none is open."""

    replaces: UUID | None
    acknowledge_sales_rep_quote: StrictBool = False
    valid_until: Instant | None = Field(default=None, description="a sales rep's to give")


class ReissueQuoteBody(Body):
    """As for a saved cart: `replaces` is the open quote's id, or null if none is open."""

    replaces: UUID | None
    acknowledge_sales_rep_quote: StrictBool = False


class ContactBody(Body):
    """A person who gets mail; `phone` in E.164 form."""

    name: Text = Field(examples=["Jonas Keller"])
    email: Email = Field(examples=["jonas.keller@example.de"])
    phone: Phone | None = None

    @property
    def contact(self) -> Contact:
        """For the vault."""
        return Contact(name=self.name, email=self.email, phone=self.phone)


class AdminContactBody(ContactBody):
    """The admin who gets a seat of each product on the quote."""


class BillingContactBody(ContactBody):
    """Who gets receipts and notices."""


class BillingAddressBody(Body):
    """Where is billed to."""

    street: Text = Field(examples=["Lindenstraße 7"])
    postal_code: Annotated[Text, StringConstraints(max_length=16)] = Field(examples=["50674"])
    city: Text = Field(examples=["Köln"])
    region: Text | None = None
    country: Country = Field(examples=["DE"])

    @property
    def address(self) -> Address:
        """For the vault."""
        return Address(**self.model_dump())


class LocaleBody(Body):
    """The language of mails and receipts, and the zone that days are counted in."""

    language: Literal["de", "en"]
    time_zone: TimeZone = Field(examples=["Europe/Berlin"])


class PaymentMethodBody(Body):
    """The token that the payment provider's form gave in place of a card."""

    token: Text = Field(examples=["tok_visa"])


class PlaceOrderBody(Body):
    """The terms that the admin saw, and the company's own reference."""

    terms_version: Text = Field(examples=["2026-01"])
    po_number: Text | None = Field(default=None, examples=["PO-2026-0815"])


class CancellationReason(StrEnum):
    """Why an order or a subscription is called off: a code, since events take no free text."""

    CUSTOMER_REQUEST = "customer_request"
    DUPLICATE = "duplicate"
    FRAUD_SUSPECTED = "fraud_suspected"
    CONTRACT_CHANGE = "contract_change"


class RefundReason(StrEnum):
    """Why money goes back."""

    CUSTOMER_REQUEST = "customer_request"
    DUPLICATE = "duplicate"
    SEATS_UNUSABLE = "seats_unusable"
    GOODWILL = "goodwill"


class CancelOrderBody(Body):
    """Why the order is called off."""

    reason: CancellationReason


class CancelSubscriptionBody(Body):
    """Why the subscription ends with its term."""

    reason: CancellationReason


class RefundBody(Body):
    """How much goes back, in minor units with tax; without it, all that is left of what was charged."""

    amount: Annotated[StrictInt, Field(ge=1, le=10**12)] | None = None
    reason: RefundReason


class ReleaseBody(Body):
    """Whose seats nobody waits for any more."""

    subscription_id: UUID


class EligibilityBody(Body):
    """Why the account can't help itself; null: it can."""

    restriction: RestrictionReason | None


class RenewBody(Body):
    """The day after the new term's last day, and its price per seat if that changes."""

    term_end: Day
    unit_price: MinorUnits | None = None


class MoveClockBody(Body):
    """Business time moves forwards."""

    seconds: Annotated[StrictInt, Field(gt=0, le=366 * 86400)]


# It stays in history: an e-mail address is refused (no @), a card number too (adapters.http.callers).
IdempotencyKey = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x3f\x41-\x7e]+$")]
PositionToken = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}\.[0-9]{1,18}$")]
