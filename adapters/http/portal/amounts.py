"""Amounts of money as people type them in their language."""

from decimal import Decimal

from babel import Locale
from babel.numbers import NumberFormatError, format_decimal, parse_decimal

from domain.money import MINOR_DIGITS

_LONGEST = 20


def minor_units(text: str, currency: str, locale: Locale) -> int | None:
    """The amount in minor units; None for what is no amount of this currency.

    >>> german, english = Locale("de"), Locale("en")
    >>> minor_units("1.377,29", "EUR", german), minor_units("1377.29", "EUR", english), minor_units("5", "EUR", german)
    (137729, 137729, 500)
    >>> minor_units("13.77", "EUR", german), minor_units("0,005", "EUR", german), minor_units("ten", "EUR", english)
    (None, None, None)
    """
    if not text or len(text) > _LONGEST:
        return None
    try:
        amount: Decimal = parse_decimal(text.replace("\N{NO-BREAK SPACE}", ""), locale=locale, strict=True)
    except NumberFormatError:
        return None
    if not amount.is_finite():
        return None
    units = amount.scaleb(MINOR_DIGITS[currency])
    return int(units) if units == units.to_integral_value() else None


def suggested(minor: int, currency: str, locale: Locale) -> str:
    """The amount as somebody would type it, for a field that holds one already.

    >>> suggested(137729, "EUR", Locale("de")), suggested(500, "EUR", Locale("en"))
    ('1.377,29', '5.00')
    """
    digits = MINOR_DIGITS[currency]
    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return format_decimal(Decimal(minor).scaleb(-digits), pattern, locale=locale)
