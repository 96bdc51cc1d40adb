"""Provisioning hangs: delayed after 20 hours, overdue after 24, released by Corporate Account Services, called off."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.care_list import closed, looked_after
from adapters.cli.demo.checking import Check, expected, german, state
from adapters.cli.demo.levers import hanging, hangs, moved_on
from adapters.cli.demo.people import ACCOUNT_SERVICES, Customer, signed_in
from adapters.cli.demo.settling import happened, noticed
from adapters.cli.demo.stage import Answer, Stage

_LOGIN: Final = "vincent.rademacher"
_PRODUCT: Final = "goto_meeting"
_CART: Final = {_PRODUCT: 10}
_DELAYED, _OVERDUE = timedelta(hours=20), timedelta(hours=24)


@dataclass(slots=True)
class Stuck:
    """What the service answered, and the care list at each stage."""

    title: ClassVar[str] = "Die Bereitstellung hängt, Corporate Account Services greift ein"

    customer: Customer
    quote: Answer
    placed: Answer
    care: list[list[Answer]]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "Stuck":
        """Place, let 24 hours pass, release the seats, let the old call through at last. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        quote = await customer.saved(customer.cart(**_CART))
        order = await customer.prepared(quote)
        staff, care = await signed_in(stage, ACCOUNT_SERVICES), []
        subscription = customer.subscriptions[_PRODUCT]["id"]
        point = f"provisioning.set_seats:{subscription}"
        async with hanging(stage, point):
            placed = await customer.placed(order, "PaymentAuthorised")
            await hangs(stage, point)
            stage.fact("die Bereitstellung antwortet nicht", "yellow")

            stage.heading("20 Stunden später")
            await moved_on(stage, _DELAYED)
            await customer.followed(order, "OrderDelayed")
            care.append(await looked_after(staff, order, "order_delayed"))
            stage.heading("24 Stunden nach der Bestellung")
            await moved_on(stage, _OVERDUE - _DELAYED)
            await customer.followed(order, "OrderOverdue", "OrderNoticeSent")
            await customer.read_mail()
            care.append(await looked_after(staff, order, "order_overdue"))

            stage.heading("Corporate Account Services gibt die Sitze frei")
            await staff.posted(f"/v1/orders/{order['id']}/release", {"subscription_id": subscription})
            await customer.followed(order, "SeatChangeReleased")
        stage.fact("erst jetzt kommt der alte Aufruf an; er ist überholt und ändert nichts", "yellow")
        await customer.followed(order, "OrderCancelled", "OrderNoticeSent")
        await customer.read_mail()
        care.append(await looked_after(staff, order, "seats_rejected"))
        await closed(staff, order, "seats_rejected")
        await customer.followed(order, "CareEntryClosed")
        care.append(await looked_after(staff, order))
        return cls(customer, quote, placed, care)

    def checks(self, books: Books) -> Iterator[Check]:
        """From everybody's books."""
        customer, order, mine = self.customer, self.placed, books.of(self.customer)
        wanted = expected(self.quote, customer, _CART)
        placed_at = datetime.fromisoformat(order["placed_at"])
        for name, after in (("OrderDelayed.v1", _DELAYED), ("OrderOverdue.v1", _OVERDUE)):
            noted = [each["effective_at"] for each in customer.events if each["type"] == name]
            passed = [datetime.fromisoformat(at) - placed_at for at in noted]
            found = [after <= each < after + timedelta(hours=1) for each in passed]
            hours = after // timedelta(hours=1)
            yield Check("Bestellung", f"{name.removesuffix('.v1')} after {hours} hours", [True], found)
        now = mine.orders[order["id"]]
        ended = (*state(now), now["overdue"])
        yield Check("Bestellung", "it was overdue and called off; nothing was charged", ("Cancelled", 0, True), ended)
        step, kinds = "Corporate Account Services", [[each["care"] for each in entries] for entries in self.care]
        listed = [["order_delayed"], ["order_overdue"], ["seats_rejected"], []]
        yield Check(step, "one entry at a time: delayed, overdue, rejected, then none", listed, kinds)
        entries = [each for entries in self.care for each in entries]
        silent = [each["care"] for each in entries if not (each["happened"] and each["to_do"])]
        yield Check(step, "each says what happened and what to do", [], silent)
        subject = f"Bestellung {order['number']} dauert länger als zugesagt"
        yield noticed(customer, books, subject, german(wanted.gross), "Sie brauchen nichts zu unternehmen")
        subject = f"Bestellung {order['number']} wurde storniert"
        yield noticed(customer, books, subject, "keiner der bestellten Sitze", "Ihre Karte wird nicht belastet")
        found_mails = (now["receipt_number"], len(books.mails_to(customer)))
        yield Check("E-Mail", "and no receipt, since nothing was charged", (None, 2), found_mails)
        yield from self._others(books)
        yield from happened(
            customer,
            books,
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "ServiceOrderPrepared"),
            *("OrderPlaced", "QuoteAccepted", "OpenQuoteChanged", "SeatChangeOrdered"),
            *("PaymentAttemptStarted", "PaymentAuthorised", "OrderDelayed", "OrderOverdue", "OrderNoticeSent"),
            *("SeatChangeReleaseBegun", "OrderLineRejected", "SeatChangeReleased"),
            *("PaymentVoided", "OrderCancelled", "OrderNoticeSent", "CareEntryClosed"),
        )

    def _others(self, books: Books) -> Iterator[Check]:
        step, customer, order = "Bücher der anderen", self.customer, self.placed
        wanted = expected(self.quote, customer, _CART)
        moves = [(each["kind"], each["amount"]) for each in books.moved(order)]
        held = [("authorised", wanted.gross), ("voided", wanted.gross)]
        yield Check(step, "payment gateway: held, then given back whole", held, moves)
        before = customer.subscriptions[_PRODUCT]["seats"]
        subscription = books.of(customer).subscriptions[wanted.lines[0].subscription_id]
        calls = books.calls(subscription) or {"seats": None, "answers": []}
        seats = (calls["seats"], subscription["seats"], subscription["seats_on_order"])
        yield Check(step, f"seat provisioning: {before} seats as before, none on order", (before, before, 0), seats)
        answers = [(call["seats"], call["rejection"]) for call in calls["answers"]]
        turned_away = [(before, None), (wanted.lines[0].seats_after, "version_superseded")]
        yield Check(step, "seat provisioning: the call that came too late was turned away", turned_away, answers)
