"""The straight way: the help article's steps, from the subscriptions tab to the receipt."""

from collections.abc import Iterator
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check
from adapters.cli.demo.people import Customer
from adapters.cli.demo.stage import Stage
from adapters.cli.demo.ways.straight_checks import ADMIN, PO_NUMBER, PRODUCT, SEATS_TO_ADD, StraightAnswers, checks_of

_LOGIN: Final = "anna.weber"


class StraightWay(StraightAnswers):
    """One order, and nothing goes wrong."""

    title: ClassVar[str] = "Sitze hinzufügen: der gerade Weg"

    @classmethod
    async def walked(cls, stage: Stage) -> "StraightWay":
        """Take the steps in German. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        stage.heading("Angebote")
        quotes = await customer.listed(f"{customer.path}/quotes")
        stage.fact(f"{sum(each['state'] == 'Open' for each in quotes)} offen")

        stage.heading("Sitze hinzufügen")
        cart = customer.cart(**{PRODUCT: SEATS_TO_ADD})
        before = await customer.timeline()
        preview = await customer.previewed(cart)
        stored = len(await customer.timeline()) - len(before)
        quote = await customer.saved(cart)

        prepared = await customer.prepared(quote)
        address = prepared["billing_address"]
        stage.fact(f"Rechnungsadresse: {address['street']}, {address['postal_code']} {address['city']}")
        stage.heading("Speichern und Fortfahren zum Serviceauftrag")
        reviewed = await customer.put(f"/v1/orders/{prepared['id']}/admin-contact", ADMIN)
        stage.fact(f"Administratorkontakt: {ADMIN['name']}, {ADMIN['email']}")
        await customer.saw(reviewed)
        placed = await customer.placed(prepared, "ReceiptSent", po_number=PO_NUMBER)
        await customer.read_mail()

        stage.heading("Quittung")
        receipt = await customer.got(f"/v1/orders/{prepared['id']}/receipt", Accept="text/plain")
        stage.out.print(receipt.text.rstrip(), markup=False, highlight=False)
        return cls(customer, preview, stored, quote, prepared, reviewed.json(), placed)

    def checks(self, books: Books) -> Iterator[Check]:
        """In the order of the article."""
        yield from checks_of(self, books)
