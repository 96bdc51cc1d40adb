"""The forms that text from outside must have, whichever way it comes in."""

import unicodedata
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from babel import Locale

EMAIL: Final = r"^[^@\s<>,;:\"]+@[^@\s<>,;:\"]+\.[^@\s<>,;:\".]+$"
PHONE: Final = r"^\+[1-9][0-9]{6,14}$"
"""E.164."""
COUNTRY: Final = r"^[A-Z]{2}$"
"""ISO 3166-1 alpha-2."""
DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
TEXT_AT_MOST: Final = 200
EMAIL_AT_MOST: Final = 254


def has_control_characters(text: str) -> bool:
    r"""Whether there is a control character, a line break, half a surrogate pair or an unassigned code point.

    >>> has_control_characters("Köln"), has_control_characters("two\nlines")
    (False, True)
    """
    return any(unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"} for character in text)


_NO_COUNTRIES: Final = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
"""What CLDR has beside the countries: unions, pseudo-locales, and islands that belong to one of them."""


@cache
def known_countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes, and Kosovo's XK.

    >>> "DE" in known_countries(), "EU" in known_countries()
    (True, False)
    """
    codes = (str(code) for code in Locale("en").territories)
    return frozenset(code for code in codes if code.isalpha()) - _NO_COUNTRIES


@cache
def known_time_zones() -> frozenset[str]:
    """IANA names.

    >>> "Europe/Berlin" in known_time_zones(), "Berlin" in known_time_zones()
    (True, False)
    """
    return frozenset(available_timezones())
