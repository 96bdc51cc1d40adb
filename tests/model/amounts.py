"""The plain model's arithmetic: days in Berlin, a price by the day, German tax. It shares no code with the ledger."""

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from math import floor
from typing import Final
from zoneinfo import ZoneInfo

BERLIN: Final = ZoneInfo("Europe/Berlin")
GERMAN_TAX: Final = Fraction(19, 100)


def half_up(amount: Fraction) -> int:
    """The nearest whole number of cents, the upper one if two are as near."""
    return floor(amount + Fraction(1, 2))


def day_of(at: datetime) -> date:
    return at.astimezone(BERLIN).date()


def begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), BERLIN).astimezone(UTC)


def price(unit_price: int, seats: int, day: date, start: date, end: date) -> int:
    """Cents for seats added on `day` until `end`; before `start` they cost the whole term."""
    part = Fraction((end - max(day, start)) // timedelta(days=1), (end - start) // timedelta(days=1))
    return half_up(unit_price * seats * part)


def tax_on(net: int) -> int:
    return half_up(net * GERMAN_TAX)
