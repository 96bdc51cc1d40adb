"""An account that pays by invoice can't add seats by itself: it is told who helps, and nothing is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check
from adapters.cli.demo.people import Customer
from adapters.cli.demo.stage import Answer, Stage

_LOGIN: Final = "mareike.koehler"
_CART: Final = {"gotoassist_v5": 1}


@dataclass(slots=True)
class Ineligible:
    """What the service answered."""

    title: ClassVar[str] = "Dieses Konto kann keine Sitze selbst hinzufügen"

    customer: Customer
    refusal: Answer
    history: list[Answer]

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "Ineligible":
        """Look at a price, and try to save the cart. Raises WalkFailed if that works."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        stage.heading("Sitze hinzufügen")
        history, cart = await customer.timeline(), customer.cart(**_CART)
        await customer.previewed(cart)
        refusal = await customer.refused(f"{customer.path}/quotes", {"lines": cart, "replaces": None})
        stage.fact(f"{refusal['status']} {refusal['code']}: {refusal['title']}", "yellow")
        stage.fact(f"Hilfe: {refusal['help']['name']}, {refusal['help']['url']}", "yellow")
        return cls(customer, refusal, history)

    def checks(self, books: Books) -> Iterator[Check]:
        """From the API's books."""
        mine, step = books.of(self.customer), "Sitze hinzufügen"
        allowed = (mine.account["eligible_for_self_service"], mine.account["restriction"])
        yield Check("Abonnements", "the account says that it pays by invoice", (False, "invoice_billing"), allowed)
        reason = (self.refusal["code"], self.refusal["reason"])
        yield Check(step, "the quote is refused, and why", ("NOT_ELIGIBLE_SELF_SERVICE", "invoice_billing"), reason)
        helper = self.refusal.get("help", {})
        found = (helper.get("name"), helper.get("url", "").startswith("https://"))
        yield Check(step, "the refusal says who helps, and where", ("Corporate Account Services", True), found)
        stored = (mine.quotes, mine.orders, [each["event_id"] for each in mine.timeline])
        yield Check(step, "and nothing was stored", ({}, {}, [each["event_id"] for each in self.history]), stored)
