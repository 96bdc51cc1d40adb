"""A believable account, subscription, quote and order, and the steps between their states."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from domain.account import BillingAccount
from domain.money import Totals
from domain.order import OrderDetails, ServiceOrder
from domain.personal_data import PaymentMethod, PaymentMethodKind, VaultReference
from domain.pricing import QuoteLine, Term, totals
from domain.products import Product
from domain.quote import CartLine, Quote, QuoteOrigin, QuotingRules, issue_quote, price_cart
from domain.receipts import ReceiptSeries
from domain.subscription import Subscription
from domain.tax import TaxCategory

NOON = datetime(2026, 3, 31, 10, tzinfo=UTC)
TODAY = date(2026, 3, 31)
LATER = NOON + timedelta(minutes=1)
TERM = Term(TODAY - timedelta(days=63), TODAY + timedelta(days=302))
ACCOUNT, QUOTE, ORDER, OTHER_ORDER = UUID(int=1), UUID(int=4), UUID(int=5), UUID(int=6)
MEETING, ASSIST = UUID(int=2), UUID(int=3)
RULES = QuotingRules(seller="SL-DE", seller_country="DE")
ADMIN = "p-anna"


def reference(number: int = 7, version: int = 1) -> VaultReference:
    """A vault reference."""
    return VaultReference(UUID(int=number), version, "0" * 64)


CARD = PaymentMethod(reference(70), PaymentMethodKind.CREDIT_CARD, "visa", "4242", 2034, 12)
EXPIRED_CARD = replace(CARD, expiry_year=2026, expiry_month=2)
DETAILS = OrderDetails(CARD, reference(71), reference(72), reference(73), reference(74))


def account(country: str = "DE") -> BillingAccount:
    """A company in Köln unless told otherwise."""
    return BillingAccount(
        id=ACCOUNT,
        number="A-10001",
        country=country,
        currency="EUR",
        language="de",
        time_zone="Europe/Berlin",
        territory="dach",
        vat_id="DE136695976",
        legal_name=reference(71),
        billing_contact=reference(72),
        billing_address=reference(73),
        timestamp=NOON,
    )


def account_with_card(country: str = "DE") -> BillingAccount:
    """The same with a valid card."""
    made = account(country)
    made.select_payment_method(CARD, NOON)
    return made


def subscription(id: UUID = MEETING, product: str = "goto_meeting", term: Term = TERM) -> Subscription:
    """10 seats at 228.00 a year, with 302 of 365 days left."""
    return Subscription(
        id=id,
        account_id=ACCOUNT,
        number=f"S-{id.int}",
        product=product,
        seats=10,
        unit_price=22800,
        currency="EUR",
        term=term,
        timestamp=NOON,
    )


def line(id: UUID = MEETING, net: int = 37729, tax: int = 7169) -> QuoteLine:
    """Two seats more."""
    return QuoteLine(
        subscription_id=id,
        subscription_number=f"S-{id.int}",
        product=Product.GOTO_MEETING,
        seats_before=10,
        seats_to_add=2,
        unit_price=22800,
        term=TERM,
        service_start=TODAY,
        proration_numerator=302,
        proration_denominator=365,
        net=net,
        tax_category=TaxCategory.STANDARD,
        tax_country="DE",
        tax_rate_basis_points=1900,
        tax=tax,
    )


def quote() -> Quote:
    """Two seats of GoTo Meeting, issued at noon."""
    mine, seats = account_with_card(), subscription()
    lines = price_cart([CartLine(MEETING, 2)], mine, {MEETING: seats}, "DE", RULES, NOON)
    return issue_quote(
        QUOTE, "Q-1", QuoteOrigin.SELF_SERVICE, lines, mine, {MEETING: seats}, None, None, None, RULES, NOON
    )


def order(details: OrderDetails = DETAILS, lines: tuple[QuoteLine, ...] = (line(),)) -> ServiceOrder:
    """A draft."""
    return ServiceOrder(
        id=ORDER,
        account_id=ACCOUNT,
        number="O-1",
        quote_id=QUOTE,
        quote_digest="0" * 64,
        seller="SL-DE",
        currency="EUR",
        time_zone="Europe/Berlin",
        lines=lines,
        details=details,
        locale="de",
        timestamp=NOON,
    )


def two_lines() -> ServiceOrder:
    """A draft of two subscriptions."""
    return order(lines=(line(), line(ASSIST)))


def without_admin() -> ServiceOrder:
    """A draft that names no admin."""
    return order(replace(DETAILS, admin_contact=None))


def placed(it: ServiceOrder) -> None:
    it.place(it.lines, CARD, "2026-01", reference(75), reference(76), None, NOON + timedelta(hours=24), NOON)


def attempted(it: ServiceOrder) -> None:
    it.start_payment_attempt(f"pi_{it.attempts + 1}", NOON)


def authorised(it: ServiceOrder) -> None:
    it.payment_authorised(f"pi_{it.attempts}", it.totals.gross, NOON + timedelta(days=7), NOON)


def declined(it: ServiceOrder) -> None:
    it.payment_declined(f"pi_{it.attempts}", "card_declined", NOON + timedelta(days=7), NOON)


def assigned(it: ServiceOrder) -> None:
    it.admin_assigned("admin-1", created=True, at=NOON)


def provisioned(it: ServiceOrder) -> None:
    for each in it.unsettled_lines:
        it.line_provisioned(each.subscription_id, NOON)


def rejected(it: ServiceOrder) -> None:
    it.line_rejected(it.unsettled_lines[0].subscription_id, "no room", NOON)


def seats_assigned(it: ServiceOrder) -> None:
    it.admin_seats_assigned(("goto_meeting",), NOON)


def captured(it: ServiceOrder) -> None:
    it.payment_captured(f"pi_{it.attempts}", totals(it.provisioned_lines).gross, NOON)


def completed(it: ServiceOrder) -> None:
    it.complete(UUID(int=8), "SL-DE-2026-000001", reference(77), NOON)


AUTHORISED = (placed, attempted, authorised)
PROVISIONED = (*AUTHORISED, assigned, provisioned, seats_assigned)
CAPTURED = (*PROVISIONED, captured)
COMPLETED = (*CAPTURED, completed)


def series() -> ReceiptSeries:
    """The receipts of 2026."""
    return ReceiptSeries.resumed("SL-DE", 2026, 1)


GROSS = Totals(37729, 7169, 44898)
