"""Two subscriptions are ordered and provisioning rejects one: charged is what was delivered, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.care_list import closed, looked_after
from adapters.cli.demo.checking import Check, expected, german
from adapters.cli.demo.levers import planned
from adapters.cli.demo.people import ACCOUNT_SERVICES, Customer, signed_in
from adapters.cli.demo.settling import completed, happened, noticed
from adapters.cli.demo.stage import Answer, Stage

_LOGIN: Final = "jonas.petersen"
_DELIVERED: Final = "goto_webinar"
_REJECTED: Final = "gotoassist_v4"
_CART: Final = {_DELIVERED: 5, _REJECTED: 2}


@dataclass(slots=True)
class InPart:
    """What the service answered."""

    title: ClassVar[str] = "Nur ein Teil wird bereitgestellt, nur dieser berechnet"

    customer: Customer
    quote: Answer
    placed: Answer
    care: list[Answer]
    care_after: list[Answer]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "InPart":
        """Place; Corporate Account Services looks after what was rejected. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        await planned(stage, f"provisioning.set_seats:{customer.subscriptions[_REJECTED]['id']}", "reject")
        quote = await customer.saved(customer.cart(**_CART))
        order = await customer.prepared(quote)
        placed = await customer.placed(order, "ReceiptSent", "OrderNoticeSent")
        await customer.read_mail()
        stage.heading("Corporate Account Services")
        staff = await signed_in(stage, ACCOUNT_SERVICES)
        care = await looked_after(staff, order, "seats_rejected")
        await closed(staff, order, "seats_rejected")
        await customer.followed(order, "CareEntryClosed")
        return cls(customer, quote, placed, care, await looked_after(staff, order))

    def checks(self, books: Books) -> Iterator[Check]:
        """From everybody's books."""
        customer, order = self.customer, self.placed
        whole = expected(self.quote, customer, _CART)
        delivered = whole.only(_DELIVERED)
        mine = books.of(customer)
        outcomes = {line["product"]: line["outcome"] for line in mine.orders[order["id"]]["lines"]}
        wanted = {_DELIVERED: "provisioned", _REJECTED: "rejected"}
        yield Check("Bestellung", "one line was provisioned, the other rejected", wanted, outcomes)
        yield from completed(customer, books, order, delivered, "5556", held=whole.gross)
        rejected = mine.subscriptions[whole.only(_REJECTED).lines[0].subscription_id]
        seats = (rejected["seats"], rejected["seats_on_order"], rejected["seats_can_be_added"])
        before = customer.subscriptions[_REJECTED]["seats"]
        sentence = f"GoToAssist v4 keeps its {before} seats, and can be ordered again"
        yield Check("Bestellung", sentence, (before, 0, True), seats)
        text = mine.receipts[order["id"]].text
        named = [title for title in ("GoTo Webinar", "GoToAssist v4") if title in text]
        yield Check("Quittung", "it has the line that was delivered alone", ["GoTo Webinar"], named)
        subject = f"Bestellung {order['number']}: Einige Sitze konnten nicht hinzugefügt werden"
        said = (german(delivered.gross), "GoTo Webinar", "GoToAssist v4", "nicht hinzugefügt")
        yield noticed(customer, books, subject, *said)
        entries = [(each["care"], each["subject_number"], each["account_number"]) for each in self.care]
        listed = [("seats_rejected", order["number"], customer.account["number"])]
        yield Check("Corporate Account Services", "the rejected line is on the care list", listed, entries)
        yield Check("Corporate Account Services", "and leaves it once it is closed", [], self.care_after)
        yield from happened(
            customer,
            books,
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "SeatsRequested", "ServiceOrderPrepared"),
            *("OrderPlaced", "QuoteAccepted", "OpenQuoteChanged", "SeatChangeOrdered", "SeatChangeOrdered"),
            *("PaymentAttemptStarted", "PaymentAuthorised"),
            *("OrderLineProvisioned", "SeatsProvisioned", "OrderLineRejected", "ProvisioningRejected"),
            *("PaymentCaptured", "OrderCompleted", "ReceiptIssued", "ReceiptSent", "OrderNoticeSent"),
            "CareEntryClosed",
        )
