"""What the contracts of all documents are tried on: a seller, a buyer, lines, and a page as its reader sees it."""

import re
from datetime import date
from html.parser import HTMLParser
from uuid import UUID

from adapters.documents.seller import Seller
from domain.personal_data import PaymentMethod, PaymentMethodKind, VaultReference
from domain.pricing import QuoteLine, Term, prorated_net, totals
from domain.products import Product
from domain.tax import TaxCategory, tax_on
from services.ports import ReceiptContent
from services.vault_records import Address, Contact, LegalName

NBSP = "\N{NO-BREAK SPACE}"
SELLER = Seller(
    name="Seatledger GmbH",
    street="Invalidenstraße 117",
    postal_code="10115",
    city="Berlin",
    country="DE",
    vat_id="DE136695976",
    register="Amtsgericht Charlottenburg, HRB 000000 B",
    email="billing@seatledger.example",
    website="https://seatledger.example",
)
TERM = Term(date(2026, 1, 1), date(2027, 1, 1))


def line(
    product: Product = Product.GOTO_MEETING,
    rate: int = 1900,
    country: str = "DE",
    seats: tuple[int, int] = (10, 2),
    unit_price: int = 22800,
    start: date = date(2026, 3, 5),
) -> QuoteLine:
    """A line of a year's subscription; rate 0 means reverse charge."""
    days = TERM.remaining_days(start)
    net = prorated_net(unit_price, seats[1], days, TERM.days)
    return QuoteLine(
        subscription_id=UUID(int=1),
        subscription_number=f"S-{product.value}",
        product=product,
        seats_before=seats[0],
        seats_to_add=seats[1],
        unit_price=unit_price,
        term=TERM,
        service_start=start,
        proration_numerator=days,
        proration_denominator=TERM.days,
        net=net,
        tax_category=TaxCategory.STANDARD if rate else TaxCategory.REVERSE_CHARGE,
        tax_country=country,
        tax_rate_basis_points=rate,
        tax=tax_on(net, rate),
    )


def receipt(locale: str, *lines: QuoteLine, currency: str = "EUR") -> ReceiptContent:
    lines = lines or (line(),)
    return ReceiptContent(
        receipt_number="SL-DE-2026-000001",
        order_number="O-7K2QF-9M3TD",
        issued_on=date(2026, 3, 5),
        locale=locale,
        currency=currency,
        legal_name=LegalName(name="Vogt & Söhne GmbH"),
        billing_contact=Contact(name="Jana Vogt", email="jana.vogt@example.com"),
        billing_address=Address(street="Lindenallee 12", postal_code="20259", city="Hamburg", country="DE"),
        vat_id="DE129273398",
        account_number="A-20417",
        purchase_order="PO 4711/26",
        lines=lines,
        totals=totals(lines),
        payment_method=PaymentMethod(
            VaultReference(UUID(int=2), 1, "0" * 64), PaymentMethodKind.CREDIT_CARD, "visa", "4242", 2028, 4
        ),
    )


FIVE_LINES = tuple(
    line(product, rate, country, (10 * number, number), 22_800 + 3_100 * number, date(2026, number, 1))
    for number, (product, rate, country) in enumerate(
        zip(Product, (1900, 2550, 1900, 2000, 0), ("DE", "FI", "DE", "AT", "FR"), strict=True), start=1
    )
)
REVERSE_CHARGE = line(rate=0, country="FR")
LONG_NAME = (
    "Vereinigte Süddeutsche Elektrizitäts- und Wasserversorgungsgesellschaft für Handel, Industrie und Gewerbe mbH "
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftszweigstelle & Co. KGaA"
)


class Page(HTMLParser):
    """The elements of an HTML document in order, and its text as a reader sees it."""

    _ALONE = frozenset({"meta", "br"})

    def __init__(self, html: str) -> None:
        """Parse the document; `unclosed` is empty if each element was closed in its place."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unclosed: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """All text with single spaces; no-break spaces stay."""
        return re.sub(r"[ \n]+", " ", " ".join(self._texts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self._ALONE:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.unclosed:
            self._texts.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """Of each element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]
