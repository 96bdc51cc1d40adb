"""The seats could not be used: Corporate Account Services gives the money back, with a numbered credit note."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check, expected, german
from adapters.cli.demo.people import ACCOUNT_SERVICES, Customer, signed_in
from adapters.cli.demo.settling import happened
from adapters.cli.demo.stage import Answer, Stage, money

_LOGIN: Final = "katrin.schroeder"
_CART: Final = {"goto_meeting": 4}


@dataclass(slots=True)
class Refunded:
    """What the service answered."""

    title: ClassVar[str] = "Erstattung mit Rechnungskorrektur"

    customer: Customer
    quote: Answer
    placed: Answer

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "Refunded":
        """Order, complete, refund all of it. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        quote = await customer.saved(customer.cart(**_CART))
        order = await customer.prepared(quote)
        placed = await customer.placed(order, "ReceiptSent")
        await customer.read_mail()
        stage.heading("Corporate Account Services erstattet")
        staff = await signed_in(stage, ACCOUNT_SERVICES)
        await staff.posted(f"/v1/orders/{order['id']}/refund", {"reason": "seats_unusable"})
        await customer.followed(order, "PaymentRefunded", "OrderNoticeSent")
        stage.fact(f"erstattet: {money((await customer.order(order))['refunded'])}")
        await customer.read_mail()
        return cls(customer, quote, placed)

    def checks(self, books: Books) -> Iterator[Check]:
        """From everybody's books."""
        customer, order, mine = self.customer, self.placed, books.of(self.customer)
        wanted = expected(self.quote, customer, _CART)
        gross, now = wanted.gross, mine.orders[order["id"]]
        yield Check("Bestellung", f"{german(gross)} were given back, all of it", gross, now["refunded"]["amount"])
        moves = [(each["kind"], each["amount"]) for each in books.moved(order)]
        kinds = [("authorised", gross), ("captured", gross), ("refunded", gross)]
        yield Check("Bücher der anderen", "payment gateway: held, charged and refunded, each once", kinds, moves)
        receipt = mine.receipts[order["id"]]
        mails = [mail for mail in books.mails_to(customer) if "Rechnungskorrektur" in mail.subject]
        numbers = [re.findall(r"SL-DE-CN-\d{4}-\d{6}", mail.subject) for mail in mails]
        year = receipt.view["issued_on"][:4]
        first = [[f"SL-DE-CN-{year}-000001"]]
        yield Check("Rechnungskorrektur", "one mail, with the first number of a series of its own", first, numbers)
        facts = [*(german(-amount) for amount in (wanted.net, wanted.tax, gross)), receipt.view["number"]]
        said = [[words for words in facts if words in mail.text and words in mail.html] for mail in mails]
        sentence = f"it takes back net {german(wanted.net)} and tax {german(wanted.tax)} of that receipt"
        yield Check("Rechnungskorrektur", sentence, [facts], said)
        yield from happened(
            customer,
            books,
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "ServiceOrderPrepared"),
            *("OrderPlaced", "QuoteAccepted", "OpenQuoteChanged", "SeatChangeOrdered"),
            *("PaymentAttemptStarted", "PaymentAuthorised", "OrderLineProvisioned", "SeatsProvisioned"),
            *("PaymentCaptured", "OrderCompleted", "ReceiptIssued", "ReceiptSent"),
            *("RefundRequested", "PaymentRefunded", "CreditNoteIssued", "OrderNoticeSent"),
        )
