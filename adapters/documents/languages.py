"""A language of documents: its gettext catalogue, and CLDR's formats for money, days, percents and numbers."""

from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, get_timezone_name
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_symbol
from babel.support import NullTranslations, Translations

from domain.money import MINOR_DIGITS

SOURCE: Final = "en"
"""The language of the templates, which needs no catalogue."""

_NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"
_TIME_OF_DAY: Final = {"de": "{time} Uhr ({zone})"}
"""CLDR leaves out the word that German letters don't."""

_BASIS_POINT: Final = -4  # as a power of ten


_LETTERS: Final = files("adapters.documents").joinpath("catalogues")


def _translations(code: str, catalogue: Traversable) -> NullTranslations:
    if code == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    with catalogue.open("rb") as written:
        write_mo(compiled, read_po(written, locale=code, abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled)


class Language:
    """Words and formats of one locale. Amounts are minor units, rates basis points; no figure passes through float."""

    def __init__(self, code: str, catalogue: Traversable | None = None) -> None:
        """Read the catalogue, None: that of the letters. Raises FileNotFoundError for a language that has none."""
        self.code, self.locale = code, Locale.parse(code)
        self.translations = _translations(code, catalogue or _LETTERS.joinpath(f"{code}.po"))

    def money(self, minor_units: int, currency: str) -> str:
        r"""The amount with its currency.

        Raises ValueError for a currency that domain.money doesn't know.

        >>> Language("de").money(137729, "EUR"), Language("en").money(137729, "CHF")
        ('1.377,29\xa0€', 'CHF\xa01,377.29')
        """
        if currency not in MINOR_DIGITS:
            message = f"the minor units of {currency!r} are not known"
            raise ValueError(message)
        pattern = self.locale.currency_formats["standard"].pattern
        if get_currency_symbol(currency, self.locale)[-1].isalpha():
            # CLDR's currencySpacing, which Babel leaves out: a code and a digit don't touch (UTS 35, part 3).
            pattern = pattern.replace("¤#", f"¤{_NO_BREAK_SPACE}#")
        amount = Decimal(minor_units).scaleb(-MINOR_DIGITS[currency])
        return format_currency(amount, currency, pattern, locale=self.locale)

    def day(self, day: date) -> str:
        """The day, short.

        >>> Language("de").day(date(2026, 3, 5)), Language("en").day(date(2026, 3, 5))
        ('05.03.2026', 'Mar 5, 2026')
        """
        return format_date(day, "medium", locale=self.locale)

    def long_day(self, day: date) -> str:
        """The day, in full.

        >>> Language("de").long_day(date(2026, 3, 5)), Language("en").long_day(date(2026, 3, 5))
        ('5. März 2026', 'March 5, 2026')
        """
        return format_date(day, "long", locale=self.locale)

    def long_day_in(self, instant: datetime, time_zone: str) -> str:
        """The day that it is at the instant there, in full.

        >>> from datetime import UTC
        >>> Language("en").long_day_in(datetime(2026, 3, 5, 23, 30, tzinfo=UTC), "Europe/Berlin")
        'March 6, 2026'
        """
        return self.long_day(instant.astimezone(ZoneInfo(time_zone)).date())

    def time(self, instant: datetime, time_zone: str) -> str:
        r"""The time of day there and what the zone calls itself on that day.

        >>> from datetime import UTC
        >>> at = datetime(2026, 3, 5, 13, 5, tzinfo=UTC)
        >>> Language("de").time(at, "Europe/Berlin"), Language("en").time(at, "Asia/Tokyo")
        ('14:05 Uhr (MEZ)', '10:05\u202fPM JST')
        """
        there = instant.astimezone(ZoneInfo(time_zone))
        zone = get_timezone_name(there, width="short", locale=self.locale)
        if zone[0] in "+-":  # CLDR has no short name in this language; the zone's own is plainer than an offset
            zone = there.tzname() or zone
        time = format_time(there, "short", tzinfo=there.tzinfo, locale=self.locale)
        return _TIME_OF_DAY.get(self.code, "{time} {zone}").format(time=time, zone=zone)

    def percent(self, basis_points: int) -> str:
        r"""The rate with as many decimals as it has.

        >>> Language("de").percent(2550), Language("en").percent(1900)
        ('25,5\xa0%', '19%')
        """
        return format_percent(
            Decimal(basis_points).scaleb(_BASIS_POINT), locale=self.locale, decimal_quantization=False
        )

    def number(self, number: int) -> str:
        """The whole number with its groups.

        >>> Language("de").number(10250)
        '10.250'
        """
        return format_decimal(number, locale=self.locale)

    def country(self, code: str) -> str:
        """The country's name; a code that CLDR doesn't know stays one.

        >>> Language("de").country("FR"), Language("en").country("QQ")
        ('Frankreich', 'QQ')
        """
        name: str = self.locale.territories.get(code, code)
        return name
