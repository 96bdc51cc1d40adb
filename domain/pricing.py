"""What added seats cost until the subscription renews: co-terminated, by the day, rounded once per line."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from domain.money import Totals, divided_half_up
from domain.products import Product
from domain.tax import TaxCategory, TaxTreatment, tax_on

PRICE_RULE: Final = "co-term-by-day.1"
"""Version of the rules of this file; stored with every quote."""


@dataclass(frozen=True, slots=True)
class Term:
    """A subscription's term `[start, end)`: `end` is the day of the renewal."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """Length in whole days."""
        return (self.end - self.start).days

    def remaining_days(self, day: date) -> int:
        """Days from `day`, itself included, to the end.

        >>> Term(date(2026, 1, 1), date(2027, 1, 1)).remaining_days(date(2026, 12, 31))
        1
        """
        return (self.end - max(day, self.start)).days


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """Seats added to one subscription; amounts in minor units of the quote's currency, rate in basis points.

    The service period is `[service_start, term.end)`; net = unit_price x seats_to_add x numerator / denominator.
    """

    subscription_id: UUID
    subscription_number: str
    product: Product
    seats_before: int
    seats_to_add: int
    unit_price: int
    term: Term
    service_start: date
    proration_numerator: int
    proration_denominator: int
    net: int
    tax_category: TaxCategory
    tax_country: str
    tax_rate_basis_points: int
    tax: int

    @property
    def gross(self) -> int:
        """Net and tax, in minor units."""
        return self.net + self.tax

    @property
    def seats_after(self) -> int:
        """Seats once the line is provisioned, seen from the day of the quote."""
        return self.seats_before + self.seats_to_add


def prorated_net(unit_price: int, seats: int, remaining_days: int, term_days: int) -> int:
    """Price of `seats` added seats until renewal, in minor units, rounded half up once.

    `unit_price` is minor units per seat and term; both day counts are whole days in the
    account's time zone, start day included. Raises ValueError unless 0 < remaining_days <= term_days.

    >>> prorated_net(22800, 2, 302, 365)
    37729
    """
    if not 0 < remaining_days <= term_days:
        message = f"{remaining_days} days do not lie in a term of {term_days}"
        raise ValueError(message)
    return divided_half_up(unit_price * seats * remaining_days, term_days)


def on_day(line: QuoteLine, day: date, treatment: TaxTreatment) -> QuoteLine:
    """The line as charged when ordered on `day`: the smaller net of quoted and recomputed, taxed as on that day."""
    day = max(day, line.service_start)
    remaining = line.term.remaining_days(day)
    net = min(line.net, prorated_net(line.unit_price, line.seats_to_add, remaining, line.term.days))
    return replace(
        line,
        service_start=day,
        proration_numerator=remaining,
        net=net,
        tax_category=treatment.category,
        tax_country=treatment.country,
        tax_rate_basis_points=treatment.rate_basis_points,
        tax=tax_on(net, treatment.rate_basis_points),
    )


def totals(lines: Iterable[QuoteLine]) -> Totals:
    """Net, tax and gross of the lines."""
    lines = tuple(lines)
    net, tax = sum(line.net for line in lines), sum(line.tax for line in lines)
    return Totals(net=net, tax=tax, gross=net + tax)
