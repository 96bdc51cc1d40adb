"""The bank wants the card's holder to confirm (3-D Secure): a link, the bank's page, and the order goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check, english, expected, german
from adapters.cli.demo.levers import bank_page, confirmed
from adapters.cli.demo.people import Customer
from adapters.cli.demo.settling import completed, happened, noticed
from adapters.cli.demo.stage import Answer, Stage

_LOGIN: Final = "georg.wagner"
_CART: Final = {"gotoassist_v4": 2}


@dataclass(slots=True)
class Confirmed:
    """What the service and the bank answered."""

    title: ClassVar[str] = "Die Bank verlangt eine Bestätigung (3-D Secure)"

    customer: Customer
    quote: Answer
    waiting: Answer
    page: str
    held_meanwhile: list[Answer]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "Confirmed":
        """Place, follow the link, confirm. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        quote = await customer.saved(customer.cart(**_CART))
        order = await customer.prepared(quote)
        await customer.placed(order, "OrderNoticeSent")
        waiting = await customer.order(order)
        await customer.read_mail()
        movements = (await customer.got("/sandbox/books/payments")).json()["movements"]

        stage.heading("Zahlung bestätigen, auf der Seite der Bank")
        stage.fact(waiting["action_url"])
        page = await bank_page(stage, waiting["action_url"])
        await confirmed(stage, waiting["action_url"])
        await customer.followed(order, "ReceiptSent")
        await customer.read_mail()
        return cls(customer, quote, waiting, page, [each for each in movements if each["order_id"] == order["id"]])

    def checks(self, books: Books) -> Iterator[Check]:
        """From everybody's books."""
        customer, order = self.customer, self.waiting
        wanted = expected(self.quote, customer, _CART)
        step, found = "Zahlung", (order["state"], self.held_meanwhile)
        yield Check(step, "the order waits for the holder, and nothing is held", ("PaymentActionRequired", []), found)
        asked = (english(wanted.gross) in self.page, "Confirm the payment</button>" in self.page)
        yield Check(step, f"the bank's page asks for {german(wanted.gross)}", (True, True), asked)
        subject = f"Bitte bestätigen Sie die Zahlung für Bestellung {order['number']}"
        yield noticed(customer, books, subject, german(wanted.gross), order["action_url"])
        yield from happened(
            customer,
            books,
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "ServiceOrderPrepared"),
            *("OrderPlaced", "QuoteAccepted", "OpenQuoteChanged", "SeatChangeOrdered"),
            *("PaymentAttemptStarted", "PaymentActionRequired", "OrderNoticeSent"),
            *("PaymentAuthorised", "OrderLineProvisioned", "SeatsProvisioned"),
            *("PaymentCaptured", "OrderCompleted", "ReceiptIssued", "ReceiptSent"),
        )
        yield from completed(customer, books, order, wanted, "3155")
