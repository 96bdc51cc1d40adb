"""Money is a whole number of minor units and an ISO 4217 code; a fraction of a cent exists nowhere."""

from dataclasses import dataclass
from typing import Final

MINOR_DIGITS: Final = {"EUR": 2, "CHF": 2, "CZK": 2, "DKK": 2, "GBP": 2, "HUF": 2, "PLN": 2, "SEK": 2, "USD": 2}
"""The currencies that this ledger knows and their decimal digits (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over lines, in minor units; gross = net + tax."""

    net: int
    tax: int
    gross: int


def divided_half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half up to a whole number.

    Raises ValueError unless 0 <= numerator and 0 < denominator.

    >>> divided_half_up(5, 2), divided_half_up(49, 100)
    (3, 0)
    """
    if numerator < 0 or denominator <= 0:
        message = f"no half-up rounding for {numerator}/{denominator}"
        raise ValueError(message)
    return (2 * numerator + denominator) // (2 * denominator)
