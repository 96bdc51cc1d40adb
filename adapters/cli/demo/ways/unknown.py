"""The gateway gives no answer, once before it has acted and once after: it is asked by id, and charges once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.care_list import looked_after
from adapters.cli.demo.checking import SPANISH_REVERSE_CHARGE, Check, amounts, expected
from adapters.cli.demo.people import ACCOUNT_SERVICES, Customer, signed_in
from adapters.cli.demo.settling import completed, happened
from adapters.cli.demo.stage import Answer, Stage

_LOGIN: Final = "iker.etxeberria"


@dataclass(frozen=True, slots=True)
class _Try:
    cart: dict[str, int]
    token: str
    last_four: str
    said: str


_TRIES: Final = (
    _Try({"goto_webinar": 2}, "tok_timeout_before_effect", "8228", "der Betrag ist dann noch nicht vorgemerkt"),
    _Try({"goto_training": 1}, "tok_timeout_after_effect", "8236", "der Betrag ist dann schon vorgemerkt"),
)


@dataclass(slots=True)
class OutcomeUnknown:
    """What the service answered, for each of the two orders."""

    title: ClassVar[str] = "Der Zahlungsdienst antwortet nicht (Belege auf Englisch)"

    customer: Customer
    quotes: list[Answer]
    placed: list[Answer]
    care: list[Answer]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "OutcomeUnknown":
        """Place two orders, each with a card whose gateway falls silent. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        quotes, placed, care = [], [], []
        staff = await signed_in(stage, ACCOUNT_SERVICES)
        for each in _TRIES:
            quotes.append(await customer.saved(customer.cart(**each.cart)))
            order = await customer.prepared(quotes[-1])
            await customer.paying_by(order, each.token)
            stage.fact(f"Der Zahlungsdienst wird nicht antworten; {each.said}.", "yellow")
            placed.append(await customer.placed(order, "ReceiptSent"))
            await customer.read_mail()
            care += await looked_after(staff, order)
        return cls(customer, quotes, placed, care)

    def checks(self, books: Books) -> Iterator[Check]:
        """From everybody's books."""
        customer = self.customer
        for each, quote, order in zip(_TRIES, self.quotes, self.placed, strict=True):
            wanted = expected(quote, customer, each.cart, SPANISH_REVERSE_CHARGE)
            yield from amounts("Angebot", "the quote", books.of(customer).quotes[quote["id"]], wanted)
            yield from completed(customer, books, order, wanted, each.last_four)
            intents = {movement["intent_id"] for movement in books.moved(order)}
            tries = (books.of(customer).orders[order["id"]]["attempts"], len(intents))
            yield Check("Zahlung", "it was asked by the payment's id: one attempt, one payment", (1, 1), tries)
            text = books.of(customer).receipts[order["id"]].text
            law = ["Reverse charge", "Article 196", customer.account["vat_id"]]
            named = [words for words in law if words in text]
            yield Check("Quittung", "it names reverse charge and the VAT id", law, named)
        yield Check("Corporate Account Services", "neither is left on the care list", [], self.care)
        one = (
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "ServiceOrderPrepared", "OrderDetailsChanged"),
            *("OrderPlaced", "QuoteAccepted", "OpenQuoteChanged", "SeatChangeOrdered"),
            *("PaymentAttemptStarted", "PaymentOutcomeUnknown", "PaymentAuthorised"),
            *("OrderLineProvisioned", "SeatsProvisioned", "PaymentCaptured"),
            *("OrderCompleted", "ReceiptIssued", "ReceiptSent"),
        )
        yield from happened(customer, books, *one, *one)
