"""Refusals in the words of the pages: what is wrong, at which field, and whether Corporate Account Services helps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from adapters.http.portal.forms import FormOutdated
from adapters.http.portal.states import RESTRICTIONS
from adapters.http.portal.words import Reader, msgid
from domain import refusals
from services.ports import AppendTooLarge, CounterpartyRefused


@dataclass(frozen=True, slots=True)
class Complaint:
    """A sentence for the error summary. `field`: the input that it stands beside; `help`: self-service ends here."""

    text: str
    field: str | None = None
    help: bool = False


class ReviewOutdated(Exception):
    """What was reviewed is not what would be ordered now."""


REFUSED: Final = (refusals.Refusal, FormOutdated, ReviewOutdated, CounterpartyRefused, AppendTooLarge)
"""What a form can be sent again after; everything else is a page of its own."""

_TEXTS: Final[Mapping[type[Exception], str]] = {
    refusals.NotFound: msgid("This does not exist any more."),
    refusals.NotPermitted: msgid("Your role does not allow this."),
    refusals.NotBillingAdmin: msgid("Only a billing admin of this account may do this."),
    refusals.NotEligibleForSelfService: msgid("Seats can't be added online for this account: %(reason)s"),
    refusals.NoAutomaticPaymentMethod: msgid(
        "An order needs a credit or debit card that is valid. Please choose a payment method first."
    ),
    refusals.OpenQuoteChanged: msgid(
        "Another quote has been opened or closed since this page was loaded. Please look at what is open now, then "
        "save the cart again."
    ),
    refusals.SalesRepQuoteUnacknowledged: msgid(
        "The open quote was made for you by a sales representative. Confirm that it may expire, or keep it."
    ),
    refusals.QuoteNotOpen: msgid("This quote is not open any more."),
    refusals.QuoteExpired: msgid("This quote was valid until %(valid_until)s. Save the cart again for a new one."),
    refusals.QuoteChanged: msgid(
        "The price or the tax has changed since this quote was made. Save the cart again for a new quote."
    ),
    refusals.ValidityInvalid: msgid("A quote can't end in the past. Choose a later day."),
    refusals.SeatChangePending: msgid(
        "New seats are already on order for this subscription. More can be added once they are there."
    ),
    refusals.SubscriptionEnding: msgid("This subscription ends on %(ends_on)s, so no seats can be added."),
    refusals.OrderNotPayable: msgid("This order is not waiting for a payment. Its present state is shown here."),
    refusals.OrderNotInState: msgid("The order has moved on, so this is not possible any more."),
    refusals.RefundTooLarge: msgid("This is more than can be given back."),
    refusals.TermInvalid: msgid("The term must begin on %(begins_on)s and last at least a day."),
    refusals.ProductUnsupported: msgid("Seats can't be added to this product online."),
    refusals.QuantityInvalid: msgid("Enter how many seats to add: a whole number from 1 to %(at_most)s."),
    refusals.CartInvalid: msgid("Put at least one subscription into the cart, and each only once."),
    refusals.CardNumberRefused: msgid(
        "This looks like a card number. For your safety, card numbers are entered at the payment provider only."
    ),
    refusals.TermsVersionUnknown: msgid("The terms have changed. Please review the order once more."),
    refusals.StaleVersion: msgid(
        "This was changed elsewhere in the meantime. What is shown now is current; please check it and send it again."
    ),
    refusals.Conflict: msgid("Somebody else changed this account at the same moment. Please send it again."),
    refusals.IdempotencyKeyReused: msgid(
        "This page was sent before with other entries. Please check what you see and send it again."
    ),
    refusals.CommandInProgress: msgid("Your first click is still being worked on. Please wait a moment."),
    FormOutdated: msgid(
        "You have signed in anew since this page was loaded. Please check your entries and send again."
    ),
    ReviewOutdated: msgid(
        "The order has changed since you reviewed it. What is shown now is current; please check it and place it again."
    ),
    CounterpartyRefused: msgid("The payment provider does not accept this card. Please enter another one."),
    AppendTooLarge: msgid("This is too much for one order. Please divide it."),
}

_HELPED: Final = (refusals.ProductUnsupported, refusals.QuoteChanged)
"""Beside those whose own class says that self-service ends with them."""

_AT: Final[Mapping[type[Exception], str]] = {refusals.SalesRepQuoteUnacknowledged: "acknowledge"}
"""The input that alone can mend it."""

NO_REASON: Final = msgid("please ask Corporate Account Services.")


def complaint_about(error: Exception, reader: Reader) -> Complaint:
    """What the page says about a refusal."""
    kind = next(each for each in type(error).__mro__ if each in _TEXTS)
    facts: dict[str, Any] = error.facts if isinstance(error, refusals.Refusal) else {}
    if isinstance(error, refusals.NotEligibleForSelfService):
        facts = {"reason": reader.said(RESTRICTIONS.get(error.reason, NO_REASON))}
    text = _TEXTS[kind]
    used = {name: value for name, value in facts.items() if f"%({name})s" in text}
    ends = isinstance(error, refusals.Refusal) and error.ends_self_service
    field = error.field if isinstance(error, refusals.CardNumberRefused) else _AT.get(kind)
    return Complaint(reader.said(text, **used), field, help=ends or isinstance(error, _HELPED))


_FIELDS: Final[Mapping[str, str]] = {
    "name": msgid("Enter a name of at most 200 characters."),
    "email": msgid("Enter an email address, such as name@company.example."),
    "phone": msgid("Enter the telephone number with its country code, such as +49 221 5550123."),
    "street": msgid("Enter street and number."),
    "postal_code": msgid("Enter the postal code, at most 16 characters."),
    "city": msgid("Enter the town or city."),
    "region": msgid("Enter the region in at most 200 characters, or leave it empty."),
    "country": msgid("Choose a country."),
    "po_number": msgid("Enter your purchase order number in at most 200 characters, or leave it empty."),
    "language": msgid("Choose a language."),
    "time_zone": msgid("Choose a time zone."),
    "token": msgid("Please enter a card at the payment provider."),
}
_ANY_FIELD: Final = msgid("Please check this entry.")


def complaints_about(invalid: ValidationError, reader: Reader, prefix: str = "") -> list[Complaint]:
    """One for each field that a body of the API does not take; `prefix` is before the names of the form's inputs."""
    fields = dict.fromkeys(str(each["loc"][0]) for each in invalid.errors(include_input=False, include_url=False))
    return [Complaint(reader.said(_FIELDS.get(field, _ANY_FIELD)), f"{prefix}{field}") for field in fields]


Taken = Callable[[], Any]


def taken(build: Taken, reader: Reader, prefix: str = "") -> Any | list[Complaint]:
    """What `build` makes of typed text, or what is wrong with it beside the form's inputs."""
    try:
        return build()
    except ValidationError as invalid:
        return complaints_about(invalid, reader, prefix)
    except refusals.CardNumberRefused as refused:
        complaint = complaint_about(refused, reader)
        return [replace(complaint, field=f"{prefix}{refused.field}")]
