"""A check, and the arithmetic that the demo does for itself: from price, seats and days alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from adapters.cli.demo.people import Customer
from adapters.cli.demo.stage import Answer


@dataclass(frozen=True, slots=True)
class Check:
    """A sentence that holds if what was found is what was expected."""

    step: str
    sentence: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return bool(self.expected == self.found)


class Tax(NamedTuple):
    """How a sale is taxed; the rate in basis points."""

    category: str
    country: str
    rate: int
    said: str


GERMAN_TAX: Final = Tax("standard", "DE", 1900, "Germany's 19 %")
"""What a German company pays to a German seller."""

SPANISH_REVERSE_CHARGE: Final = Tax("reverse_charge", "ES", 0, "reverse charge, with nothing")
"""What a Spanish company with a VAT id pays to a German seller."""


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """Seats and amounts of one line, in minor units."""

    subscription_id: str
    product: str
    seats_before: int
    seats_to_add: int
    first_day: date
    days: int
    term_days: int
    net: int
    tax: int

    @property
    def seats_after(self) -> int:
        """What the provisioning system must be told."""
        return self.seats_before + self.seats_to_add


@dataclass(frozen=True, slots=True)
class Expected:
    """What a cart must cost."""

    lines: tuple[ExpectedLine, ...]
    rule: Tax

    @property
    def net(self) -> int:
        """Of all lines."""
        return sum(line.net for line in self.lines)

    @property
    def tax(self) -> int:
        """Of all lines."""
        return sum(line.tax for line in self.lines)

    @property
    def gross(self) -> int:
        """What the card pays."""
        return self.net + self.tax

    def only(self, product: str) -> "Expected":
        """Of this product's line alone."""
        return Expected(tuple(line for line in self.lines if line.product == product), self.rule)


def expected(quote: Answer, customer: Customer, cart: Mapping[str, int], rule: Tax = GERMAN_TAX) -> Expected:
    """For these seats by product, from the day that the quote was issued to the renewals."""
    zone = ZoneInfo(customer.account["time_zone"])
    first_day = datetime.fromisoformat(quote["issued_at"]).astimezone(zone).date()
    lines = tuple(_line(customer.subscriptions[product], seats, first_day, rule) for product, seats in cart.items())
    return Expected(lines, rule)


def _line(subscription: Answer, seats: int, first_day: date, rule: Tax) -> ExpectedLine:
    start, end = (date.fromisoformat(subscription[name]) for name in ("term_start", "term_end"))
    days, term_days = (end - first_day).days, (end - start).days
    net = (2 * subscription["unit_price"]["amount"] * seats * days + term_days) // (2 * term_days)
    return ExpectedLine(
        subscription_id=subscription["id"],
        product=subscription["product"],
        seats_before=subscription["seats"],
        seats_to_add=seats,
        first_day=first_day,
        days=days,
        term_days=term_days,
        net=net,
        tax=(2 * net * rule.rate + 10_000) // 20_000,
    )


def german(minor_units: int) -> str:
    r"""An amount in euro as CLDR writes it in German, by means of its own.

    >>> german(137729), german(-5)
    ('1.377,29\xa0€', '-0,05\xa0€')
    """
    euros, cents = divmod(abs(minor_units), 100)
    sign = "-" if minor_units < 0 else ""
    return f"{sign}{euros:,}".replace(",", ".") + f",{cents:02}\N{NO-BREAK SPACE}€"


def english(minor_units: int) -> str:
    """The same in English.

    >>> english(137729)
    '€1,377.29'
    """
    euros, cents = divmod(minor_units, 100)
    return f"€{euros:,}.{cents:02}"


def amounts(step: str, what: str, shown: Answer, wanted: Expected) -> Iterator[Check]:
    """That a quote or order says what the cart must cost."""
    found = tuple((shown[name]["amount"], shown[name]["currency"]) for name in ("net", "tax", "gross"))
    sums = tuple((amount, "EUR") for amount in (wanted.net, wanted.tax, wanted.gross))
    yield Check(step, f"{what} says net {german(wanted.net)}, tax {german(wanted.tax)}", sums, found)
    rates = [(line["tax_category"], line["tax_country"], line["tax_rate_basis_points"]) for line in shown["lines"]]
    yield Check(step, f"{what} is taxed at {wanted.rule.said}", [wanted.rule[:3]] * len(wanted.lines), rates)
    by_line = tuple(sum(line[name]["amount"] for line in shown["lines"]) for name in ("net", "tax", "gross"))
    in_all = tuple(shown[name]["amount"] for name in ("net", "tax", "gross"))
    yield Check(step, f"{what}'s lines add up", by_line, in_all)


def state(order: Answer) -> tuple[str, int]:
    """How far an order is, and what was charged for it in minor units."""
    return order["state"], order["captured"]["amount"]
