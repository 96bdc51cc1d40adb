"""The bank declines the card: the order waits, is paid with another one, and is charged once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check, expected, german
from adapters.cli.demo.people import Customer
from adapters.cli.demo.settling import completed, happened, noticed
from adapters.cli.demo.stage import Answer, Stage, day

_LOGIN: Final = "emil.faller"
_CART: Final = {"goto_meeting": 5}
_DAYS_TO_PAY: Final = 7


@dataclass(slots=True)
class DeclinedCard:
    """What the service answered."""

    title: ClassVar[str] = "Die Karte wird abgelehnt, eine andere bezahlt"

    customer: Customer
    quote: Answer
    placed: Answer
    declined: Answer
    held_meanwhile: list[Answer]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "DeclinedCard":
        """Place, see the decline, change the card, pay. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        quote = await customer.saved(customer.cart(**_CART))
        order = await customer.prepared(quote)
        placed = await customer.placed(order, "OrderNoticeSent")
        declined = await customer.order(order)
        until = day(declined["pay_until"])
        stage.fact(f"Zahlung abgelehnt ({declined['decline_code']}); die Bestellung wartet bis {until}", "yellow")
        await customer.read_mail()
        movements = (await customer.got("/sandbox/books/payments")).json()["movements"]

        stage.heading("Zahlungsweise ändern und bezahlen")
        await customer.paying_by(order, "tok_visa")
        await customer.posted(f"/v1/orders/{order['id']}/pay")
        await customer.followed(order, "ReceiptSent")
        await customer.read_mail()
        held = [each for each in movements if each["order_id"] == order["id"]]
        return cls(customer, quote, placed, declined, held)

    def checks(self, books: Books) -> Iterator[Check]:
        """From everybody's books."""
        customer, order = self.customer, self.declined
        wanted = expected(self.quote, customer, _CART)
        step, found = "Zahlung", (order["state"], order["decline_code"], self.held_meanwhile)
        declined: tuple[str, str, list[Answer]] = ("PaymentDeclined", "card_declined", [])
        yield Check(step, "the first card was declined, and nothing is held on it", declined, found)
        declined_at = next(each["effective_at"] for each in customer.events if each["type"] == "PaymentDeclined.v1")
        waits = datetime.fromisoformat(order["pay_until"]) - datetime.fromisoformat(declined_at)
        seven_days = abs(waits - timedelta(days=_DAYS_TO_PAY)) < timedelta(minutes=1)
        yield Check(step, "the order waits for another card, 7 days at most", True, seven_days)
        subject = f"Zahlung für Bestellung {order['number']} abgelehnt"
        yield noticed(customer, books, subject, german(wanted.gross), "eine andere Karte", "0002")
        yield from happened(
            customer,
            books,
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "ServiceOrderPrepared"),
            *("OrderPlaced", "QuoteAccepted", "OpenQuoteChanged", "SeatChangeOrdered"),
            *("PaymentAttemptStarted", "PaymentDeclined", "OrderNoticeSent", "OrderDetailsChanged"),
            *("PaymentAttemptStarted", "PaymentAuthorised", "OrderLineProvisioned", "SeatsProvisioned"),
            *("PaymentCaptured", "OrderCompleted", "ReceiptIssued", "ReceiptSent"),
        )
        yield from completed(customer, books, order, wanted, "4242", attempt=2)
        card = books.of(customer).account["payment_method"]["last_four"]
        yield Check("Bestellung", "the account keeps its own card; the other was for this order", "0002", card)
