"""The forms that text from outside must have, whichever way it comes in."""

import unicodedata
from typing import Final

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
